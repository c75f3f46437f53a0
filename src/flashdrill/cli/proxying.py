"""`flashdrill toxiproxy`: the embedded server by itself, for tests that want a Toxiproxy and nothing else."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """
Exit codes: 0 after Ctrl-C or SIGTERM; 2 wrong usage or a wrong file; 4 the port is taken.

\b
Examples:
  flashdrill toxiproxy
  flashdrill toxiproxy --config proxies.json --seed 7
  flashdrill toxiproxy --port 0 --proxy-metrics
"""


@click.command(epilog=EPILOG)
@click.option("--host", default="localhost", show_default=True, help="Where its API listens.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8474,
    show_default=True,
    help="Where its API listens; 0 takes a free one.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON list of proxies to start with, each with its toxics if it has any.",
)
@click.option("--seed", type=int, help="Repeat the choices that toxicity and jitter make.")
@click.option("--proxy-metrics", is_flag=True, help="Count the bytes of each proxy at /metrics.")
@click.option("--runtime-metrics", is_flag=True, help="Tell of the process itself at /metrics.")
def toxiproxy(
    host: str,
    port: int,
    config: Path | None,
    seed: int | None,
    proxy_metrics: bool,
    runtime_metrics: bool,
) -> None:
    """Serve Toxiproxy's HTTP API until Ctrl-C, without Go.

    Any client of Toxiproxy 2.12 works with it.
    """
    from flashdrill.toxiproxy.embedded.api import VERSION  # noqa: PLC0415  (a quick --help)
    from flashdrill.toxiproxy.embedded.serving import Options, run  # noqa: PLC0415

    def announce(at: int, chosen: int) -> None:
        click.echo(
            f"the API of Toxiproxy {VERSION} is at http://{_shown(host)}:{at}, seed {chosen}"
        )

    options = Options(
        host=host,
        port=port,
        seed=seed,
        config=config,
        proxy_metrics=proxy_metrics,
        runtime_metrics=runtime_metrics,
    )
    run(options, announce)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
