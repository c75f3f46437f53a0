"""The files that somebody starts with: a commented scenario of their own service, or the reference's scenarios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flashdrill.errors import ConfigError
from flashdrill.model.hosts import host_of, loopback

_STARTER = Path(__file__).parent / "starter"
_PLACES = {
    Path("scenarios/first.yaml"): "scenario.yaml",
    Path("scenarios/first.requests.yaml"): "requests.yaml",
    Path("chaos/plans/first.yaml"): "plan.yaml",
}
DEFAULT_URL = "http://127.0.0.1:8000"
_NO_HOSTS = "# hosts: [shop.example.com] #"
_REFERENCE = ("scenarios", "chaos")


@dataclass(frozen=True, slots=True)
class Put:
    """What became of each file: written, or there already and left as it is."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def starter(url: str) -> dict[Path, str]:
    """The files of a first scenario, by their path in the repository, with the service's address filled in."""
    texts = {path: (_STARTER / name).read_text(encoding="utf-8") for path, name in _PLACES.items()}
    host = host_of(url)
    hosts = _NO_HOSTS if loopback(host) else f'hosts: ["{host}"] #'
    return {
        path: text.replace(DEFAULT_URL, url.rstrip("/")).replace(_NO_HOSTS, hosts)
        for path, text in texts.items()
    }


def reference(root: Path) -> dict[Path, str]:
    """The reference's scenarios, plans and own faults."""
    return {path.relative_to(root): path.read_text(encoding="utf-8") for path in _files(root)}


def _files(root: Path) -> Iterator[Path]:
    for folder in _REFERENCE:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in {".yaml", ".py"} and "__pycache__" not in path.parts:
                yield path


def put(folder: Path, files: Mapping[Path, str]) -> Put:
    """Write the files that are not there. What is there is never touched. Raises ConfigError."""
    written, kept = [], []
    for path, text in files.items():
        try:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            if not (folder / path).is_file():
                raise ConfigError("is in the way", path=folder / path) from None
            kept.append(path)
        except (NotADirectoryError, PermissionError) as error:
            raise ConfigError(f"cannot be written: {error.strerror}", path=folder / path) from None
        else:
            written.append(path)
    return Put(tuple(written), tuple(kept))
