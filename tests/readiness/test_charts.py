"""The board's charts as plain data: the curve with its drawings, the battle map, and their tables as files."""

import csv
import io
import re
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from urllib.parse import unquote

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from readiness.boards import battle, curve
from readiness.boards.csv import answer
from readiness.boards.forecast import Forecast, NoForecast, forecast
from readiness.boards.light import Counts

START = date(2026, 5, 11)  # a Monday
ON, INSPECTED = START + timedelta(days=14), START + timedelta(days=32)
DUE = {START + timedelta(days=7): 40, INSPECTED: 60}


@dataclass
class Phase:
    """As a campaign has them."""

    name: str
    starts_on: date
    ends_on: date

    def __str__(self) -> str:
        return self.name


PHASES = [
    Phase("动员", START, START + timedelta(days=9)),
    Phase("整改<b>", START + timedelta(days=5), INSPECTED),
    Phase("迎检", START + timedelta(days=10), INSPECTED + timedelta(days=90)),
]


def counted(last: date = ON, share: float = 1) -> list[tuple[date, int]]:
    days = (last - START).days + 1
    return [(START + timedelta(days=n), int(3 * n * share)) for n in range(days)]


def drawn(on: date = ON, inspects_on: date = INSPECTED, due: dict[date, int] = DUE) -> curve.Curve:
    outlook = forecast(counted(on), due, until=inspects_on)
    return curve.draw(counted(on), counted(on, 0.5), due, outlook, on=on, inspects_on=inspects_on, phases=PHASES)


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]


def test_every_line_is_what_it_says_and_claimed_and_verified_are_two() -> None:
    found = drawn()
    assert [row.day for row in found.rows] == [START + timedelta(days=n) for n in range(33)]
    assert (found.now.planned, found.now.claimed, found.now.verified) == (40, 42, 21)
    assert [row.planned for row in found.rows][6:8] == [0, 40]
    assert found.rows[-1].planned == found.total == 100
    assert [row.claimed for row in found.rows if row.day > ON] == [None] * 18
    assert [row.low is None for row in found.rows] == [True] * 15 + [False] * 18
    for drawing in found.drawings:
        assert [line.kind for line in drawing.lines] == ["planned", "claimed", "verified"]
        claimed, verified = drawing.lines[1:]
        assert claimed.path != verified.path
        assert claimed.marks[:20] != verified.marks[:20]
        assert "42" in claimed.label.text and "21" in verified.label.text
        x, y = numbers(claimed.path)[-2:]
        plot = drawing.right - drawing.left, drawing.floor - drawing.top
        assert x == pytest.approx(drawing.left + plot[0] * 14 / 32, abs=0.1)
        assert y == pytest.approx(drawing.floor - plot[1] * 42 / 100, abs=0.1)


def test_nothing_is_drawn_outside_of_a_drawing() -> None:
    for on in (START, START + timedelta(days=1), ON, INSPECTED, INSPECTED + timedelta(days=30)):
        for drawing in drawn(on).drawings:
            for path in (drawing.fan, drawing.likely, *(line.path for line in drawing.lines)):
                spots = numbers(path)
                assert all(0 <= x <= drawing.width for x in spots[::2])
                assert all(drawing.top <= y <= drawing.floor for y in spots[1::2])
            for before, after in pairwise(drawing.dates):
                assert float(after.x) - float(before.x) >= curve.wide(after.text)
            for label in (*drawing.dates, *(line.label for line in drawing.uprights)):
                half = curve.wide(label.text) / 2
                assert half - 7 <= float(label.x) + 1 and float(label.x) + half <= drawing.width + 7
            for band in drawing.bands:
                assert drawing.left <= float(band.x)
                assert float(band.x) + float(band.width) <= drawing.right + 2.1
                assert float(band.y) + 15 <= drawing.top


def test_the_days_of_the_figures_and_of_the_inspection_are_marked() -> None:
    for drawing in drawn().drawings:
        today, inspection = drawing.uprights
        assert (today.kind, inspection.kind) == ("today", "inspection")
        assert float(today.x) < float(inspection.x)
    later = drawn(on=INSPECTED + timedelta(days=3))
    assert later.rows[-1].day == INSPECTED + timedelta(days=3)
    assert later.forecast is None
    assert [drawing.fan for drawing in later.drawings] == ["", "", ""]


def test_phases_at_the_same_time_stand_below_one_another() -> None:
    for drawing in drawn().drawings:
        first, second, third = drawing.bands
        assert first.y == third.y != second.y


def test_a_long_campaign_has_a_row_a_week_but_a_file_with_every_day() -> None:
    found = drawn(inspects_on=START + timedelta(days=99), due={START + timedelta(days=99): 400})
    assert found.is_by_week and not drawn().is_by_week
    days = [row.day for row in found.table]
    assert days[0] == START and days[-1] == START + timedelta(days=99)
    assert ON in days
    assert len(days) == 14 + 3
    header, rows = found.sheet()
    assert (len(rows), {len(row) for row in rows}) == (100, {len(header)})
    assert len(drawn().table) == 33


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("claims", [[], [(START, 0)], counted(START + timedelta(days=1))])
def test_a_campaign_with_nothing_is_drawn_too(claims: list[tuple[date, int]], language: str) -> None:
    with translation.override(language):
        found = curve.draw(claims, [], {}, NoForecast.NOTHING, on=START, inspects_on=START)
        page = render_to_string("boards/_curve.html", {"curve": found, "name": "x", "csv_url": "/x/"})
        assert NoForecast.NOTHING.label in page
        field = battle.draw([], [], starts_on=START, inspects=(START, START), on=START)
        assert "<table" not in render_to_string("boards/_battle.html", {"battle": field, "name": "x", "csv_url": "/x/"})


def test_a_slip_of_the_keyboard_is_not_drawn_for_ever() -> None:
    found = drawn(inspects_on=date(9999, 12, 31))
    assert len(found.rows) == curve.LONGEST + 1
    field = battle.draw(
        [("一", date(9999, 12, 31), Counts(open=1))], [], starts_on=START, inspects=(INSPECTED, date.max), on=ON
    )
    assert len(field.columns) == 40
    assert field.lines[0].fields[-1].open == 1  # what lies beyond stands in the last


def test_the_page_says_method_data_and_error() -> None:
    found = drawn()
    assert isinstance(found.forecast, Forecast)
    with translation.override("en"):
        page = render_to_string("boards/_curve.html", {"curve": found, "name": "a<b", "csv_url": "/c/?a=1&b=2"})
    words = " ".join(page.split())
    test = found.forecast.backtest
    assert f"Pace of the last 7 working days: {found.forecast.pace:.1f} claims a day." in words
    assert "The fan holds 4 of 5 cases." in words
    assert f"Of {test.tries} earlier forecasts for this unit {test.hits} held." in words
    assert "how much will be verified is not forecast" in words
    assert page.count('role="img"') == 3
    assert "整改&lt;b&gt;" in page and "整改<b>" not in page
    assert not re.search(r"\sstyle=|<style|\son\w+=", page)
    assert 'href="/c/?a=1&amp;b=2"' in page


# ---- The battle map -----------------------------------------------------------------------------------------------


def fought(on: date = ON, **kept: object) -> battle.Battle:
    due = [
        ("宣传", START + timedelta(days=2), Counts(open=2, overdue=2, done=1, verified=3, waived=4)),
        ("宣传", START + timedelta(days=4), Counts(returned=1, overdue=1)),
        ("台账", INSPECTED, Counts(open=5, done=2)),
        ("空", INSPECTED, Counts(waived=7)),
    ]
    stages = [battle.Stage(str(phase), phase.starts_on, phase.ends_on, n) for n, phase in enumerate(PHASES[:2])]
    return battle.draw(due, stages, starts_on=START, inspects=(INSPECTED, INSPECTED), on=on, **kept)  # type: ignore[arg-type]


def test_each_field_counts_what_is_due_there_and_blends_nothing() -> None:
    found = fought()
    assert [line.name for line in found.lines] == ["宣传", "台账"]
    first, last = found.lines
    assert first.fields[0] == battle.Field(verified=3, claimed=1, late=3, open=0)
    assert all(of.is_empty for of in first.fields[1:])
    assert last.fields[-1] == battle.Field(claimed=2, open=5)
    assert found.total is not None
    assert [of.open for of in found.total.fields] == [0, 0, 0, 0, 5]
    header, rows = found.sheet()
    assert rows == [
        ["宣传", START, START + timedelta(days=6), 3, 1, 3, 0],
        ["台账", INSPECTED - timedelta(days=4), INSPECTED + timedelta(days=2), 0, 2, 0, 5],
    ]
    assert len(header) == 7


def test_columns_are_weeks_from_monday_with_today_and_inspection_marked() -> None:
    thursday = START + timedelta(days=3)
    found = battle.draw([("一", thursday, Counts(open=1))], [], starts_on=thursday, inspects=(INSPECTED,) * 2, on=ON)
    assert found.columns[0].first == START
    columns = fought().columns
    assert [column.first.weekday() for column in columns] == [0] * 5
    assert [column.is_now for column in columns] == [False, False, True, False, False]
    assert [column.inspects_on for column in columns] == [None] * 4 + [INSPECTED]
    assert columns[0].kinds == [""] * 5 + ["weekend"] * 2
    assert columns[0].working_days == 5


@pytest.mark.parametrize(("days", "length"), [(5, 1), (14, 1), (15, 7), (200, 7), (400, 28)])
def test_short_campaigns_go_by_days_long_ones_by_weeks(days: int, length: int) -> None:
    last = START + timedelta(days=days)
    found = battle.draw([("一", START, Counts(open=1))], [], starts_on=START, inspects=(last, last), on=START)
    column = found.columns[0]
    assert (column.last - column.first).days + 1 == length
    assert found.columns[-1].last >= last


def test_national_day_has_no_working_days() -> None:
    found = battle.draw(
        [("一", date(2025, 10, 3), Counts(open=1))],
        [],
        starts_on=date(2025, 9, 22),
        inspects=(date(2025, 10, 20), date(2025, 10, 20)),
        on=date(2025, 9, 23),
    )
    week = found.columns[1]
    assert week.kinds == ["", "", *["holiday"] * 5]
    assert week.working_days == 2
    assert found.columns[0].kinds[-1] == "made-up"


def test_every_row_of_phases_is_as_wide_as_the_table() -> None:
    found = fought()
    assert len(found.stages) == 2  # they overlap
    for row in found.stages:
        assert sum(span.columns for span in row) == len(found.columns)
    assert [[span.stage and span.stage.title for span in row] for row in found.stages] == [
        ["动员", None],
        ["整改<b>"],
    ]


def test_fields_lead_to_their_tasks_and_gates_to_theirs() -> None:
    found = fought(link=lambda section, first, last: f"/t/?s={section}&from={first}&to={last}")
    page = render_to_string("boards/_battle.html", {"battle": found, "name": "x", "csv_url": "/x/"})
    assert f"/t/?s=宣传&amp;from={START}&amp;to={START + timedelta(days=6)}" in page
    assert "/t/?s=台账&amp;from=None&amp;to=None" in page
    assert page.count("<td></td>") == 4 + 4 + 3  # nothing is due there: no empty links
    assert page.count('class="gate"') == 1
    assert not re.search(r"\sstyle=|<style|\son\w+=", page)


# ---- Files --------------------------------------------------------------------------------------------------------


def read(response: object) -> list[list[str]]:
    text = response.content.decode("utf-8")  # type: ignore[attr-defined]
    assert text.startswith("\ufeff")
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text[1:], newline=""), strict=True))


def test_a_file_for_excel_keeps_words_numbers_and_days() -> None:
    response = answer("徐州区 进度", ["单位", "数"], [["柳村,“东”", -3], ["两\n行", None], [date(2026, 5, 11), 1.5]])
    assert read(response) == [["单位", "数"], ["柳村,“东”", "-3"], ["两\n行", ""], ["2026-05-11", "1.5"]]
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    named = re.fullmatch(
        r"attachment; filename=\"table.csv\"; filename\*=UTF-8''(\S+)", response["Content-Disposition"]
    )
    assert named
    assert unquote(named[1]) == "徐州区 进度.csv"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "\0=1"])
def test_no_cell_is_run_as_a_formula(text: str) -> None:
    ((cell,), (below,)) = read(answer("x", [text], [[text]]))
    assert cell.startswith("'") and below.startswith("'")


@pytest.mark.parametrize("name", ["", "../..", 'a"b\r\nSet-Cookie: x', "con/..\\x", "x" * 3])
def test_no_name_breaks_the_header(name: str) -> None:
    header = answer(name, [], [])["Content-Disposition"]
    file = unquote(header.rpartition("''")[2])
    assert file.endswith(".csv") and len(file) > 4
    assert not set(file) & set('/\\"\r\n')
