"""Dates as people write them: understood or refused, never guessed."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checklists.days import NotADay, read_day

FIRST, LAST = date(2026, 11, 20), date(2027, 6, 30)
MAY_13 = date(2027, 5, 13)


@pytest.mark.parametrize(
    "text",
    ["2027-05-13", "2027.5.13", "2027/5/13", "2027年5月13日", "2027年5月13号", "2027 年 5 月 13 日",
     "２０２７．５．１３", "2027/5/13 0:00", "2027-05-13 00:00:00",
     "5月13日", "5月13号", "5/13", "5.13", "5-13", "５月１３日", " 5月13日\t",
     "5月13日前", "2027年5月13日以前", "5月13"],
)  # fmt: skip
def test_a_day_is_read_as_people_write_it(text: str) -> None:
    assert read_day(text, FIRST, LAST) == MAY_13


@pytest.mark.parametrize(
    "text",
    ["月底前", "5月底", "五月十三日", "5月", "2027年", "2027年5月", "年底", "尽快", "", " ", "13", "20270513",
     "26.5.13", "2027-02-29", "2027-2-30", "2月30日", "2/30", "13/13", "5.0", "0000-1-1", "2027-5-13 8:30",
     "5月13日左右", "2027-5-13\0", "5" * 99, "٥月١٣日", "前", "5月前"],
)  # fmt: skip
def test_what_names_no_day_is_refused(text: str) -> None:
    with pytest.raises(NotADay):
        read_day(text, FIRST, LAST)


@pytest.mark.parametrize(
    ("text", "first", "last", "day"),
    [
        ("12.31", FIRST, LAST, date(2026, 12, 31)),
        ("1.1", FIRST, LAST, date(2027, 1, 1)),
        ("11/20", FIRST, LAST, FIRST),
        ("6/30", FIRST, LAST, LAST),
        ("2/29", date(2027, 6, 1), date(2028, 5, 1), date(2028, 2, 29)),
        ("11/19", FIRST, LAST, None),  # before the one, after the other
        ("7/1", FIRST, LAST, None),
        ("1/1", FIRST, date(2028, 1, 1), None),  # twice
        ("2/29", FIRST, LAST, None),
        ("5/13", None, None, None),
        ("5/13", FIRST, None, None),
    ],
)
def test_the_year_that_is_missing_is_the_campaigns(
    text: str, first: date | None, last: date | None, day: date | None
) -> None:
    if day:
        assert read_day(text, first, last) == day
    else:
        with pytest.raises(NotADay):
            read_day(text, first, last)


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    try:
        read_day(text, FIRST, LAST)
    except NotADay as error:
        assert str(error)


@given(st.dates(), st.sampled_from(["%Y-%m-%d", "%Y.%m.%d", "%Y/%m/%d", "%Y年%m月%d日", "%Y-%m-%d 00:00:00"]))
def test_every_full_day_comes_back(day: date, written: str) -> None:
    text = day.strftime(written.replace("%Y", f"{day.year:04}"))
    assert read_day(text) == day
