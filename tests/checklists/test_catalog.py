"""Template files: what loads, and what is refused with its reason. The speeches themselves: test_speeches.py."""

import copy
import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from checklists import catalog
from checklists.models import Template

pytestmark = pytest.mark.django_db
GOOD: dict[str, Any] = catalog.read(catalog.CATALOG / "district-publicity-work.yaml")


def written(folder: Path, body: Any, name: str = "district-publicity-work") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(body if isinstance(body, str) else yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")
    return path


def test_all_speeches_load_and_again_nothing_changes() -> None:
    out = io.StringIO()
    call_command("load_catalog", stdout=out)
    call_command("load_catalog", stdout=out)
    assert out.getvalue().splitlines() == ["16 added, 0 updated, 0 unchanged", "0 added, 0 updated, 16 unchanged"]


def test_a_changed_file_updates_its_template(tmp_path: Path) -> None:
    body = copy.deepcopy(GOOD)
    catalog.load([written(tmp_path, body)])
    body["title"] = "换了题目"
    assert catalog.load([written(tmp_path, body)]).updated == ["district-publicity-work"]
    assert Template.objects.get().title == "换了题目"


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
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_place_and_the_reason(
    body: Any, says: str, tmp_path: Path
) -> None:
    with pytest.raises(catalog.BadTemplate, match=says) as refused:
        catalog.load([written(tmp_path, body)])
    assert "district-publicity-work.yaml" in str(refused.value)
    assert not Template.objects.exists()


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(catalog.BadTemplate, match=r"other\.yaml"):
        catalog.load([written(tmp_path, GOOD, name="other")])
