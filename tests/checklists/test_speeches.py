"""The catalog against the speeches it comes from: every line accounted for, nothing that was left out got in.

speeches.json lists the line numbers that a reading of the sixteen speeches gave: items, rules, problems, and
what must never become an item.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from checklists import catalog

SPEECHES: dict[str, Any] = json.loads(Path(__file__).with_name("speeches.json").read_text(encoding="utf-8"))


def test_there_is_one_template_for_each_of_the_sixteen_speeches() -> None:
    assert len(SPEECHES) == 16
    assert {path.stem for path in catalog.CATALOG.glob("*.yaml")} == set(SPEECHES)


@pytest.mark.parametrize("slug", SPEECHES)
def test_every_line_of_the_speech_is_accounted_for(slug: str) -> None:
    speech = SPEECHES[slug]
    template = catalog.read(catalog.CATALOG / f"{slug}.yaml")
    for ours, theirs in (("items", "items"), ("rules", "rules"), ("problems", "problems"), ("left_out", "exclusions")):
        assert [line["id"] for line in template.get(ours, [])] == speech[theirs], ours
    assert (len(template["phases"]), len(template["roles"])) == (speech["phases"], speech["roles"])


@pytest.mark.parametrize("slug", SPEECHES)
def test_nothing_that_was_left_out_is_an_item(slug: str) -> None:
    template = catalog.read(catalog.CATALOG / f"{slug}.yaml")
    items = {item["id"] for item in template["items"]}
    left_out = {line["id"]: line for line in template["left_out"]}
    assert not items & set(left_out)
    assert not {item["title"] for item in template["items"]} & {line["what"] for line in left_out.values()}
    for line in left_out.values():
        assert set(line.get("kept", [])) <= items
        assert line["why"]


def test_vague_words_are_no_deadlines() -> None:
    for slug in SPEECHES:
        for item in catalog.read(catalog.CATALOG / f"{slug}.yaml")["items"]:
            assert not ("vague" in item and "due" in item), item["id"]
            assert not {"及时", "尽快", "近期", "如期"} & {item.get("due", {}).get("says")}, item["id"]


def test_the_table_of_the_documentation_is_true() -> None:
    table = Path(__file__).resolve().parents[2] / "docs" / "catalog.md"
    assert table.read_text(encoding="utf-8") == catalog.table(), "run: manage.py load_catalog --table docs/catalog.md"
