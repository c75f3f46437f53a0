"""Make the secrets that docker-compose.yml mounts; those that are there stay. Run by `make secrets`.

The folder is for its owner alone (0700), so that nobody else on this machine reaches a file in it. The files can be
read by everybody (0444): Compose mounts a file with the owner and mode that it has here, and a container's user (10001,
70, 472) is not its owner. With 0600 every container would have to run as the person who made them.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from flashdrill.stack.compose import SECRETS, SECRETS_FOLDER

ROOT = Path(__file__).resolve().parents[1]
FOLDER_MODE, FILE_MODE = 0o700, 0o444
BYTES = 32


def make(folder: Path) -> list[str]:
    """The names of the secrets that were made."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(FOLDER_MODE)
    made = []
    for name in SECRETS:
        try:
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, FILE_MODE)  # whatever the umask says
            file.write(secrets.token_hex(BYTES))
        made.append(name)
    return made


def main() -> int:
    """Make what is missing, and say so; never what is in it."""
    folder = ROOT / SECRETS_FOLDER
    made = make(folder)
    for name in SECRETS:
        print(f"{SECRETS_FOLDER}/{name}: {'made' if name in made else 'there already'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
