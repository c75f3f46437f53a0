"""A screen of fewer than 60 columns: the figures that matter, a few to a line."""

from __future__ import annotations

from rich.text import Text

from flashdrill.cli.live.spark import spark
from flashdrill.cli.live.story import Story
from flashdrill.cli.live.traffic import milliseconds
from flashdrill.cli.progress import SILENT_S
from flashdrill.rehearsal.watcher import LiveSecond, ServiceNow


def narrow(story: Story, at_s: float, width: int) -> list[Text]:
    """Up to nine short lines."""
    name = Text(story.scenario.name, "bold")
    live = story.last
    if live is None or not story.is_loading:
        return [name, Text(f"{story.phase} {at_s - story.phase_began_s:.0f} s")]
    t_s, total_s = story.t_s(at_s), live.total_s
    done = round(min(1.0, t_s / total_s) * (width - 2)) if total_s else 0
    return [
        name,
        Text(f"{live.stage} {t_s:.0f}/{total_s:.0f} s, {max(0.0, total_s - t_s):.0f} s left"),
        Text("━" * done + "─" * (width - 2 - done), "green"),
        Text(f"due {live.due}/s sent {live.sent}/s"),
        Text(spark([float(second.sent) for second in story.seconds], width - 2), "cyan"),
        Text(f"p50 {milliseconds(live.p50_ms)} p99 {milliseconds(live.p99_ms)}"),
        Text(_outcomes(live)),
        Text(f"faults: {', '.join(live.faults) or 'none now'}", "yellow" if live.faults else ""),
        Text(_breakers(live.service)),
    ]


def _outcomes(live: LiveSecond) -> str:
    return f"ok {live.ok} refused {live.refused} fail {live.fail} unknown {live.info}"


def _breakers(service: ServiceNow) -> str:
    if service.age_s is None or service.age_s > SILENT_S:
        return "service: silent"
    tripped = [f"{name} {state}" for name, state in service.breakers.items() if state != "closed"]
    waiting = sum(service.queues.values())
    return f"breakers: {', '.join(tripped) or 'closed'}" + (f" queue {waiting}" if waiting else "")
