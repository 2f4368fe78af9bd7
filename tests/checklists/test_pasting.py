"""What Excel copies is understood, or every fault is named; nothing crashes."""

import csv
import io
import time
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checklists.days import Span
from checklists.setup.pasting import COLUMNS, MOST_ROWS, Pasted, Sheet, read

FIRST, INSPECTION = date(2026, 11, 20), date(2027, 1, 10)
SHEET = Sheet(Span(FIRST, INSPECTION), INSPECTION, {"v-1"})
HEAD = "检查项\t标准\t责任单位\t完成时限\t分值\t板块\t责任人"


def paste(*rows: str, head: str = HEAD) -> Pasted:
    return read("\r\n".join([head, *rows] if head else rows), SHEET)


def excel(rows: list[list[str]]) -> str:
    """As Excel copies cells."""
    text = io.StringIO()
    csv.writer(text, dialect="excel-tab").writerows(rows)
    return text.getvalue()


def told(pasted: Pasted) -> list[tuple[int, str, str]]:
    return [(fault.row, fault.column, fault.value) for fault in pasted.faults]


def test_a_row_becomes_an_item() -> None:
    pasted = paste("有人管\t每天清扫\t村、镇\t12月20日\t3\t一、环境\t村支书")
    assert pasted.faults == []
    assert [line.fields for line in pasted.lines] == [
        {
            "title": "有人管",
            "standard": "每天清扫",
            "owed_by": ["village", "township"],
            "due_on": date(2026, 12, 20),
            "points": 3,
            "section": "一、环境",
            "responsible": "村支书",
            "number": "",
        }
    ]


HEADS = [
    HEAD,
    "标题\t要求\t责任主体\t截止\t分值\t部分\t责任人",
    "检查项目\t标 准\t哪级负责\t截止日期\t分值（分）\t板块\t责任人：",
    "Title\tStandard\tOwed by\tDue on\tPoints\tSection\tResponsible",
    '检查项\t要求\t责任单位\t"完成\n时限"\t分值\t板块\t责任人',
    "2026年迎检清单\t\t\t\t\t\t\r\n" + HEAD,
    "",
]


@pytest.mark.parametrize("head", HEADS)
def test_the_head_is_known_in_chinese_and_english_and_may_be_missing(head: str) -> None:
    pasted = paste("有人管\t好\t村\t2026.12.20\t2\t一\t张三", head=head)
    assert pasted.faults == []
    assert [(line.fields["title"], line.fields["points"], line.fields["section"]) for line in pasted.lines] == [
        ("有人管", 2, "一")
    ]


def test_columns_come_in_any_order_and_unknown_ones_are_named() -> None:
    pasted = paste("1\t甲\t村\t有人管\t编-1", head="序号\t心得\t责任单位\t检查项\t编号")
    assert (pasted.left_out, told(pasted)) == (["心得"], [])
    assert pasted.lines[0].fields["title"] == "有人管"
    assert pasted.lines[0].fields["number"] == "编-1"
    assert pasted.lines[0].fields["due_on"] == INSPECTION


def test_merged_cells_take_over_what_stands_above() -> None:
    pasted = paste("甲\t\t村\t12.1\t1\t一", "乙\t\t\t\t2\t", "丙\t\t镇\t\t\t二", "丁\t\t\t12.9\t\t")
    assert [
        tuple(line.fields[name] for name in ("section", "owed_by", "due_on", "points")) for line in pasted.lines
    ] == [
        ("一", ["village"], date(2026, 12, 1), 1),
        ("一", ["village"], date(2026, 12, 1), 2),
        ("二", ["township"], date(2026, 12, 1), 1),
        ("二", ["township"], date(2026, 12, 9), 1),
    ]
    wrong = paste("甲\t\t村\t月底前", "乙\t\t\t", "丙\t\t\t12.9")
    assert told(wrong) == [(2, str(COLUMNS["due_on"]), "月底前")]
    assert [line.fields["title"] for line in wrong.lines] == ["丙"]


@pytest.mark.parametrize(
    ("cell", "standard"),
    [('"一行\n又一行"', "一行\n又一行"), ('"有\t制表符"', "有\t制表符"), ('"有\t两样\n都有"', "有\t两样\n都有"),
     ('"说""好""\n了"', '说"好"\n了'), ('"两癌"筛查', '"两癌"筛查'), ('"没有结束', '"没有结束'), ('5" 屏', '5" 屏'),
     ('"', '"')],
)  # fmt: skip
def test_quotes_are_excels_or_the_texts_own(cell: str, standard: str) -> None:
    pasted = paste(f"甲\t{cell}\t村", "乙\t好\t村")
    assert pasted.faults == []
    assert [line.fields["standard"] for line in pasted.lines] == [standard, "好"]


@pytest.mark.parametrize(
    ("cell", "kinds"),
    [("村", ["village"]), ("村，镇", ["village", "township"]), ("各村(社区)；乡(镇)", ["village", "township"]),
     ("部门/点位", ["department", "site"]), ("village, township", ["village", "township"]), ("村、村", ["village"]),
     ("区 县", ["county"]), ("村社区和乡镇", ["village", "township"]), ("县\n市", ["county", "city"])],
)  # fmt: skip
def test_who_owes_it_is_read_in_words(cell: str, kinds: list[str]) -> None:
    quoted = excel([["甲", "", cell]]).removesuffix("\r\n")
    assert paste(quoted).lines[0].fields["owed_by"] == kinds


WRONG = {
    "title": ["", "长" * 10_000],
    "standard": ["长" * 10_000],
    "owed_by": ["星球", "省", "村、星球", "，"],
    "due_on": ["月底前", "2月30日", "2020-1-1", "2027-1-11", "5/13"],
    "points": ["-1", "很多", "1e400", "1.5", "1001", "9" * 400],
    "section": ["长" * 61],
    "responsible": ["长" * 121],
}


@pytest.mark.parametrize(
    ("column", "cell"), [(column, cell) for column, cells in WRONG.items() for cell in cells], ids=lambda it: it[:12]
)
def test_a_fault_is_named_by_row_column_and_value(column: str, cell: str) -> None:
    names = [name for name in COLUMNS if name != "number"]
    row = dict.fromkeys(names, "") | {"title": "甲", "standard": "好", "owed_by": "村"} | {column: cell}
    pasted = paste("乙\t\t村", "\t".join(row.values()), "丙\t\t村\t12.9\t1\t二")
    assert told(pasted) == [(3, str(COLUMNS[column]), cell[:60])]
    assert pasted.faults[0].reason
    assert [line.row for line in pasted.lines] == [2, 4]


def test_nobody_who_owes_it_is_a_fault() -> None:
    assert told(paste("甲\t好")) == [(2, str(COLUMNS["owed_by"]), "")]


@pytest.mark.parametrize(("text", "points"), [("", 1), ("0", 0), ("３", 3), ("5分", 5), ("2.0", 2), ("1000", 1000)])
def test_points_are_whole(text: str, points: int) -> None:
    assert paste(f"甲\t\t村\t\t{text}").lines[0].fields["points"] == points


def test_two_items_of_one_number_are_refused() -> None:
    head = "检查项\t责任单位\t编号"
    pasted = paste("甲\t村\ta-1", "乙\t村\tａ-1", "丙\t村\tv-1", "丁\t村\t", "戊\t村\t", head=head)
    assert told(pasted) == [(3, str(COLUMNS["number"]), "ａ-1"), (4, str(COLUMNS["number"]), "v-1")]


@pytest.mark.parametrize(
    "text", ["", "\n\n\t\t\n", HEAD, "\0", "标准\t责任单位\n好\t村", f"{HEAD}\t标题\n甲", "甲\t\t村\t\t\t\t\t多出来"]
)
def test_what_holds_no_rows_says_so(text: str) -> None:
    pasted = read(text, SHEET)
    assert (len(pasted.faults), pasted.lines) == (1, [])


@pytest.mark.parametrize("rows", [MOST_ROWS + 1, 5000])
def test_too_many_rows_are_refused_politely(rows: int) -> None:
    pasted = paste(*["甲\t\t村"] * rows)
    assert ([fault.row for fault in pasted.faults], pasted.lines) == ([0], [])
    assert str(rows) in pasted.faults[0].reason
    assert len(paste(*["甲\t\t村"] * MOST_ROWS).lines) == MOST_ROWS


def test_a_cell_beyond_all_measure_is_refused() -> None:
    assert len(paste("甲\t" + "长" * 200_000 + "\t村").faults) == 1


LONG = {
    "brackets": "(" * 100_000,
    "quotes": '"' * 100_001,
    "cells": '"a\t' * 50_000,
    "rows": '"\n""' * 50_000,
    "tabs": "\t" * 100_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_no_paste_takes_long(text: str) -> None:
    begun = time.process_time()
    assert read(text, SHEET).faults
    assert time.process_time() - begun < 2


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.lists(CELLS, max_size=10), max_size=8))
def test_no_paste_breaks_it(rows: list[list[str]]) -> None:
    for text in (excel(rows), "\n".join("\t".join(row) for row in rows)):
        for head in ("", HEAD + "\n"):
            pasted = read(head + text, SHEET)
            assert pasted.lines or pasted.faults


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    pasted = read(text, SHEET)
    assert pasted.lines or pasted.faults


@given(st.lists(st.text(st.sampled_from('好"\t\n 村,、'), min_size=1, max_size=20), min_size=1, max_size=5))
def test_what_excel_quotes_comes_back(standards: list[str]) -> None:
    rows: list[list[Any]] = [["甲", standard, "村"] for standard in standards]
    pasted = read(HEAD + "\r\n" + excel(rows), SHEET)
    assert [line.fields["standard"] for line in pasted.lines] == [standard.strip() for standard in standards]
