"""Rows as Excel copies them → items, or every fault by row, column and value. Touches no database."""

import csv
import io
import re
import unicodedata
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checklists.days import NotADay, Span, read_day
from checklists.setup.itemform import LONGEST_STANDARD, MOST_POINTS
from villages.models import Kind
from villages.residents import REFUSAL, names_a_resident

MOST_ROWS = 500
HEAD_WITHIN = 5  # rows; above the head stands the sheet's title, if anything
CELL = re.compile(r'("(?:[^"]|"")*+"(?=[\t\n]|\Z))|([^\t\n]+)')  # in quotes, or as it is
SHOWN = 60  # letters of a wrong value that are repeated

# In this order without a head.
COLUMNS = {
    "title": gettext_lazy("Title"),
    "standard": gettext_lazy("Standard"),
    "owed_by": gettext_lazy("Owed by"),
    "due_on": gettext_lazy("Due on"),
    "points": gettext_lazy("Points"),
    "section": gettext_lazy("Section"),
    "responsible": gettext_lazy("Responsible"),
    "number": gettext_lazy("number"),
}
HEADS = {
    "title": "标题 检查项 检查项目 检查内容 项目 事项 工作事项 任务 工作任务 重点任务 内容 工作内容 title item task",
    "standard": "标准 要求 检查标准 工作标准 工作要求 具体要求 任务要求 评分标准 standard requirement requirements",
    "owed_by": "责任单位 责任主体 哪级负责 负责单位 落实单位 牵头单位 层级 owedby unit units",
    "due_on": "截止 截止日期 截止时间 完成时限 完成时间 完成日期 时限 期限 due dueon duedate deadline",
    "points": "分值 分数 满分 标准分 points score",
    "section": "板块 部分 类别 分类 章节 大类 section part",
    "responsible": "责任人 负责人 具体责任人 responsible person",
    "number": "编号 代码 number code",
    "": "序号 no. no 备注 说明 remark remarks note notes",  # known, and left out
}
COLUMN_OF = {word: column for column, words in HEADS.items() for word in words.split()}
KINDS = {
    Kind.VILLAGE: "村 社区 村社区 行政村 村级 村居 村委会 居委会 village villages",
    Kind.TOWNSHIP: "乡镇 镇 乡 街道 镇街 镇乡 乡镇街道 镇街道 乡镇级 township townships town",
    Kind.COUNTY: "县 区 县区 区县 县级 区级 county district",
    Kind.CITY: "市 市级 市州 city",
    Kind.DEPARTMENT: "部门 单位 局 区级部门 县级部门 县直部门 区直部门 职能部门 department departments",
    Kind.SITE: "点位 site sites",
}
KIND_OF = {word: kind for kind, words in KINDS.items() for word in words.split()}
# A merged cell is copied once, with empty cells below it.
MERGED = ("section", "owed_by", "due_on")
LONGEST = {"title": 120, "standard": LONGEST_STANDARD, "section": 60, "responsible": 120, "number": 40}


class Fault(NamedTuple):
    """What is wrong where; row 0 stands for the whole paste."""

    row: int
    column: str
    value: str
    reason: str


class Line(NamedTuple):
    """One row that was understood; keys are the fields of an item."""

    row: int
    fields: dict[str, Any]

    @property
    def owed_by(self) -> list[str]:
        """The kinds of units, by name."""
        return [str(Kind(kind).label) for kind in self.fields["owed_by"]]


@dataclass
class Pasted:
    """What a paste says."""

    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # columns whose head is not known


@dataclass(frozen=True)
class Sheet:
    """What the rows are read against: the campaign's days, its inspection day, and the numbers it has."""

    span: Span
    inspects_on: date
    taken: Container[str] = ()


def read(text: str, sheet: Sheet) -> Pasted:
    """Every row of a paste, or what is wrong with it."""
    pasted = Pasted()
    try:
        rows = [(nth, row) for nth, row in enumerate(_rows(text), start=1) if any(row)]
    except csv.Error:
        pasted.faults.append(Fault(0, "", "", _("A cell is too long.")))
        return pasted
    columns, rows = _columns(rows, pasted)
    if len(rows) > MOST_ROWS:
        reason = _("These are %(n)d rows; at most %(most)d go in at once. Paste them in parts.")
        pasted.faults = [Fault(0, "", "", reason % {"n": len(rows), "most": MOST_ROWS})]
    if not rows and not pasted.faults:
        pasted.faults.append(Fault(0, "", "", _("There are no rows to add. Copy them in Excel and paste them here.")))
    if pasted.faults:
        return pasted
    _items(columns, rows, sheet, pasted)
    return pasted


def _rows(text: str) -> list[list[str]]:
    """Cells as Excel copies them: tabs between, and quotes around what has tabs or line breaks inside."""
    clean = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    try:
        rows = _cells(clean)
    except csv.Error:
        rows = _cells(CELL.sub(_quoted, clean))
    return [[cell.strip() for cell in row] for row in rows]


def _cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), dialect="excel-tab", strict=True))


def _quoted(cell: re.Match[str]) -> str:
    """A cell that begins with a quotation mark of its own, which Excel copies as it is."""
    own = cell[2] or ""
    return '"' + own.replace('"', '""') + '"' if own.startswith('"') else cell[0]


def _columns(rows: list[tuple[int, list[str]]], pasted: Pasted) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Which column is which, by the head if there is one, and the rows below it."""
    for at, (nth, row) in enumerate(rows[:HEAD_WITHIN]):
        columns = [COLUMN_OF.get(_head(cell), "") for cell in row]
        known = [column for column in columns if column]
        if not (known == ["title"] and sum(map(bool, row)) == 1) and len(known) < 2:
            continue
        pasted.left_out = [
            cell
            for cell, column in zip(row, columns, strict=True)
            if cell and not column and _head(cell) not in COLUMN_OF
        ]
        if "title" not in known:
            pasted.faults.append(Fault(nth, "", "", _("No column is called “title” (标题, 检查项).")))
        for column in {column for column in known if known.count(column) > 1}:
            pasted.faults.append(Fault(nth, str(COLUMNS[column]), "", _("Two columns have this name.")))
        return columns, rows[at + 1 :]
    columns = [column for column in COLUMNS if column != "number"]
    for nth, row in rows:
        if extra := [cell for cell in row[len(columns) :] if cell]:
            reason = _("More columns than expected. Copy the row with the names of the columns too.")
            pasted.faults.append(Fault(nth, "", extra[0][:SHOWN], reason))
            break
    return columns, rows


def _head(cell: str) -> str:
    """The name of a column without what stands in brackets, spaces and colons."""
    plain = re.sub(r"\(.*?\)", "", unicodedata.normalize("NFKC", cell[:SHOWN]).lower(), flags=re.DOTALL)
    return re.sub(r"[\s:：*_]", "", plain)


def _items(columns: list[str], rows: list[tuple[int, list[str]]], sheet: Sheet, pasted: Pasted) -> None:
    above: dict[str, str] = {}
    seen: set[str] = set()
    for nth, row in rows:
        cells = dict.fromkeys(COLUMNS, "") | {
            column: cell for column, cell in zip(columns, row, strict=False) if column
        }
        taken = {column for column in MERGED if not cells[column] and above.get(column)}
        for column in MERGED:
            cells[column] = above[column] = cells[column] or above.get(column, "")
        fields: dict[str, Any] = {}
        for column, cell in cells.items():
            try:
                value = _value(column, cell, sheet)
                if column == "number" and value and (value in seen or value in sheet.taken):
                    raise ValueError(_("There is an item with this number already."))
                fields[column] = value
            except ValueError as error:
                if column not in taken:  # said where it stands
                    pasted.faults.append(Fault(nth, str(COLUMNS[column]), cell[:SHOWN], str(error)))
        seen.add(fields.get("number", ""))
        if len(fields) == len(COLUMNS):
            pasted.lines.append(Line(nth, fields))


def _value(column: str, cell: str, sheet: Sheet) -> Any:
    """A cell as its field wants it.

    Raises:
        ValueError: it is not that, in the reader's language.
    """
    match column:
        case "owed_by":
            return list(dict.fromkeys(_kinds(cell)))
        case "due_on":
            return _due(cell, sheet)
        case "points":
            return _points(cell)
        case "standard":
            text = cell
        case "number":
            text = unicodedata.normalize("NFKC", cell)
        case _:
            text = " ".join(cell.split())
    if names_a_resident(text):
        raise ValueError(REFUSAL)
    if column == "title" and not text:
        raise ValueError(_("The title is missing."))
    if len(text) > LONGEST[column]:
        reason = _("%(n)d characters; at most %(most)d fit.")
        raise ValueError(reason % {"n": len(text), "most": LONGEST[column]})
    return text


def _kinds(cell: str) -> Iterator[str]:
    labels = {str(kind.label).lower(): kind for kind in Kind if kind not in (Kind.COUNTRY, Kind.PROVINCE)}
    words = re.split(r"[,;、/|\s和及]+", re.sub(r"[()]", "", unicodedata.normalize("NFKC", cell).lower()))
    found = [word.removeprefix("各").removeprefix("全部") for word in words if word]
    if not found:
        raise ValueError(_("Say which kind of unit owes this item."))
    for word in found:
        kind = KIND_OF.get(word) or labels.get(word)
        if kind is None:
            reason = _("“%(word)s” is no kind of unit. Write village, township, department, site, county or city.")
            raise ValueError(reason % {"word": word[:SHOWN]})
        yield kind.value


def _due(cell: str, sheet: Sheet) -> date:
    if not cell:  # as in a template: what has no deadline of its own is due on the inspection day
        return sheet.inspects_on
    try:
        day = read_day(cell, sheet.span.first, sheet.span.last)
    except NotADay as error:
        raise ValueError(str(error)) from error
    if complaint := sheet.span.complaint(day):
        raise ValueError(complaint)
    return day


def _points(cell: str) -> int:
    if not cell:
        return 1
    text = unicodedata.normalize("NFKC", cell).removesuffix("分").strip()
    if not re.fullmatch(r"[0-9]{1,9}(\.0{1,4})?", text) or int(text.split(".")[0]) > MOST_POINTS:
        raise ValueError(_("Points are a whole number from 0 to %(most)d.") % {"most": MOST_POINTS})
    return int(text.split(".")[0])
