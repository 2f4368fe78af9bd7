"""Template files: what loads, and what is refused with its reason. The speeches themselves: test_speeches.py."""

import copy
import datetime
import io
import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from checklists import catalog
from checklists.models import Template
from tests import factories
from villages.models import Unit

pytestmark = pytest.mark.django_db
PHASE: dict[str, Any] = catalog.read(catalog.CATALOG / "provincial-sanitary-city.yaml")["phases"][0]
MEASURE = {"metric": "户数", "metric_en": "Households", "unit": "户", "unit_en": "households"}
TARGET = factories.AWARENESS | {"unit_en": "%"}
GOOD: dict[str, Any] = catalog.read(catalog.CATALOG / "district-publicity-work.yaml")


def written(folder: Path, body: Any, name: str = "district-publicity-work") -> Path:
    path = folder / f"{name}.yaml"
    text = body if isinstance(body, str | bytes) else yaml.safe_dump(body, allow_unicode=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_all_speeches_load_and_again_nothing_changes() -> None:
    out = io.StringIO()
    call_command("load_catalog", stdout=out)
    call_command("load_catalog", stdout=out)
    assert out.getvalue().splitlines() == ["16 added, 0 updated, 0 unchanged", "0 added, 0 updated, 16 unchanged"]


def test_a_changed_file_becomes_the_next_version(tmp_path: Path) -> None:
    body = copy.deepcopy(GOOD)
    catalog.load([written(tmp_path, body)])
    first = body["title"]
    body["title"] = "换了题目"
    assert catalog.load([written(tmp_path, body)]).updated == ["district-publicity-work"]
    assert catalog.load([written(tmp_path, body)]).unchanged == ["district-publicity-work"]
    assert list(Template.objects.values_list("version", "title")) == [(2, "换了题目"), (1, first)]


def test_one_bad_file_among_good_ones_changes_nothing(tmp_path: Path) -> None:
    good = written(tmp_path, GOOD)
    bad = written(tmp_path, "title: [", name="z-bad")
    with pytest.raises(catalog.BadTemplate, match=r"z-bad\.yaml"):
        catalog.load([good, bad])
    assert not Template.objects.exists()


def spoil(**changes: Any) -> dict[str, Any]:
    body = copy.deepcopy(GOOD)
    for key, value in changes.items():
        if value is None:
            del body[key]
        else:
            body[key] = value
    return body


def with_item(**changes: Any) -> dict[str, Any]:
    body = copy.deepcopy(GOOD)
    body["items"][0] |= changes
    return body


def without_item_key(key: str) -> dict[str, Any]:
    body = copy.deepcopy(GOOD)
    del body["items"][0][key]
    return body


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b]\n"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (spoil(surprise=1), "surprise"),
        (spoil(title=None), "title"),
        (spoil(items="none"), "items"),
        (with_item(owed_by=["planet"]), "owed_by"),
        (with_item(owed_by=[]), "owed_by"),
        (with_item(surprise=1), "items/0"),
        (with_item(phase="nowhere"), "nowhere"),
        (with_item(due={"before": "soon"}), "items/0/due"),
        (with_item(target={"metric": "x", "operator": ">=", "value": "all", "unit": "%", "basis": "stated"}), "target"),
        (spoil(items=[copy.deepcopy(GOOD["items"][0]) for _ in "ab"]), GOOD["items"][0]["id"]),
        (BOMB, "alias|别名"),
        ("x: !!python/object/apply:os.system ['true']", "python/object"),
        ("x: !thing 1", "thing"),
        ("- just\n- a list", "object"),
        ("", "object"),
        ("title: [", "YAML"),
        ("x: '" + "长" * 400_000 + "'", "1 MB"),
        ("title: 甲".encode("gbk"), "YAML"),
        (b"title: \xff\xfe", "YAML"),
        ("title: \0", "YAML"),
        ("[" * 3_000, "YAML"),
        ("a: 1\n---\nb: 2", "YAML"),
        (with_item(target=TARGET | {"value": math.nan}), "YAML.*range"),
        (with_item(target=TARGET | {"value": math.inf}), "items/0/target/value"),
        (with_item(due={"before": -1, "says": "x"}), "items/0/due"),
        (with_item(due={"before": 3, "says": "x"}, vague="尽快"), "items/0"),
        (with_item(due={"phase": "nowhere", "edge": "end", "says": "x"}), "nowhere"),
        (with_item(owed_by=["village"], departments=["经科局"]), "items/0"),
        (with_item(title=datetime.date(2026, 1, 1)), "items/0/title"),
        (with_item(standard="长" * 4_001), "items/0/standard"),
        (with_item(id="dpw 1"), "items/0/id"),
        (with_item(id="own-" + "1" * 40), "items/0/id"),
        (with_item(points=-1), "items/0/points"),
        (with_item(points=1.5), "items/0/points"),
        (with_item(points=40_000), "items/0/points"),
        (with_item(every="decade"), "items/0/every"),
        (with_item(gate=True), "items/0"),  # a gate of no phase
        (with_item(statistic=True), "items/0"),  # of nothing that is measured
        (with_item(statistic=True, target=TARGET), "items/0"),  # a statistic carries no target
        (with_item(measure=MEASURE, target=TARGET), "items/0"),
        (with_item(measure=MEASURE, statistic=False), "items/0/statistic"),
        (with_item(due={"before": 3, "after": 3, "says": "x"}), "items/0/due"),
        (with_item(due={"after": 0, "says": "x"}), "items/0/due"),
        (with_item(due={"before": 10**30, "says": "x"}), "items/0/due"),
        (with_item(target=TARGET | {"value": -1}), "items/0/target/value"),
        (with_item(target=TARGET | {"value": 1e300}), "items/0/target/value"),
        (with_item(target=TARGET | {"value": "1e400"}), "items/0/target/value"),
        (with_item(title=None), "items/0/title"),
        (without_item_key("standard"), "items/0.*standard"),
        (without_item_key("owed_by"), "items/0.*owed_by"),
        (spoil(version=10**30), "version"),
        (spoil(phases=[PHASE | {"starts": -(10**30)}]), "phases/0/starts"),
        (spoil(phases=[PHASE | {"surprise": 1}]), "phases/0"),
        ("&a [*a]", "alias|别名"),
        ("<<: *a", "alias|别名|YAML"),
        ("x: !!python/name:os.system", "python/name"),
        ("x: !!python/object/new:os.system ['true']", "python/object"),
        ("x: 2026-02-30", "YAML"),
        ("x: " + "1" * 5_000, "YAML"),
        ("x: .nan", "object|required|x"),
        (spoil(version=0), "version"),
        (spoil(slug="District Publicity"), "slug"),
        (spoil(phases=[PHASE | {"starts": -3, "ends": -9}]), PHASE["key"]),
        (spoil(phases=[PHASE, dict(PHASE)]), PHASE["key"]),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_a_file_that_does_not_fit_is_refused_with_the_place_and_the_reason(
    body: Any, says: str, tmp_path: Path
) -> None:
    with pytest.raises(catalog.BadTemplate, match=says) as refused:
        catalog.load([written(tmp_path, body)])
    assert "district-publicity-work.yaml" in str(refused.value)
    assert not Template.objects.exists()


def test_a_file_of_ten_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = written(tmp_path, "x: '" + "a" * 10_000_000 + "'")
    started = time.monotonic()
    with pytest.raises(catalog.BadTemplate, match="1 MB"):
        catalog.read(path)
    assert time.monotonic() - started < 10


def test_a_tag_builds_no_object(tmp_path: Path) -> None:
    """The refusal comes before anything is run."""
    witness = tmp_path / "witness"
    with pytest.raises(catalog.BadTemplate):
        catalog.read(written(tmp_path, f"x: !!python/object/apply:pathlib.Path.touch [{witness}]"))
    assert not witness.exists()


def test_what_an_office_may_add_is_good(tmp_path: Path) -> None:
    body = copy.deepcopy(GOOD)
    item, other = body["items"][:2]
    body["items"] = [
        item | {"id": "own-1", "points": 0, "measure": MEASURE, "statistic": True, "every": "day", "title_en": ""},
        other | {"id": "own-12-3", "points": 5, "due": {"after": 3, "says": ""}},
    ]
    assert catalog.load([written(tmp_path, body)]).added == ["district-publicity-work"]
    body["items"] = []
    assert catalog.load([written(tmp_path, body)]).updated == ["district-publicity-work"]


def test_a_file_never_replaces_the_template_of_an_office(tmp_path: Path) -> None:
    factories.units()
    catalog.save(GOOD, owner=Unit.objects.get(pk=factories.EAST))
    with pytest.raises(catalog.BadTemplate, match=r"district-publicity-work\.yaml"):
        catalog.load([written(tmp_path, GOOD)])
    assert Template.objects.count() == 1


def test_a_changed_file_leaves_a_campaign_with_its_version(tmp_path: Path) -> None:
    factories.units()
    catalog.load([written(tmp_path, GOOD)])
    campaign = factories.campaign(of=Template.objects.get(), status="draft")
    catalog.load([written(tmp_path, with_item(title="换了题目"))])
    campaign.refresh_from_db()
    assert campaign.template and campaign.template.version == 1
    assert not campaign.items.filter(title="换了题目").exists()
    assert Template.objects.count() == 2


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(catalog.BadTemplate, match=r"other\.yaml"):
        catalog.load([written(tmp_path, GOOD, name="other")])


def test_the_command_names_the_file_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "schema.json").write_bytes((catalog.CATALOG / "schema.json").read_bytes())
    written(tmp_path, spoil(title=None))
    monkeypatch.setattr(catalog, "CATALOG", tmp_path)
    with pytest.raises(CommandError, match=r"district-publicity-work\.yaml.*title"):
        call_command("load_catalog")
    assert not Template.objects.exists()


def test_a_bomb_of_aliases_is_refused_before_it_grows(tmp_path: Path) -> None:
    """Ten lines that would become ten thousand million words."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.monotonic()
    with pytest.raises(catalog.BadTemplate):
        catalog.read(written(tmp_path, "\n".join(lines)))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("path", sorted(catalog.CATALOG.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_speech_can_be_launched(path: Path) -> None:
    """Nothing in it is longer than its column, and every unit kind it names gets its tasks."""
    factories.units()
    catalog.load([path])
    template = Template.objects.get()
    campaign = factories.campaign(of=template, days=200)
    assert campaign.items.count() == len(template.body["items"])
    numbers = {
        item["id"] for item in template.body["items"] if {"village", "township", "county"} & set(item["owed_by"])
    }
    assert numbers <= set(campaign.tasks.values_list("item__number", flat=True))
    assert all(item.due_on <= campaign.inspects_on or item.phase or item.due_says for item in campaign.items.all())


def test_a_target_in_the_form_of_the_tests_above_would_be_good(tmp_path: Path) -> None:
    assert catalog.load([written(tmp_path, with_item(target=TARGET))]).added == ["district-publicity-work"]
