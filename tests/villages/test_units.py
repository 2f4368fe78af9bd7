"""Units: what the database refuses, who sees which, and who may do what where."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checklists.models import Campaign, Responsibility, Tally, Task
from tests import factories
from tests.factories import (
    BUREAU,
    COUNTY,
    EAST,
    LAKE,
    MAPLE,
    MARKET,
    OTHER_COUNTY,
    OTHER_TOWNSHIP,
    OTHER_VILLAGE,
    UNITS,
    WEST,
    WILLOW,
)
from villages import access
from villages.access import Action, Grant, Role
from villages.models import (
    COUNTRY,
    KINDS_OF_ROLE,
    Cadre,
    County,
    Department,
    Kind,
    Post,
    Site,
    Township,
    Unit,
    Village,
)

Cast = dict[str, Cadre]

PROVINCE, CITY, OTHER_CITY = "51", "5115", "5105"
IN_WILLOW = {WILLOW, MARKET}
IN_EAST = {EAST, *IN_WILLOW, MAPLE}
IN_COUNTY = {COUNTY, *IN_EAST, WEST, LAKE, BUREAU}
BELOW_EAST = IN_EAST - {EAST}
NOWHERE: set[str] = set()

SEES = {
    "lan": IN_WILLOW,
    "hong": {MAPLE},
    "lin": IN_WILLOW | {MAPLE},
    "bao": IN_EAST,
    "tang": IN_EAST,
    "deng": {BUREAU},
    "mei": IN_COUNTY,
    "ada": IN_COUNTY,
    "su": IN_COUNTY,
    "an": IN_COUNTY,
    "chen": {OTHER_VILLAGE},
    "nobody": NOWHERE,
}
# The role table once more, in terms of the cast: written by hand, so that a slip in RIGHTS shows.
DOES = {
    Action.OWE: {
        "lan": IN_WILLOW,
        "hong": {MAPLE},
        "lin": IN_WILLOW | {MAPLE},
        "bao": {EAST},
        "deng": {BUREAU},
        "chen": {OTHER_VILLAGE},
    },
    Action.TICK: {
        "lan": IN_WILLOW,
        "hong": {MAPLE},
        "lin": IN_WILLOW | {MAPLE},
        "bao": IN_EAST,
        "deng": {BUREAU},
        "chen": {OTHER_VILLAGE},
    },
    Action.CHECK: {
        "lin": IN_WILLOW | {MAPLE},
        "bao": BELOW_EAST,
        "tang": IN_EAST,
        "ada": IN_COUNTY,
        "su": IN_COUNTY,
    },
    Action.WAIVE: {"lin": IN_WILLOW | {MAPLE}, "bao": BELOW_EAST, "tang": IN_EAST, "ada": IN_COUNTY},
    Action.CHASE: {
        "lin": IN_WILLOW | {MAPLE},
        "bao": BELOW_EAST,
        "tang": IN_EAST,
        "mei": IN_COUNTY,
        "ada": IN_COUNTY,
    },
    Action.FIND: {
        "lin": IN_WILLOW | {MAPLE},
        "bao": BELOW_EAST,
        "tang": IN_EAST,
        "mei": IN_COUNTY,
        "ada": IN_COUNTY,
        "su": IN_COUNTY,
    },
    Action.NUMBER: {"tang": IN_EAST, "mei": IN_COUNTY, "ada": IN_COUNTY, "su": IN_COUNTY},
    Action.INSPECT: {"ada": IN_COUNTY, "su": IN_COUNTY},
    Action.DECIDE: {"tang": BELOW_EAST, "mei": IN_COUNTY - {COUNTY}},
    Action.WATCH: {"tang": IN_EAST, "mei": IN_COUNTY, "ada": IN_COUNTY},
    Action.RUN: {"ada": IN_COUNTY},
    Action.STAFF: {"ada": IN_COUNTY},
    Action.CALL: {
        "lan": IN_WILLOW,
        "hong": {MAPLE},
        "lin": IN_WILLOW | {MAPLE},
        "bao": IN_EAST,
        "tang": IN_EAST,
        "deng": {BUREAU},
        "mei": IN_COUNTY,
        "ada": IN_COUNTY,
        "chen": {OTHER_VILLAGE},
    },
}


def codes(units: Iterable[Any]) -> set[str]:
    return {unit.code for unit in units}


def refused_by(constraint: str, change: Callable[[], object]) -> None:
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        change()
    assert refused.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]


# --- what the database holds ------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "code",
    [
        "0",
        "5",
        "511",
        "51150",
        "5115041",
        "51150410",
        "5115041012",
        "51150410120",
        "5115041012011",
        "51a5",
        "511504d001",
        "511504D01",
        "511504D0001",
        "511504S001",
        "511504D001D002",
        "511504S0001S0002",
        "511504S0001D001",
        " 51",
        "51 ",
        "51\n",
        "５１",
        "٥١",
    ],
)
def test_a_code_that_is_no_division_code_is_refused(code: str) -> None:
    refused_by("unit_code_is_well_formed", lambda: Unit.objects.create(code=code, name="某村"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("", Kind.COUNTRY),
        ("D001", Kind.DEPARTMENT),
        ("51", Kind.PROVINCE),
        ("5115", Kind.CITY),
        ("511504", Kind.COUNTY),
        ("511504101", Kind.TOWNSHIP),
        ("511504101201", Kind.VILLAGE),
        ("51D001", Kind.DEPARTMENT),
        ("511504D001", Kind.DEPARTMENT),
        ("511504101D001", Kind.DEPARTMENT),
        ("511504S0001", Kind.SITE),
        ("511504101201S0001", Kind.SITE),
        ("511504D001S0001", Kind.SITE),
    ],
)
def test_the_kind_follows_from_the_code(code: str, kind: Kind) -> None:
    Unit.objects.create(code=code, name="某单位")
    unit = Unit.objects.get(pk=code)
    assert unit.kind == kind
    assert unit.kind_name == str(kind.label)
    # And follows it when it changes, in whatever way.
    Unit.objects.filter(pk=code).update(code="5116")
    assert Unit.objects.get().kind == Kind.CITY


@pytest.mark.django_db
def test_a_unit_belongs_to_one_whose_code_begins_its_own() -> None:
    Unit.objects.create(code="511504", name="叙州区")
    Unit.objects.create(code="511504101", name="东镇", parent_id="511504")
    # A gap is fine: a county may stand for the townships that are not in the list.
    Unit.objects.create(code="511504102201", name="湖村", parent_id="511504")
    for code in ("511505101", "51", "511504101"):
        refused_by(
            "unit_code_continues_its_parents",
            lambda code=code: Unit(code=code, name="某镇", parent_id="511504101").save(force_insert=True),
        )
    refused_by(
        "unit_code_continues_its_parents",
        lambda: Unit.objects.filter(code="511504101").update(parent_id="511504102201"),
    )


@pytest.mark.django_db
def test_a_unit_needs_a_name() -> None:
    refused_by("unit_has_a_name", lambda: Unit.objects.create(code="51", name=""))


@pytest.mark.django_db
def test_what_the_database_refuses_is_said_in_words_before() -> None:
    with pytest.raises(ValidationError) as refused:
        Unit(code="511", name="某镇").full_clean()
    assert "代码为2、4、6、9或12位数字，后面最多各接一个 D001、S0001。" in refused.value.messages


def test_a_unit_with_posts_or_units_below_stays(cast: Cast) -> None:
    for code in (WILLOW, EAST, BUREAU):
        with pytest.raises(ProtectedError):
            Unit.objects.get(pk=code).delete()
    Unit.objects.get(pk=MARKET).delete()


def test_proxies_are_units_of_one_kind(cast: Cast) -> None:
    assert codes(County.objects.all()) == {COUNTY, OTHER_COUNTY}
    assert codes(Township.objects.all()) == {EAST, WEST, OTHER_TOWNSHIP}
    assert codes(Village.objects.all()) == {WILLOW, MAPLE, LAKE, OTHER_VILLAGE}
    assert codes(Department.objects.all()) == {BUREAU}
    assert codes(Site.objects.all()) == {MARKET}
    assert isinstance(Village.objects.get(pk=WILLOW), Village)
    assert codes(Village.objects.all().visible_to(cast["bao"])) == {WILLOW, MAPLE}
    with pytest.raises(Village.DoesNotExist):
        Village.objects.get(pk=EAST)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("柳村村民委员会", "柳村"),
        ("石城村村民委员会", "石城村"),
        ("翠柏社区居民委员会", "翠柏社区"),
        ("翠柏社区村民委员会", "翠柏社区"),
        ("和平居民委员会", "和平"),
        ("社区居民委员会", "社区"),
        ("东镇", "东镇"),
        ("村民委员会", "村民委员会"),
        ("村民委员会办公室", "村民委员会办公室"),
    ],
)
def test_a_short_name_is_what_people_say(name: str, short: str) -> None:
    assert Unit(name=name).short_name == short


def test_the_search_looks_at_names_and_the_beginning_of_codes(cast: Cast) -> None:
    units = Unit.objects.visible_to(cast["mei"])
    assert codes(units.named("柳")) == {WILLOW, MARKET}
    assert codes(units.named(EAST)) == IN_EAST
    assert codes(units.named("桥")) == NOWHERE  # elsewhere
    assert codes(units.named("%")) == codes(units.named("_")) == codes(units.named("'")) == NOWHERE
    assert codes(units.under(EAST)) == IN_EAST


# --- which rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEES)
def test_each_sees_the_units_of_their_posts_and_no_others(cast: Cast, name: str) -> None:
    seen = codes(Unit.objects.visible_to(cast[name]))
    unseen = codes(Unit.objects.exclude(access.within("code", cast[name])))
    assert seen == SEES[name]
    assert unseen == set(UNITS) - SEES[name]
    # Twins: the same in Python.
    assert {code for code in UNITS if access.may_see(cast[name], code)} == seen


@pytest.mark.parametrize("name", SEES)
def test_what_hangs_on_a_unit_is_seen_with_it(cast: Cast, name: str) -> None:
    factories.campaign()
    factories.campaign(OTHER_COUNTY)
    person = cast[name]
    for rows in (Task.objects, Tally.objects, Responsibility.objects, Post.objects):
        found = set(rows.visible_to(person).values_list("unit_id", flat=True))  # type: ignore[attr-defined]
        assert found <= SEES[name]
        assert found == SEES[name] & set(rows.values_list("unit_id", flat=True))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("lan", {PROVINCE, CITY, COUNTY, EAST, WILLOW, MARKET}),
        ("lin", {PROVINCE, CITY, COUNTY, EAST, WILLOW, MARKET, MAPLE}),
        ("bao", {PROVINCE, CITY, COUNTY, *IN_EAST}),
        ("deng", {PROVINCE, CITY, COUNTY, BUREAU}),
        ("mei", {PROVINCE, CITY, *IN_COUNTY}),
        ("chen", {PROVINCE, OTHER_CITY, OTHER_COUNTY, OTHER_TOWNSHIP, OTHER_VILLAGE}),
        ("nobody", NOWHERE),
    ],
)
def test_a_campaign_reaches_who_sits_under_its_host_or_above(cast: Cast, name: str, hosts: set[str]) -> None:
    touched = codes(Unit.objects.filter(access.touching("code", cast[name])))
    assert touched == hosts
    template = factories.template()
    for number, host in enumerate(UNITS):
        factories.campaign(host, days=number, of=template)
    found = set(Campaign.objects.visible_to(cast[name]).values_list("host_id", flat=True))
    assert found == hosts
    # A draft is for who may run it.
    Campaign.objects.update(status="draft")
    drafts = set(Campaign.objects.visible_to(cast[name]).values_list("host_id", flat=True))
    assert drafts == DOES[Action.RUN].get(name, NOWHERE)


def test_a_draft_is_seen_by_its_admin(cast: Cast) -> None:
    factories.campaign(status="draft")
    assert Campaign.objects.visible_to(cast["ada"]).count() == 1
    assert not Campaign.objects.visible_to(cast["mei"]).exists()


def test_strangers_and_those_who_left_see_nothing(cast: Cast) -> None:
    today = timezone.localdate()
    left = factories.cadre("Left", Role.COUNTY_LEADER, COUNTY, until=today)
    coming = factories.cadre("Coming", Role.COUNTY_LEADER, COUNTY, since=today + timedelta(days=1))
    gone = factories.cadre("Gone", Role.COUNTY_LEADER, COUNTY)
    gone.is_active = False
    for person in (left, coming, gone, AnonymousUser(), cast["nobody"]):
        assert access.scopes(person) == []
        assert not Unit.objects.visible_to(person).exists()
        assert not Campaign.objects.visible_to(person).exists()
        for action in Action:
            assert not Unit.objects.filter(access.reached("code", person, action)).exists()
        assert not access.may_see(person, COUNTY)
        assert not access.owes_tasks(person)
        assert not access.runs_campaigns(person)
    staying = factories.cadre("Staying", Role.COUNTY_LEADER, COUNTY, until=today + timedelta(days=1))
    assert codes(Unit.objects.visible_to(staying)) == IN_COUNTY


def test_scopes_leave_out_what_lies_under_another(cast: Cast) -> None:
    factories.appoint(cast["bao"], Role.LINKED, WILLOW)
    factories.appoint(cast["bao"], Role.LINKED, LAKE)
    assert access.scopes(cast["bao"]) == [EAST, LAKE]


# --- may they ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", Action)
def test_the_role_table_in_both_twins(cast: Cast, action: Action) -> None:
    for name, person in cast.items():
        expected = DOES[action].get(name, NOWHERE)
        in_sql = codes(Unit.objects.filter(access.reached("code", person, action)))
        in_python = {code for code in UNITS if access.can(person, action, code)}
        assert (name, in_sql) == (name, expected)
        assert (name, in_python) == (name, expected)
        # Nobody does anything where they see nothing.
        assert in_sql <= SEES[name]


grants = st.lists(st.builds(Grant, st.sampled_from(Role.values), st.sampled_from(sorted(UNITS))), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=grants)
def test_the_twins_agree_for_any_posts(cast: Cast, held: list[Grant]) -> None:
    person = Cadre(name="某人")
    person.grants = tuple(held)
    seen = codes(Unit.objects.visible_to(person))
    assert seen == {code for code in UNITS if access.may_see(person, code)}
    for action in Action:
        reached = codes(Unit.objects.filter(access.reached("code", person, action)))
        assert reached == {code for code in UNITS if access.can(person, action, code)}
        assert reached <= seen
    touched = codes(Unit.objects.filter(access.touching("code", person)))
    assert touched == {
        code for code in UNITS if any(code.startswith(grant.unit) or grant.unit.startswith(code) for grant in held)
    }


class Owed:
    """As much of a task as access asks for."""

    def __init__(self, unit_id: str, done_by_id: int | None = None, done_for_id: int | None = None, height: int = 1):
        self.unit_id = unit_id
        self.done_by_id = done_by_id
        self.done_for_id = done_for_id
        self.height = height
        self.rests_on: list[int] = []


def test_a_refusal_says_why(cast: Cast) -> None:
    lan, bao, su = cast["lan"], cast["bao"], cast["su"]
    assert access.may_tick(lan, Owed(WILLOW))
    refused = access.may_tick(su, Owed(WILLOW))
    assert not refused
    assert str(refused.reason) == "只有本单位和所在乡镇（街道）的干部可以填报这项任务。"
    assert "核实" in str(access.may_check(lan, Owed(WILLOW)).reason)
    assert "不能自己定为不涉及" in str(access.may_waive(lan, Owed(WILLOW)).reason)
    assert "活动管理员" in str(access.may_run(bao, COUNTY).reason)
    assert access.may_call(lan, WILLOW)
    assert not access.may_call(su, WILLOW)
    with pytest.raises(PermissionDenied, match="只有本单位"):
        access.require(refused)
    access.require(access.YES)


def test_nobody_checks_what_they_ticked_themselves(cast: Cast) -> None:
    lin = cast["lin"]
    assert access.may_check(lin, Owed(WILLOW, done_by_id=cast["lan"].pk))
    assert not access.may_check(lin, Owed(WILLOW, done_by_id=lin.pk))
    # Not even with a second post that would allow it.
    factories.appoint(cast["lan"], Role.SUPERVISOR, COUNTY)
    lan = Cadre.objects.get(pk=cast["lan"].pk)
    assert access.may_check(lan, Owed(WILLOW))
    assert not access.may_check(lan, Owed(WILLOW, done_by_id=lan.pk))
    # Nor what rests on a value of theirs, whoever ticked it.
    valued = Owed(WILLOW, done_by_id=cast["hong"].pk)
    valued.rests_on = [lin.pk]
    assert access.may_check(lan, valued)
    assert not access.may_check(lin, valued)


def test_who_has_a_front_page_of_tasks(cast: Cast) -> None:
    assert {name for name in cast if access.owes_tasks(cast[name])} == {"lan", "hong", "lin", "bao", "deng", "chen"}
    assert {name for name in cast if access.checks_tasks(cast[name])} == {"lin", "bao", "tang", "ada", "su"}
    assert {name for name in cast if access.runs_campaigns(cast[name])} == {"ada"}


# --- posts ------------------------------------------------------------------------------------------


def test_a_post_is_held_from_its_first_day_to_the_day_before_its_end(cast: Cast) -> None:
    first, end = date(2026, 3, 1), date(2026, 4, 1)
    post = factories.appoint(cast["nobody"], Role.LINKED, LAKE, since=first, until=end)
    held = {
        day: Post.objects.current(day).filter(pk=post.pk).exists()
        for day in (first - timedelta(days=1), first, end - timedelta(days=1), end)
    }
    assert list(held.values()) == [False, True, True, False]
    Cadre.objects.filter(pk=cast["nobody"].pk).update(is_active=False)
    assert not Post.objects.current(first).filter(pk=post.pk).exists()


def test_what_the_database_refuses_of_a_post(cast: Cast) -> None:
    nobody = cast["nobody"]
    factories.appoint(nobody, Role.LINKED, LAKE)
    refused_by("post_held_once_at_a_time", lambda: factories.appoint(nobody, Role.LINKED, LAKE))
    refused_by(
        "post_ends_after_it_began",
        lambda: factories.appoint(nobody, Role.LINKED, WILLOW, since=date(2026, 2, 2), until=date(2026, 2, 1)),
    )
    refused_by("post_role_is_known", lambda: factories.appoint(nobody, "king", WILLOW))
    # Once it has ended it can be held again.
    Post.objects.filter(cadre=nobody).update(until=date(2026, 2, 1))
    factories.appoint(nobody, Role.LINKED, LAKE, since=date(2026, 2, 1))


UNIT_OF_KIND = {
    Kind.COUNTRY: COUNTRY,
    Kind.PROVINCE: PROVINCE,
    Kind.CITY: CITY,
    Kind.COUNTY: COUNTY,
    Kind.TOWNSHIP: EAST,
    Kind.VILLAGE: LAKE,
    Kind.DEPARTMENT: BUREAU,
    Kind.SITE: MARKET,
}


def test_a_role_is_held_only_at_its_kinds_of_unit(cast: Cast) -> None:
    assert set(KINDS_OF_ROLE) == set(Role.values)
    Unit.objects.create(code=COUNTRY, name="全国")
    for role in Role.values:
        for kind, code in UNIT_OF_KIND.items():
            post = Post(cadre=cast["nobody"], unit_id=code, role=role)
            if kind in KINDS_OF_ROLE[role]:
                post.full_clean(exclude=["since"])
            else:
                with pytest.raises(ValidationError, match="这类单位没有这种岗位"):
                    post.full_clean(exclude=["since"])


def test_a_post_says_who_what_and_where(cast: Cast) -> None:
    assert str(Post.objects.get(cadre=cast["lan"])) == "Lan · 村支书 · 柳村村民委员会"
    assert str(Post.objects.get(cadre=cast["mei"])) == "Mei · 县（区）领导 · 叙州区"
