"""The reference pages are those that the code makes; every key has a meaning, every example can be typed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from backend.settings import Settings
from flashdrill.chaos.catalogue import catalogue, load_own
from flashdrill.chaos.fault import Fault
from flashdrill.cli.main import main
from flashdrill.errors import ConfigError
from flashdrill.plan.fault_kinds import COMMON, FaultEntry
from flashdrill.plan.faults import plan_table
from flashdrill.plan.gates import METRICS, parse_gate
from flashdrill.plan.moments import parse_moment
from flashdrill.plan.shapes import FilePath, Listing, Mapped
from flashdrill.plan.source import Node, Origin, compose
from flashdrill.plan.table import Field, Table
from flashdrill.report.summary import summarise, summary_schema
from scripts.reference import commands, gates, plan, requests, scenario, settings, summary, traffic
from scripts.reference.keys import FORMS, Keys
from scripts.reference.pages import FOLDER, ROOT, pages
from tests.unit.test_report import sample

KINDS: dict[str, type[Fault]] = {**catalogue(), **load_own(ROOT / "chaos" / "faults")}
TABLES = {
    **scenario.SECTIONS,
    **requests.SECTIONS,
    **traffic.SECTIONS,
    "plan": Keys(plan_table({}), plan.PLAN_EXAMPLES),
    "fault": Keys(Table("a fault", COMMON), plan.COMMON_EXAMPLES),
}


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_committed_pages_are_those_that_the_code_makes(name: str) -> None:
    page = FOLDER / name
    assert page.is_file(), "run make reference"
    assert page.read_text(encoding="utf-8") == pages()[name], "run make reference"


def test_there_are_no_other_pages() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(pages())


# ---- the keys of files ------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_key_has_a_meaning_and_an_example_that_is_one(name: str) -> None:
    assert list(flaws(TABLES[name])) == []


def flaws(keys: Keys) -> Iterator[str]:
    """What is wrong with the keys of a table, or with their examples."""
    yield from (f"no key {key}" for key in keys.examples if key not in keys.table.fields)
    for key, field in keys.table.fields.items():
        if not field.description.strip():
            yield f"{key} has no meaning"
        if key not in keys.examples:
            yield f"{key} has no example"
        elif keys.examples[key] and (why := refused(key, keys.examples[key], field)):
            yield why


def refused(key: str, example: str, field: Field) -> str:
    """Why the parser refuses an example, or nothing."""
    node = compose(example, Origin(None, ROOT / "scenarios", "example"))
    assert isinstance(node.content, dict)
    if list(node.content) != [key]:
        return f"the example of {key} is of {list(node.content)}"
    return _unread(node.content[key], field)


def _unread(node: Node, field: Field) -> str:
    shape = field.shape
    if isinstance(shape, FilePath) and not (ROOT / "scenarios" / node.content.text).exists():  # type: ignore[union-attr]
        return ""  # a file that the reader makes
    try:
        shape.read(node)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("key", "change", "said"),
    [
        ("seed", {"description": " "}, "seed has no meaning"),
        ("seed", {"example": "seed: seven"}, "expected a whole number"),
        ("seed", {"example": "sead: 7"}, "the example of seed is of ['sead']"),
        ("colour", {"field": True}, "colour has no example"),
        ("name", {"gone": True}, "no key name"),
    ],
)
def test_a_flaw_is_noticed(key: str, change: dict[str, Any], said: str) -> None:
    keys = scenario.SECTIONS["keys of a scenario"]
    fields, examples = dict(keys.table.fields), dict(keys.examples)
    if "description" in change:
        fields[key] = replace(fields[key], description=change["description"])
    if "example" in change:
        examples[key] = change["example"]
    if "field" in change:
        fields[key] = fields["name"]
    if "gone" in change:
        del fields[key]
    assert said in "".join(flaws(Keys(Table("a scenario", fields), examples)))


def test_every_table_of_a_scenario_is_on_the_page() -> None:
    shown = {id(keys.table) for keys in TABLES.values()}

    def tables(table: Table) -> Iterator[Table]:
        yield table
        for field in table.fields.values():
            shape = field.shape
            while isinstance(shape, Listing | Mapped):
                shape = shape.item if isinstance(shape, Listing) else shape.value
            if isinstance(shape, Table):
                yield from tables(shape)

    found = list(tables(scenario.SCENARIO))
    assert len(found) > 5
    assert [table.noun for table in found if id(table) not in shown] == []


def test_every_shape_has_words() -> None:
    for keys in TABLES.values():
        assert [k for k, field in keys.table.fields.items() if type(field.shape) not in FORMS] == []


# ---- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_fault_says_what_it_does_and_its_example_is_one(kind: str) -> None:
    fault = KINDS[kind]
    assert fault.__doc__
    assert all(parameter.description for parameter in fault.parameters.values())
    document = compose(plan.example(fault), Origin(None, Path(), "example"))
    Listing(FaultEntry(KINDS)).read(document)


def test_every_parameter_of_flashdrills_faults_has_an_example_that_is_one() -> None:
    for kind, fault in catalogue().items():
        given = {name: yaml.safe_load(plan.value_for(kind, name)) for name in fault.parameters}
        (entry,) = yaml.safe_load(plan.example(fault))
        text = yaml.safe_dump({**entry, **given})
        read = FaultEntry(KINDS).read(compose(text, Origin(None, Path(), "example")))
        assert read["kind"] == kind


def test_the_moments_are_moments() -> None:
    for text, _ in plan.MOMENTS:
        parse_moment(text)


# ---- gates ------------------------------------------------------------------------------------


def test_every_metric_has_a_meaning_and_an_example_that_is_one() -> None:
    assert set(gates.MEANINGS) == set(METRICS)
    for metric, (meaning, limit, example) in gates.MEANINGS.items():
        assert meaning
        assert limit in {"duration", "share", "rate"}
        assert parse_gate(example).metric == metric


# ---- settings ---------------------------------------------------------------------------------


def test_every_setting_has_a_meaning() -> None:
    found = settings.descriptions()
    assert [key for key in Settings.__struct_fields__ if not found.get(key)] == []
    page = "\n".join(settings.lines())
    assert [key for key in Settings.__struct_fields__ if f"| `{key}` |" not in page] == []


def test_a_setting_without_a_meaning_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    source = 'class Settings:\n    port: int = 0\n    host: str = ""\n    """the address"""\n'
    monkeypatch.setattr("inspect.getsource", lambda _: source)
    assert settings.descriptions() == {"port": "", "host": "the address"}


# ---- summary.json -----------------------------------------------------------------------------


def unexplained(schema: dict[str, Any]) -> list[str]:
    """The keys of summary.json that nothing is said about."""
    return [
        f"{name}.{key}"
        for name, component in schema["$defs"].items()
        for key, document in component.get("properties", {}).items()
        if not document.get("description")
    ]


def test_every_key_of_the_summary_has_a_meaning() -> None:
    schema = summary_schema()
    assert unexplained(schema) == [], "add them to flashdrill/report/meanings.py"
    shown = {name for name, component in schema["$defs"].items() if "properties" in component}
    assert shown == set(summary.TITLES), "add it to scripts/reference/summary.py"
    del schema["$defs"]["GateResult"]["properties"]["limit"]["description"]
    assert unexplained(schema) == ["GateResult.limit"]


def test_the_schema_knows_what_is_inside_the_open_mappings() -> None:
    document = yaml.safe_load(_encoded())
    jsonschema.validate(document, summary_schema())
    wrong = copy.deepcopy(document)
    wrong["load"]["operations"][0]["due"] = "many"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, summary_schema())
    wrong = copy.deepcopy(document)
    wrong["load"]["generator"] = {"max_cpu": "much"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, summary_schema())


def _encoded() -> str:
    import msgspec

    return msgspec.json.encode(summarise(sample())).decode()


# ---- the command line -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [name for name, _ in commands.commands(main, "flashdrill")], ids=lambda name: name
)
def test_every_command_has_help_an_example_and_a_place_on_the_page(name: str) -> None:
    command = dict(commands.commands(main, "flashdrill"))[name]
    assert command.help
    assert f"  {name}" in (command.epilog or ""), "an example in the epilog"
    assert f"## {name}\n" in pages()["cli.md"]
    options = [p for p in command.params if p.param_type_name == "option"]
    assert [p.name for p in options if not getattr(p, "help", None)] == []
