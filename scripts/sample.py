"""Keep a sample: rehearse the flash sale once, and put what it left into reports/sample/ and the README.

    make sample
    python scripts/sample.py --rebuild    # no run: the kept one's report and pictures again, from today's templates

Kept are the run's reports and records, without logs, and two pictures of the report (they need Chromium). Between the
README's markers stand the run's own output and figures. Unless the run passes nothing is changed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CHINESE = ROOT / "README.zh-CN.md"
LATEST = ROOT / "reports" / "latest"
KEPT = ROOT / "reports" / "sample"
PROGRAM = str(Path(sys.executable).with_name("flashdrill"))
COMMAND = [PROGRAM, "run", "scenarios/flash_sale.yaml", "--plain"]
FILES = (
    "report.html",
    "summary.json",
    "summary.md",
    "junit.xml",
    "result.json.gz",
    "ops.parquet",
    "resources.parquet",
    "events.jsonl",
    "scenario.yaml",
    "plan.yaml",
    "command.txt",
)
MARKS = ("<!-- sample:begin -->", "<!-- sample:end -->")
MOST_LINES = 80
PICTURE_PX = {"width": 1280, "height": 1640}


def main() -> int:
    """Run, keep, show."""
    if "--rebuild" in sys.argv:
        subprocess.run([PROGRAM, "report", str(KEPT), "--rebuild"], cwd=ROOT, check=True)
        photograph_all()
        return 0
    log, status = rehearse()
    if status:
        print(f"the run ended with {status}: the sample stays as it was", file=sys.stderr)
        return status
    keep()
    photograph_all()
    summary = json.loads((KEPT / "summary.json").read_text(encoding="utf-8"))
    show(README, log, figures(summary))
    show(CHINESE, log, figures_in_chinese(summary))
    return 0


def rehearse() -> tuple[str, int]:
    """The output of a rehearsal, shown as it comes, and its exit code."""
    lines: list[str] = []
    with subprocess.Popen(COMMAND, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return "".join(lines), process.returncode


def keep() -> None:
    """Replace the kept run."""
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir()
    for name in FILES:
        shutil.copy(LATEST / name, KEPT / name)


def photograph_all() -> None:
    """The pictures that the READMEs show."""
    for scheme in ("light", "dark"):
        photograph(KEPT / "report.html", KEPT / f"report-{scheme}.png", scheme)


def photograph(page: Path, picture: Path, scheme: Any) -> None:
    """The upper part of a page as a browser shows it."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (of the test group only)

    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        window = browser.new_page(viewport=PICTURE_PX, color_scheme=scheme)  # type: ignore[arg-type]
        window.goto(page.as_uri())
        window.wait_for_selector("html[data-ready]")
        window.screenshot(path=picture)
        browser.close()


def show(page: Path, log: str, sentence: str) -> None:
    """Put the output and a sentence with its figures between a page's markers."""
    before, rest = page.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    text = "\n".join(["```text", *shortened(log), "```", "", sentence, ""])
    page.write_text(f"{before}{MARKS[0]}\n{text}{MARKS[1]}{after}", encoding="utf-8")


def shortened(log: str) -> list[str]:
    """The log without the paths of one machine, and without every second line of load."""
    lines = [
        re.sub(r"\S*/reports/runs", "reports/runs", line.rstrip()) for line in log.splitlines()
    ]
    load = [line for line in lines if " due " in line and " sent " in line]
    dropped = set(load[1::2])
    return [line for line in lines if line not in dropped][:MOST_LINES]


def figures(summary: dict[str, Any]) -> str:
    """What that run measured, in a sentence."""
    return (
        "In that run {due:,} orders were due in {duration:.0f} s; {ok:,} were acknowledged ({queued} of them queued "
        "first, drained {drain:.2f} s after the load), {refused:,} refused because a product was sold out. {holding} "
        "invariants hold, the slowest recovery took {slowest:.2f} s, and the generator's lateness p99 was {late:.0f} "
        "ms at the most."
    ).format(**measured(summary))


def figures_in_chinese(summary: dict[str, Any]) -> str:
    """The same, for README.zh-CN.md."""
    return (
        "这次演练在 {duration:.0f} 秒内应到订单 {due:,} 笔；{ok:,} 笔得到确认（其中 {queued} 笔先进入队列，"
        "负载结束后 {drain:.2f} 秒内排空），{refused:,} 笔因商品售罄被拒绝。{holding} 条不变式全部成立，"
        "最慢一次恢复用时 {slowest:.2f} 秒，发压端迟到时间 p99 最大为 {late:.0f} 毫秒。"
    ).format(**measured(summary))


def measured(summary: dict[str, Any]) -> dict[str, float]:
    """The figures of the sentences, seconds unless their name says otherwise."""
    orders = next(
        o for o in summary["load"]["operations"] if o["kind"] == "place_order" and not o["stage"]
    )
    return {
        **{name: orders[name] for name in ("due", "ok", "queued", "refused")},
        "duration": summary["duration_s"],
        "drain": summary["audit"]["drain_s"],
        "holding": sum(i["status"] == "holds" for i in summary["audit"]["invariants"]),
        "slowest": max(fault["recover_s"] for fault in summary["faults"]),
        "late": max(stage["lateness_p99_s"] for stage in summary["validity"]) * 1000,
    }


if __name__ == "__main__":
    sys.exit(main())
