from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flashdrill.stack.identity import Identity
from flashdrill.stack.template import SETTINGS, Recipe, _one_query

RECIPE = Recipe(Path("/pg"), "16.1", "CREATE TABLE a(x int);", Identity("direct"))


def test_the_template_is_another_when_anything_in_it_is() -> None:
    others = {
        replace(RECIPE, version="16.2").name,
        replace(RECIPE, schema="CREATE TABLE b(x int);").name,
        replace(RECIPE, identity=Identity("user", user=(9, 9))).name,
    }
    assert RECIPE.name not in others
    assert len(others) == 3
    assert replace(RECIPE, install=Path("/elsewhere")).name == RECIPE.name


def test_a_script_becomes_one_query_of_the_single_user_server() -> None:
    script = "CREATE TABLE a(x int);\n\n  \nDO $$ BEGIN\n\n PERFORM 1;\n\nEND $$;\n\n"
    query = _one_query(script)
    assert query.count("\n\n") == 1
    assert query.endswith("END $$;\n\n")
    assert _one_query(" \n") == ""


def test_commits_are_durable() -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert f"{name} = 'on'" in SETTINGS.splitlines()
    assert "listen_addresses = '127.0.0.1'" in SETTINGS
