"""Minimal and valid rows."""

import itertools
import uuid
from datetime import date, timedelta
from typing import Any

from checklists.launch import launch
from checklists.models import Campaign, Task, Template
from villages.access import Role
from villages.models import Cadre, Post, Unit

TODAY = date(2026, 6, 10)
PASSWORD = "willow-tree"
WILLOW_TREE = (  # its hash
    "pbkdf2_sha256$1000000$aNv7SziiYM7nk4A9FQzcs3$m4VjXBU7HogBlmigsoNvFoFDlBtPg8TkXU8Qm0URR/k="
)
_numbers = itertools.count(1)

UNITS = {
    "51": "四川省",
    "5115": "宜宾市",
    "511504": "叙州区",
    "511504101": "东镇",
    "511504101201": "柳村村民委员会",
    "511504101201S0001": "柳村集市",
    "511504101202": "枫村村民委员会",
    "511504102": "西镇",
    "511504102201": "湖村村民委员会",
    "511504D001": "区经科局",
    "5105": "泸州市",
    "510502": "江阳区",
    "510502001": "南街道",
    "510502001001": "桥社区居民委员会",
}
COUNTY, EAST, WILLOW, MAPLE = "511504", "511504101", "511504101201", "511504101202"
WEST, LAKE, BUREAU, MARKET = "511504102", "511504102201", "511504D001", "511504101201S0001"
OTHER_COUNTY, OTHER_TOWNSHIP, OTHER_VILLAGE = "510502", "510502001", "510502001001"


def parent_code(code: str) -> str | None:
    """The code one level up, for the codes above."""
    for letter in "SD":
        if letter in code:
            return code.split(letter, maxsplit=1)[0]
    return {0: None, 2: None, 4: code[:2], 6: code[:4], 9: code[:6], 12: code[:9]}[len(code)]


def units(codes: dict[str, str] = UNITS) -> None:
    """Two counties: one with two townships, three villages, a department and a site; one far away."""
    Unit.objects.bulk_create(
        [Unit(code=code, name=name, parent_id=parent_code(code)) for code, name in sorted(codes.items())]
    )


def cadre(name: str, role: str | None = None, unit: str = "", **post: Any) -> Cadre:
    """A person with a post; the log-in name is the name in lower case, the password `willow-tree`."""
    person = Cadre(username=name.lower(), name=name, phone=f"100{next(_numbers):08d}")
    # One known hash: making a new one for each person would only make the tests slow.
    person.password = WILLOW_TREE
    person.save()
    if role:
        appoint(person, role, unit, **post)
    return person


def appoint(person: Cadre, role: str, unit: str, **post: Any) -> Post:
    return Post.objects.create(cadre=person, role=role, unit_id=unit, **({"since": date(2026, 1, 1)} | post))


def cast() -> dict[str, Cadre]:
    """One person per role. Mei leads the county, Bao sits in East Township, Lan in Willow, Chen far away."""
    people = {
        "lan": cadre("Lan", Role.VILLAGE_CADRE, WILLOW, principal=True, title="村支书"),
        "hong": cadre("Hong", Role.VILLAGE_CADRE, MAPLE, title="副主任"),
        "lin": cadre("Lin", Role.LINKED, WILLOW),
        "bao": cadre("Bao", Role.TOWNSHIP_STAFF, EAST),
        "tang": cadre("Tang", Role.TOWNSHIP_LEADER, EAST, principal=True),
        "deng": cadre("Deng", Role.DEPARTMENT_CADRE, BUREAU),
        "mei": cadre("Mei", Role.COUNTY_LEADER, COUNTY),
        "ada": cadre("Ada", Role.CAMPAIGN_ADMIN, COUNTY),
        "su": cadre("Su", Role.SUPERVISOR, COUNTY),
        "an": cadre("An", Role.AUDITOR, COUNTY),
        "chen": cadre("Chen", Role.VILLAGE_CADRE, OTHER_VILLAGE, principal=True),
        "nobody": cadre("Nobody"),
    }
    appoint(people["lin"], Role.LINKED, MAPLE)
    return people


def line(number: str, **fields: Any) -> dict[str, Any]:
    """One item of a template."""
    return {
        "id": number,
        "title": f"第{number}项",
        "title_en": f"Item {number}",
        "standard": "做到位",
        "standard_en": "It is so",
        "section": "一(一)",
        "kind": "action",
        "owed_by": ["village"],
        **fields,
    }


AWARENESS = {
    "metric": "知晓率",
    "metric_en": "Awareness",
    "operator": ">=",
    "value": 90,
    "unit": "%",
    "basis": "stated",
}


def template(slug: str = "small", items: list[dict[str, Any]] | None = None) -> Template:
    """A speech of four items: two of a village, one measured, one of a township and departments."""
    items = items or [
        line("v-1"),
        line("v-2", due={"before": 20}),
        line("v-3", target=AWARENESS),
        line("t-1", owed_by=["township", "department"]),
    ]
    body = {"slug": slug, "version": 1, "title": "小活动", "title_en": "Small campaign", "phases": [], "items": items}
    return Template.objects.create(slug=slug, title="小活动", title_en="Small campaign", body=body)


def campaign(
    host: str = COUNTY, *, on: date = TODAY, days: int = 30, of: Template | None = None, **options: Any
) -> Campaign:
    """Launched `on`, inspected `days` later."""
    return launch(
        of or Template.objects.filter(slug="small").first() or template(),
        Unit.objects.get(pk=host),
        inspects_on=on + timedelta(days=days),
        on=on,
        **options,
    ).campaign


def task(campaign: Campaign, number: str = "v-1", unit: str = WILLOW) -> Task:
    return Task.objects.for_list().get(campaign=campaign, item__number=number, unit_id=unit)


def body(state: str = "done", **fields: Any) -> dict[str, Any]:
    """What a form on a page sends."""
    return {"event": str(uuid.uuid4()), "state": state, "value": "", "note": "", **fields}
