"""Sites and departments are added on the way, each with the next free code."""

import pytest

from tests import factories
from tests.checklists.conftest import Elsewhere, elsewhere  # noqa: F401
from tests.factories import BUREAU, COUNTY, EAST, MAPLE, MARKET, WILLOW
from villages.models import Unit
from villages.units import CannotAdd, add_department, add_site, may_have


@pytest.fixture
def units(db: None) -> None:
    factories.units()


def at(code: str) -> Unit:
    return Unit.objects.get(pk=code)


def test_a_site_gets_the_next_free_code(units: None) -> None:
    toilet = add_site(at(WILLOW), " 老街公厕 ")
    assert (toilet.pk, toilet.name, toilet.parent_id, toilet.kind) == (f"{WILLOW}S0002", "老街公厕", WILLOW, "site")
    assert add_site(at(BUREAU), "办事大厅").pk == f"{BUREAU}S0001"
    assert add_site(at(COUNTY), "火车站").pk == f"{COUNTY}S0001"
    Unit.objects.create(code=f"{EAST}S0002", name="导入的点位", parent_id=EAST)
    assert [add_site(at(EAST), name).pk for name in ("甲街", "乙街")] == [f"{EAST}S0001", f"{EAST}S0003"]


def test_a_department_gets_the_next_free_code(units: None) -> None:
    assert add_department(at(COUNTY), "区教育局").pk == f"{COUNTY}D002"  # the bureau's sites count for nothing
    office = add_department(at(EAST), "党政办")
    assert (office.pk, office.kind) == (f"{EAST}D001", "department")


@pytest.mark.parametrize("name", ["", "  ", "长" * 81, "零\0", "两\n行", "柳村集市"])
def test_a_bad_name_is_refused(name: str, units: None) -> None:
    before = Unit.objects.count()
    with pytest.raises(CannotAdd):
        add_site(at(WILLOW), name)
    assert Unit.objects.count() == before


def test_the_same_name_elsewhere_is_no_hindrance(units: None) -> None:
    assert add_site(at(MAPLE), "柳村集市")


@pytest.mark.parametrize(
    ("code", "kinds"),
    [("51", "department"), (COUNTY, "site department"), (EAST, "site department"), (WILLOW, "site"), (BUREAU, "site"),
     (MARKET, "")],
)  # fmt: skip
def test_what_can_be_added_where(code: str, kinds: str, units: None) -> None:
    assert may_have(at(code)) == kinds.split()
    for kind, add in (("site", add_site), ("department", add_department)):
        if kind in kinds.split():
            add(at(code), f"新{kind}")
        else:
            with pytest.raises(CannotAdd):
                add(at(code), f"新{kind}")


@pytest.mark.parametrize(
    ("add", "ending", "most"), [(add_department, "D{:03}", 999), (add_site, "S{:04}", 9999)], ids=["D", "S"]
)  # fmt: skip
def test_no_number_is_left(add: object, ending: str, most: int, units: None) -> None:
    codes = [EAST + ending.format(number) for number in range(1, most + 1)]
    Unit.objects.bulk_create([Unit(code=code, name=code, parent_id=EAST) for code in codes if code != codes[6]])
    assert add(at(EAST), "最后一个").pk == codes[6]  # type: ignore[operator]
    with pytest.raises(CannotAdd, match=str(most)):
        add(at(EAST), "多一个")  # type: ignore[operator]


@pytest.mark.parametrize("names", [("甲街", "乙街"), ("甲街", "甲街")], ids=["two names", "one name"])
def test_two_people_at_once(names: tuple[str, str], elsewhere: Elsewhere) -> None:  # noqa: F811
    factories.units()
    elsewhere.run("SELECT FROM villages_unit WHERE code = %s FOR NO KEY UPDATE", EAST)
    adding = [elsewhere.start(lambda name=name: add_site(at(EAST), name).pk) for name in names]  # type: ignore[misc]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    refused = [type(adds.exception(timeout=20)) for adds in adding if adds.exception(timeout=20)]
    assert refused == [CannotAdd] * (names[0] == names[1])
    there = Unit.objects.filter(parent=EAST, kind="site").values_list("pk", flat=True)
    assert list(there) == [f"{EAST}S0001", f"{EAST}S0002"][: 2 - len(refused)]


def test_an_import_that_takes_the_same_code_meanwhile(elsewhere: Elsewhere) -> None:  # noqa: F811
    factories.units()
    elsewhere.run("INSERT INTO villages_unit (code, name, parent_id) VALUES (%s, '导入', %s)", f"{EAST}S0001", EAST)
    adding = elsewhere.start(lambda: add_site(at(EAST), "甲街"))
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    with pytest.raises(CannotAdd):
        adding.result(timeout=20)
