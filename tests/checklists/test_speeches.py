"""The catalog against the speeches it comes from: every line accounted for, nothing that was left out got in.

speeches.json lists the line numbers that a reading of the sixteen speeches gave: items, rules, problems, and
what must never become an item.
"""

import json
from collections.abc import Callable
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


# Lines that another item took in, and lines that became several items: number of the speech -> of the template.
MERGED: dict[str, str] = {}
SPLIT: dict[str, list[str]] = {}


def test_of_all_speeches_every_item_is_accounted_for_and_no_exclusion_is_present(tell: Callable[[str], None]) -> None:
    kept = merged = split = present = exclusions = 0
    for slug, speech in SPEECHES.items():
        template = catalog.read(catalog.CATALOG / f"{slug}.yaml")
        ours = {item["id"] for item in template["items"]}
        for number in speech["items"]:
            assert (number in ours) + (number in MERGED) + (number in SPLIT) == 1, number
            assert MERGED.get(number, number) in ours or set(SPLIT.get(number, [])) <= ours, number
            kept, merged, split = kept + (number in ours), merged + (number in MERGED), split + (number in SPLIT)
        assert ours <= {*speech["items"], *(part for parts in SPLIT.values() for part in parts)}
        told = json.dumps(template["items"], ensure_ascii=False)
        left_out = {line["id"]: line for line in template["left_out"]}
        assert set(left_out) == set(speech["exclusions"])
        exclusions += len(left_out)
        present += sum(number in ours or line["what"] in told for number, line in left_out.items())
    tell(
        f"{len(SPEECHES)} of 16 speeches, {kept + merged + split} items: {kept} kept, {merged} merged, {split} split; "
        f"{present} of {exclusions} exclusions present"
    )
    assert present == 0


@pytest.mark.parametrize("slug", SPEECHES)
def test_what_an_office_may_leave_empty_a_speech_does_not(slug: str) -> None:
    """The schema is wider than the catalog: offices write no English and long standards, the catalog is short."""
    template = catalog.read(catalog.CATALOG / f"{slug}.yaml")
    for line in [template, *template["phases"], *template["items"], *template["rules"], *template["left_out"]]:
        told = [(key, value) for key, value in line.items() if isinstance(value, str)]
        assert [key for key, value in told if not value] == []
        assert all(f"{key}_en" in line for key, _value in told if key in ("title", "standard", "tasks", "text", "what"))
    for item in template["items"]:
        assert len(item["standard"]) <= 200, item["id"]
        assert not {"points", "measure", "statistic", "every"} & set(item), item["id"]
        assert "after" not in item.get("due", {}), item["id"]
        assert item.get("due", {"says": "-"})["says"], item["id"]


def test_the_one_speech_without_a_core_item_says_so() -> None:
    cores = {slug: catalog.core(catalog.read(catalog.CATALOG / f"{slug}.yaml")) for slug in SPEECHES}
    assert [slug for slug, n in cores.items() if n == 0] == ["district-publicity-work"]
    template = catalog.read(catalog.CATALOG / "district-publicity-work.yaml")
    assert "没有核心条目" in template["note"]
    assert "no core item" in template["note_en"]
    assert {item["certainty"] for item in template["items"]} == {"borderline"}
    assert not template["phases"]
    assert "`district-publicity-work` has no core item" in catalog.table()


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
