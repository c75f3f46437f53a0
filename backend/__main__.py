"""The reference order service: `python -m backend serve|seed|queue|schema|openapi|check`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import uvloop

from backend import openapi
from backend.app import serve
from backend.filequeue import FileQueueError, inspect
from backend.lanes import folder
from backend.seed import read_world, schema, seed
from backend.settings import Settings, SettingsError

EXIT_USAGE = 2
EXIT_FAILED = 4


def queue_state(settings: Settings) -> dict[str, Any]:
    """What the queue files hold. The service must be down. Raises FileQueueError."""
    shards = []
    for number in range(len(settings.shards)):
        state = inspect(folder(settings.queue_dir, number))
        shards.append({"shard": number, "depth": state.depth, "next_seq": state.next_seq})
    return {"shards": shards, "depth": sum(shard["depth"] for shard in shards)}


def check(text: str) -> None:
    """Refuse settings that `serve` would refuse, before there is any address. Raises SettingsError."""
    try:
        overrides = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(f"not JSON: {error}") from error
    without_addresses(overrides)


def without_addresses(overrides: Mapping[str, Any]) -> Settings:
    """Settings before there is any address. Raises SettingsError."""
    addresses = dict.fromkeys(("redis_url", "queue_dir", "hmac_secret"), "to come")
    return Settings.from_mapping({"shards": ["to come"], **addresses, **overrides})


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end on uvloop. An error that is alone in its group comes out by itself."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except ExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m backend", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("serve", "serve until SIGTERM"),
        ("seed", "fill the shards and the gate; may be run again"),
        ("queue", "print what the queue files hold, as JSON; the service must be down"),
        ("schema", "print the SQL of one shard"),
        ("openapi", "print the OpenAPI document, with the limits that hold unless they are set"),
        ("check", "check settings from standard input, a JSON object; addresses may be missing"),
    ):
        command = commands.add_parser(name, help=about)
        if name not in {"schema", "openapi", "check"}:
            command.add_argument("--settings", type=Path, required=True)
        if name == "seed":
            command.add_argument("--world", type=Path, required=True)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0, 2 for wrong settings, 4 for what the environment refuses."""
    chosen = parse(arguments)
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        if chosen.command == "schema":
            print(schema())
            return 0
        if chosen.command == "openapi":
            print(openapi.text(without_addresses({})), end="")
            return 0
        if chosen.command == "check":
            check(sys.stdin.read())
            return 0
        settings = Settings.from_file(chosen.settings)
        if chosen.command == "queue":
            print(json.dumps(queue_state(settings)))
        elif chosen.command == "seed":
            run(seed(settings, read_world(chosen.world)))
        else:
            run(serve(settings, chosen.settings))
    except SettingsError as error:
        print(f"settings: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (OSError, FileQueueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
