"""`flashdrill report` prints what is kept, and makes pages again."""

from __future__ import annotations

import json
import shutil
import webbrowser
from pathlib import Path

import pytest

from flashdrill.cli.main import invoke
from flashdrill.report.write import write_reports
from tests.unit.test_report import TEMPLATES, sample

REPORTS = TEMPLATES.parent


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kept run, the only one of the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("reports/runs/20260127T120000Z-smoke")
    folder.mkdir(parents=True)
    write_reports(sample(), folder, TEMPLATES)
    return folder


def test_a_pipe_gets_the_markdown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["report"]) == 0
    assert capsys.readouterr().out.rstrip() == (run / "summary.md").read_text().rstrip()


def test_text_is_drawn_and_has_no_markup(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["report", "latest", "--format", "text"]) == 0
    text = capsys.readouterr().out
    assert "one-order-per-key" in text
    assert "|---" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("form", "name"), [("json", "summary.json"), ("html", "report.html"), ("junit", "junit.xml")]
)
def test_each_format_is_its_file(run: Path, tmp_path: Path, form: str, name: str) -> None:
    assert invoke(["report", run.name[:8], "--format", form, "-o", "copy"]) == 0
    assert (tmp_path / "copy").read_text().strip() == (run / name).read_text().strip()


def test_pages_are_made_again_from_the_result_with_the_templates_here(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("templates", "resources.yaml"):
        source = REPORTS / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / "reports" / name)
    page = tmp_path / "reports" / "templates" / "report.html.j2"
    page.write_text(page.read_text() + "\n<!-- ours: {{ result.seed }} -->\n")
    summary = (run / "summary.json").read_bytes()
    for name in ("summary.md", "junit.xml"):
        (run / name).unlink()
    assert invoke(["report", "--rebuild"]) == 0
    assert "<!-- ours: 7 -->" in (run / "report.html").read_text()
    assert (run / "summary.md").is_file()
    assert (run / "junit.xml").is_file()
    assert (run / "summary.json").read_bytes() == summary
    assert "made" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mistake", "said"),
    [("{% if %}", "report.html.j2:"), ("{{ result.sede }}", "'sede'")],
)
def test_a_mistake_in_a_template_is_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mistake: str, said: str
) -> None:
    shutil.copytree(REPORTS / "templates", tmp_path / "reports" / "templates")
    shutil.copy(REPORTS / "resources.yaml", tmp_path / "reports")
    page = tmp_path / "reports" / "templates" / "report.html.j2"
    page.write_text(page.read_text() + mistake)
    assert invoke(["report", "--rebuild"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "mend the template" in told


def test_the_page_is_opened(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: not opened.append(url))
    assert invoke(["report", "--open"]) == 0
    assert opened == [(run / "report.html").resolve().as_uri()]
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    assert invoke(["report", "--open"]) == 2
    assert "open reports/runs" in capsys.readouterr().err


def test_what_is_missing_is_told_with_a_remedy(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "junit.xml").unlink()
    assert invoke(["report", "--format", "junit"]) == 2
    assert "--rebuild makes it" in capsys.readouterr().err
    (run / "result.json.gz").write_bytes(b"no")
    assert invoke(["report", "--rebuild"]) == 2
    assert "damaged" in capsys.readouterr().err
    assert invoke(["report", "2025"]) == 2
    assert "no run '2025'" in capsys.readouterr().err
    assert invoke(["report", "-o", "nowhere/report"]) == 2
    assert "nowhere/report: cannot be written" in capsys.readouterr().err


def test_no_runs_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["report"]) == 2
    assert "no latest run" in capsys.readouterr().err


def test_json_is_the_summary(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["report", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 7
