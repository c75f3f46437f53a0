"""`python -m flashdrill.toxiproxy.embedded`, with the real server's options; `flashdrill toxiproxy` for people."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from flashdrill.errors import FlashdrillError
from flashdrill.toxiproxy.embedded.api import VERSION
from flashdrill.toxiproxy.embedded.serving import Options, run


def arguments(words: list[str]) -> Options:
    """The real server's options, with one dash as it has them."""
    parser = argparse.ArgumentParser("flashdrill.toxiproxy.embedded")
    parser.add_argument("-host", default="localhost", help="where the API listens")
    parser.add_argument("-port", type=int, default=8474)
    parser.add_argument("-seed", type=int, help="repeats the choices of toxicity and jitter")
    parser.add_argument("-config", type=Path, help="JSON list of proxies to start with")
    parser.add_argument("-proxy-metrics", action="store_true", help="count bytes at /metrics")
    parser.add_argument("-runtime-metrics", action="store_true", help="the process at /metrics")
    parser.add_argument(
        "-version", action="version", version=f"toxiproxy-server version {VERSION} (embedded)"
    )
    return Options(**vars(parser.parse_args(words)))


def main(words: list[str]) -> int:
    """Run the server; one line of JSON says when it is ready. 0 after SIGTERM or SIGINT, 1 when it could not start."""
    try:
        run(arguments(words), _announce)
    except FlashdrillError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _announce(port: int, seed: int) -> None:
    print(json.dumps({"event": "ready", "port": port, "seed": seed}), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
