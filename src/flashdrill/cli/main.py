"""The command line: what a person types, and the exit code that CI reads."""

from __future__ import annotations

import errno
import sys
import traceback

import click

from flashdrill import __version__
from flashdrill.cli.comparing import compare
from flashdrill.cli.completing import PROGRAM, completion
from flashdrill.cli.healing import heal
from flashdrill.cli.importing import import_traffic
from flashdrill.cli.initialising import init
from flashdrill.cli.injecting import inject
from flashdrill.cli.inspecting import schema, validate
from flashdrill.cli.listing import list_files
from flashdrill.cli.proxying import toxiproxy
from flashdrill.cli.reporting import report
from flashdrill.cli.running import run
from flashdrill.cli.showing import show
from flashdrill.cli.standing import down, status, up
from flashdrill.cli.stopping import stop
from flashdrill.cli.working import worker
from flashdrill.errors import EXIT_INTERRUPTED, EXIT_STACK, EXIT_USAGE, FlashdrillError

EPILOG = """
Exit codes: 0 pass; 1 fail (a gate or an invariant); 2 wrong usage or configuration; 3 inconclusive
(the run cannot tell); 4 the stack could not run; 130 interrupted, after healing.
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM)
def main() -> None:
    """Rehearse a promotion: an open-model crowd, faults on a timetable, and a verdict to trust."""


for command in (
    run,
    stop,
    worker,
    report,
    compare,
    show,
    up,
    down,
    status,
    inject,
    heal,
    toxiproxy,
    import_traffic,
    list_files,
    validate,
    schema,
    init,
    completion,
):
    main.add_command(command)


def entry() -> None:
    """Run the command line and end the process with the documented exit code."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: list[str]) -> int:
    """Run one command; every error becomes a message and an exit code, none a surprise."""
    try:
        return int(main.main(arguments, prog_name=PROGRAM, standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except Exception as error:
        return _answer(_only(error))


def _only(error: BaseException) -> BaseException:
    """The one error inside nested groups of one: task groups wrap, people read."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _answer(error: BaseException) -> int:
    if isinstance(error, FlashdrillError):
        click.echo(f"flashdrill: {error}", err=True)
        return error.exit_code
    if isinstance(error, OSError):
        click.echo(f"flashdrill: {error}\n  remedy: {_remedy(error)}", err=True)
        return EXIT_STACK
    traceback.print_exception(error)
    click.echo("flashdrill: this is a defect of flashdrill itself, please report it", err=True)
    return EXIT_STACK  # Python's own exit code 1 would say "fail"


def _remedy(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "free some disk space, or choose another folder with --out"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "choose a folder that you may write to with --out"
    return "see the message above"


if __name__ == "__main__":
    entry()
