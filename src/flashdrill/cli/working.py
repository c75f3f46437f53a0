"""`flashdrill worker`: load from this machine for a run that is started on another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import click

from flashdrill.cli.choices import address_choice
from flashdrill.errors import EXIT_INCONCLUSIVE

EPILOG = """
Exit codes: 0 its share was sent and handed in; 2 wrong usage; 3 it was not; 4 no master answered.

\b
Example:
  flashdrill worker --master 10.0.0.5:5557
"""


@click.command(epilog=EPILOG)
@click.option(
    "--master",
    required=True,
    callback=address_choice,
    metavar="HOST:PORT",
    help="Where `flashdrill run --expect-workers N --bind HOST:PORT` listens, or will.",
)
def worker(master: tuple[str, int]) -> int:
    """Send a share of the load of one run, which `flashdrill run --expect-workers` starts elsewhere.

    The master sends everything that is needed, the locustfile too, which runs here: let only masters that you trust be
    reached.
    """
    from flashdrill.load.child import cleared  # noqa: PLC0415  (a quick --help)

    host, port = master
    command = [sys.executable, "-P", "-m", "flashdrill.load.recruit", host, str(port)]
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # what Ctrl-C does, a container's end does too
    # Its standard input ends with this process, SIGKILL included, and it with that.
    with subprocess.Popen(
        [*command, "--held"], stdin=subprocess.PIPE, env=cleared(os.environ)
    ) as process:
        while (status := process.poll()) is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                process.terminate()
    return status if status >= 0 else EXIT_INCONCLUSIVE
