"""Every page by the name of its file."""

from __future__ import annotations

from pathlib import Path

from scripts.reference import (
    commands,
    gates,
    plan,
    reads,
    requests,
    scenario,
    settings,
    summary,
    traffic,
)

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Made from the code by `make reference`: change it there. -->"


def pages() -> dict[str, str]:
    """The text of each page."""
    made = {
        "scenario.md": scenario.lines(),
        "plan.md": plan.lines(ROOT / "chaos" / "faults"),
        "traffic.md": traffic.lines(),
        "requests.md": requests.lines(),
        "gates.md": gates.lines(),
        "reads.md": reads.lines(),
        "settings.md": settings.lines(),
        "summary.md": summary.lines(),
        "cli.md": commands.lines(),
    }
    return {name: "\n".join([MADE, "", *lines]).rstrip() + "\n" for name, lines in made.items()}
