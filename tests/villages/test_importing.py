"""import_units: what it accepts, what it refuses and how it says so, and what it never does."""

import codecs
import contextlib
import io
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, connection
from django.utils import translation

from villages.importing import ONE_AT_A_TIME, BadFile, Outcome, import_units
from villages.importing.cells import LONGEST_NAME, clean_code, clean_name, parent_of
from villages.importing.problems import KEPT
from villages.models import Unit

ROOT = Path(__file__).resolve().parents[2]
XUZHOU = ROOT / "villages" / "data" / "xuzhou-511504.csv"
WILLOW = "code,name\n51,四川省\n5115,宜宾市\n511504,叙州区\n511504101,南广镇\n511504101202,柳村村民委员会\n"

Write = Callable[[str | bytes], Path]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "units.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refused(path: Path) -> BadFile:
    """The refusal of a file; nothing was written."""
    before = list(Unit.objects.values_list())
    with pytest.raises(BadFile) as caught:
        import_units(path)
    assert list(Unit.objects.values_list()) == before
    return caught.value


def names() -> dict[str, str]:
    return dict(Unit.objects.values_list("code", "name"))


# --- What it does ---------------------------------------------------------------------------------


def test_shipped_district_is_imported_whole() -> None:
    outcome = import_units(XUZHOU)
    assert outcome == Outcome(added=384, renamed=0, unchanged=0, kept=0, ignored_columns=())
    kinds = Unit.objects.values_list("kind", flat=True)
    assert {kind: list(kinds).count(kind) for kind in set(kinds)} == {
        "province": 1,
        "city": 1,
        "county": 1,
        "township": 17,
        "village": 364,
    }


def test_same_file_again_changes_nothing() -> None:
    import_units(XUZHOU)
    assert import_units(XUZHOU) == Outcome(0, 0, 384, 0, ())


def test_parent_follows_from_the_code(write: Write) -> None:
    import_units(write(WILLOW + "511504D003,教体局\n511504101202S0001,柳村集市\n511504D003S0002,考场\n"))
    assert dict(Unit.objects.values_list("code", "parent_id")) == {
        "51": None,
        "5115": "51",
        "511504": "5115",
        "511504101": "511504",
        "511504101202": "511504101",
        "511504D003": "511504",
        "511504101202S0001": "511504101202",
        "511504D003S0002": "511504D003",
    }


@pytest.mark.parametrize(
    ("code", "parent"),
    [("51S0001", "51"), ("51D001", "51"), ("5115S0001", "5115"), ("51D001S0001", "51D001")],
)
def test_letters_count_before_lengths_when_a_parent_is_derived(code: str, parent: str) -> None:
    assert parent_of(code) == parent


def test_renamed_unit_is_updated_by_its_code(write: Write) -> None:
    import_units(write(WILLOW))
    outcome = import_units(write(WILLOW.replace("南广镇", "南广街道")))
    assert outcome == Outcome(added=0, renamed=1, unchanged=4, kept=0, ignored_columns=())
    assert names()["511504101"] == "南广街道"


def test_unit_without_its_parent_is_given_it(write: Write) -> None:
    Unit.objects.create(code="511504", name="叙州区")
    assert import_units(write(WILLOW)) == Outcome(added=4, renamed=1, unchanged=0, kept=0, ignored_columns=())
    assert Unit.objects.get(code="511504").parent_id == "5115"


def test_units_missing_from_the_file_are_kept_and_counted(write: Write) -> None:
    import_units(write(WILLOW + "511504101203,杨村\n511504101203S0001,杨村集市\n511504D001,民政局\n"))
    Unit.objects.create(code="52", name="贵州省")
    assert import_units(write(WILLOW)).kept == 3
    assert Unit.objects.count() == 9


def test_only_units_under_those_of_the_file_count_as_kept(write: Write) -> None:
    import_units(write(WILLOW + "511504102,安边镇\n511504101203,杨村\n"))
    assert import_units(write("code,name\n511504101,南广镇\n")).kept == 2


def test_site_under_a_department_of_the_file_counts_as_kept(write: Write) -> None:
    import_units(write(WILLOW + "511504D003,教体局\n511504D003S0001,考场\n"))
    assert import_units(write("code,name\n511504D003,教体局\n")).kept == 1


def test_parents_may_stand_on_later_lines(write: Write) -> None:
    header, *lines = WILLOW.splitlines()
    assert import_units(write("\n".join([header, *reversed(lines)]))).added == 5


def test_parents_may_be_in_the_database(write: Write) -> None:
    import_units(write(WILLOW))
    assert import_units(write("code,name\n511504101203,杨村\n")).added == 1


def test_county_without_townships_may_have_zeros_for_one(write: Write) -> None:
    lines = "code,name\n35,福建省\n3505,泉州市\n350527,金门县\n350527000,金门县\n350527000000,金门县\n"
    assert import_units(write(lines)).added == 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_that_excel_writes_are_accepted(write: Write, encoding: str, newline: str) -> None:
    assert import_units(write(WILLOW.replace("\n", newline).encode(encoding))).added == 5
    assert names()["511504101202"] == "柳村村民委员会"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("name,code", "四川省,51"),
        ("代码,名称", "51,四川省"),
        ("编码,单位名称", "51,四川省"),
        ("统计用区划代码,名称", "51,四川省"),
        (" CODE , Name ", "51,四川省"),
        ('"code","name"', '"51","四川省"'),
        ("code,name,", "51,四川省,"),
    ],
)
def test_columns_are_found_by_their_titles(write: Write, header: str, row: str) -> None:
    assert import_units(write(f"{header}\n{row}\n")) == Outcome(1, 0, 0, 0, ())
    assert names() == {"51": "四川省"}


def test_other_columns_are_ignored_and_named(write: Write) -> None:
    outcome = import_units(write('城乡分类,code,备注,name\n111,51,"一, 二",四川省\n'))
    assert outcome.ignored_columns == ("城乡分类", "备注")
    assert names() == {"51": "四川省"}


@pytest.mark.parametrize("blank", ["", ",", "  ,\u3000", "\u200b"])
def test_blank_lines_are_skipped_but_counted(write: Write, blank: str) -> None:
    assert import_units(write(f"\n{blank}\ncode,name\n{blank}\n51,四川省\n{blank}\n")).added == 1
    (problem,) = refused(write(f"{blank}\ncode,name\n{blank}\n511,四川省\n")).errors
    assert problem.line == 4


@pytest.mark.parametrize("code", ["５１", " 51 ", "'51", "＇51", "\ufeff51\t", "\u300051"])
def test_what_clings_to_a_code_is_taken_off(code: str) -> None:
    assert clean_code(code) == "51"


@pytest.mark.parametrize("name", [" 四川省", "四川省\u3000", "\u200b四川省\ufeff", "\t四川省\u00a0"])
def test_what_clings_to_a_name_is_taken_off(name: str) -> None:
    assert clean_name(name) == "四川省"


@pytest.mark.parametrize("name", ["（筹）Ａ村", "高\ue170村", r"a\b\N\.", "石 村", "村" * 80, "𠮷村"])
def test_unusual_names_come_through_unchanged(write: Write, name: str) -> None:
    import_units(write(f"code,name\n51,{name}\n"))
    assert names() == {"51": name}


def test_name_with_a_comma_stands_in_quotes(write: Write) -> None:
    import_units(write('code,name\n51, "四川,""省"""\n'))
    assert names() == {"51": '四川,"省"'}


def test_longest_name_is_that_of_the_model() -> None:
    assert Unit._meta.get_field("name").max_length == LONGEST_NAME


def test_progress_tells_how_many_bytes_were_read(write: Write) -> None:
    positions: list[int] = []
    import_units(XUZHOU, progress=positions.append)
    assert positions == [XUZHOU.stat().st_size]


# --- What it refuses ------------------------------------------------------------------------------

BAD_LINES = {
    "missing parent": ("511505101,南溪街道", "code", "511505101", "It belongs to 511505"),
    "missing parent of a department": ("5117D001,民政局", "code", "5117D001", "It belongs to 5117"),
    "11 digits": ("51150410120,柳村", "code", "51150410120", "9 or 12 digits, not 11"),
    "padded township": ("511504101000,南广镇", "code", "511504101000", "significant digits: 511504101"),
    "padded county": ("511504000000,叙州区", "code", "511504000000", "significant digits: 511504"),
    "padded city": ("511500000000,宜宾市", "code", "511500000000", "significant digits: 5115"),
    "padded province": ("510000,四川省", "code", "510000", "significant digits: 51"),
    "scientific notation": ("5.11504E+11,柳村", "code", "5.11504E+11", "Format the column as text"),
    "scientific notation, small": ("5e11,柳村", "code", "5e11", "Format the column as text"),
    "decimal number": ("511504101.0,柳村", "code", "511504101.0", "Format the column as text"),
    "doubled code": ("51,四川", "code", "51", "The same code stands on line 2."),
    "no code": (",柳村", "code", "", "The code is empty."),
    "letters": ("51150410120X,柳村", "code", "51150410120X", "then D001 or S0001"),
    "department in a site": ("51S0001D001,柳村", "code", "51S0001D001", "then D001 or S0001"),
    "foreign digits": ("٥١,柳村", "code", "٥١", "A code has"),
    "two minus": ("--51,柳村", "code", "--51", "A code has"),
    "empty name": ("52,", "name", "", "The name is empty."),
    "spaces for a name": ("52,   ", "name", "   ", "The name is empty."),
    "U+3000 for a name": ("52,\u3000", "name", r"\u3000", "The name is empty."),
    "U+200B for a name": ("52,\u200b", "name", r"\u200b", "The name is empty."),
    "U+2003 for a name": ("52,\u2003", "name", r"\u2003", "The name is empty."),
    "long name": ("52," + "村" * 81, "name", "村" * 60 + "…", "longer than 80"),
    "control character": ("52,贵\x07州", "name", r"贵\x07州", "control character"),
    "NUL in a name": ("52,贵\x00州", "name", r"贵\x00州", "control character"),
    "NUL in a code": ("5\x002,贵州", "code", r"5\x002", "A code has"),
    "escape sequence": ("52,\x1b[2J", "name", r"\x1b[2J", "control character"),
    "written backwards": ("52,\u202e贵州", "name", r"\u202e贵州", "invisible character"),
    "line separator": ("52,贵\u2028州", "name", r"贵\u2028州", "control character"),
    "too few columns": ("52", "", "52", "Too few columns."),
    "too many columns": ("52,贵,州", "", "52,贵,州", "More columns than in the header"),
    "unclosed quote": ('52,"贵州省', "", '52,"贵州省', "A quote is not closed"),
    "text after a quote": ('52,"贵州"省', "", '52,"贵州"省', "A quote is not closed"),
    "long line": ("52,贵州省" + " " * 5000, "", "52,贵州省" + " " * 54 + "…", "longer than 4096"),
}


@pytest.mark.parametrize(("line", "column", "value", "reason"), BAD_LINES.values(), ids=BAD_LINES)
def test_bad_line_is_named_and_nothing_is_written(
    write: Write, line: str, column: str, value: str, reason: str
) -> None:
    import_units(write("code,name\n51,四川省\n"))
    refusal = refused(write(WILLOW + line + "\n5116,新的市\n"))
    assert refusal.total == 1
    (problem,) = refusal.errors
    assert (problem.line, problem.column, problem.value) == (7, column, value)
    assert reason in problem.reason
    assert str(problem).startswith("line 7")


def test_column_is_named_as_in_the_file(write: Write) -> None:
    refusal = refused(write("统计用区划代码,单位名称\n511,\n5115,宜宾市\n"))
    assert [(problem.line, problem.column) for problem in refusal.errors] == [
        (2, "单位名称"),
        (2, "统计用区划代码"),
        (3, "统计用区划代码"),
    ]


BAD_FILES = {
    "empty": (b"", "The file is empty."),
    "mark only": (codecs.BOM_UTF8, "The file is empty."),
    "blank lines only": (b"\r\n\r\n", "The file is empty."),
    "header only": (b"code,name\n", "The file has a header, but no units."),
    "workbook": (b"PK\x03\x04\x14\x00\x06\x00", "This is an Excel workbook (.xlsx)"),
    "old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "This is an old Excel workbook (.xls)"),
    "utf-16 little": (WILLOW.encode("utf-16"), "The file is in UTF-16."),
    "utf-16 big": (codecs.BOM_UTF16_BE + WILLOW.encode("utf-16-be"), "The file is in UTF-16."),
}


@pytest.mark.parametrize(("content", "reason"), BAD_FILES.values(), ids=BAD_FILES)
def test_file_that_is_no_list_is_refused_with_the_reason(write: Write, content: bytes, reason: str) -> None:
    (problem,) = refused(write(content)).errors
    assert problem.line is None
    assert str(problem).startswith(reason)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"code,name\n51,\xff\xff\n", 2),
        (WILLOW.encode() + b"52,\xe8\xb4\n", 7),
        (WILLOW.encode("gb18030") + b"52,\xff\xff\n", 7),
        (codecs.BOM_UTF8 + b"code,name\n51,\xcb\xc4\xb4\xa8\n", 2),
        (WILLOW.encode() * 9000 + b"52,\xff\n", 54001),
    ],
    ids=["neither", "broken utf-8", "broken gb18030", "marked as utf-8", "far behind"],
)
def test_line_that_cannot_be_decoded_is_named(write: Write, content: bytes, line: int) -> None:
    (problem,) = refused(write(content)).errors
    assert str(problem).startswith(f"line {line}: This line is neither UTF-8 nor GB18030.")


@pytest.mark.parametrize(
    "header",
    ["51,四川省", "code,title", "code", "code;name", "code\tname", "code,name,名称", "c\x00o\x00d\x00e"],
)
def test_wrong_header_is_shown_beside_the_expected_one(write: Write, header: str) -> None:
    (problem,) = refused(write(f"\n{header}\n51,四川省\n")).errors
    assert problem.line == 2
    assert problem.value == header.replace("\t", r"\t").replace("\x00", r"\x00")
    assert "统计用区划代码" in problem.reason
    assert "单位名称" in problem.reason


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.csv").errors[0].reason


def test_directory_is_refused(tmp_path: Path) -> None:
    assert "directory" in refused(tmp_path).errors[0].reason


def test_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not an ordinary file" in refused(tmp_path / "pipe").errors[0].reason


def test_file_that_changes_between_the_readings_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("villages.importing.encoding_of", lambda path: "utf-8")
    assert "was changed" in refused(write(WILLOW.encode("gb18030"))).errors[0].reason


def test_every_bad_line_is_named_in_the_order_of_the_file(write: Write) -> None:
    lines = ["code,name", "511504,叙州区", "52,", "53,云南省", "53,云南", "511,川", "53", "53,云"]
    refusal = refused(write("\n".join(lines)))
    assert [problem.line for problem in refusal.errors] == [2, 3, 5, 6, 7, 8]
    assert refusal.total == 6


def test_children_of_a_line_with_a_bad_name_are_not_called_orphans(write: Write) -> None:
    refusal = refused(write(WILLOW.replace("叙州区", "")))
    assert [(problem.line, problem.reason) for problem in refusal.errors] == [(4, "The name is empty.")]


def test_third_line_of_a_code_is_named_beside_the_first(write: Write) -> None:
    refusal = refused(write("code,name\n51,四川省\n51,四川省\n51,四川省\n"))
    assert [(problem.line, problem.reason) for problem in refusal.errors] == [
        (3, "The same code stands on line 2."),
        (4, "The same code stands on line 2."),
    ]


@pytest.mark.parametrize("line", ["511,", "99,四川省", "511504101,南广镇"])
def test_only_the_first_problems_are_kept_but_all_are_counted(write: Write, line: str) -> None:
    refusal = refused(write("code,name\n99,\n" + f"{line}\n" * 5000))
    assert len(refusal.errors) == KEPT
    assert [problem.line for problem in refusal.errors] == sorted(problem.line or 0 for problem in refusal.errors)
    assert refusal.total >= 5001


def test_corrected_file_can_follow_a_refused_one_at_once(write: Write) -> None:
    refused(write(WILLOW + "511,\n"))
    assert import_units(write(WILLOW)).added == 5


def test_failure_at_the_very_end_leaves_nothing(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("villages.importing.COUNT_KEPT", "SELECT 1 / 0")
    with pytest.raises(DataError):
        import_units(write(WILLOW))
    assert names() == {}


# --- What it costs --------------------------------------------------------------------------------


@contextlib.contextmanager
def memory_below(megabytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()


def test_line_of_sixty_megabytes_is_refused_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    with path.open("w") as file:
        file.write("code,name\n51,")
        for _ in range(60):
            file.write("a" * (1 << 20))
        file.write("\n511,四川省\n")
    with memory_below(20):
        refusal = refused(path)
    assert [problem.line for problem in refusal.errors] == [2, 3]


def test_long_file_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    with path.open("w") as file:
        file.write("code,name,note\n51,四川省,\n5115,宜宾市,\n511504,叙州区,\n511504101,南广镇,\n")
        for number in range(1, 999):
            file.write(f"511504101{number:03},第{number}村,\n511504101{number:03}S0001,{'集' * 60},{'x' * 4000}\n")
            file.writelines(f"511504101{number:03}S{site:04},点位{site},\n" for site in range(2, 40))
    with memory_below(20):
        assert import_units(path).added == 4 + 998 * 40


def test_second_import_waits_for_the_first_longer_than_a_page_would(write: Write) -> None:
    first = psycopg2.connect(**connection.get_connection_params())
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
    seen = []

    def end_first() -> None:
        with first.cursor() as cursor:
            for _ in range(500):
                cursor.execute(waiting, [ONE_AT_A_TIME])
                if cursor.fetchone() == (1,):
                    seen.append("waiting")
                    time.sleep(0.2)
                    break
                time.sleep(0.01)
        first.rollback()

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
    with contextlib.closing(first), first.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        ending = threading.Thread(target=end_first)
        ending.start()
        assert import_units(write(WILLOW)).added == 5
        ending.join()
    assert seen == ["waiting"]


# --- The command ----------------------------------------------------------------------------------


def run(path: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("import_units", str(path), *options, stdout=out)
    return out.getvalue()


def test_command_reports_what_it_did(write: Write) -> None:
    assert run(write(WILLOW)) == "Added: 5, renamed: 0, unchanged: 0.\n"
    assert run(write(WILLOW)) == "Nothing changed: all 5 units are as in the file.\n"
    assert run(write("code,name,备注\n51,四川\n")) == (
        "Added: 0, renamed: 1, unchanged: 0.\nNot in the file and kept: 4 units.\nColumns not read: 备注\n"
    )


def test_command_refuses_with_every_message(write: Write) -> None:
    path = write("code,name\n5.1E+11,四川省\n" + "51,\n" * 300)
    with pytest.raises(CommandError) as caught:
        run(path)
    assert caught.value.returncode == 1
    headline, first, *_, last = str(caught.value).splitlines()
    assert headline == f"{path}: nothing was written. Problems: 600"
    assert first == (
        "  line 2, column code, “5.1E+11”: Excel turned the code into a number. Format the column as text."
    )
    assert last == "  … and 400 more."


def test_command_says_in_one_line_what_the_database_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("villages.importing.CREATE_STAGE", "SELECT 1 / 0")
    with pytest.raises(CommandError, match="The database refused: division by zero"):
        run(write(WILLOW))


def test_progress_bar_is_drawn_only_when_asked_for_or_on_a_terminal(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    run(write(WILLOW))
    assert capsys.readouterr().err == ""
    run(write(WILLOW), "--progress")
    assert "100%" in capsys.readouterr().err


def test_refusal_goes_to_stderr_with_exit_code_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "django", "import_units", str(tmp_path / "none.csv")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "readiness.settings", "DEBUG": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "none.csv" in done.stderr
    assert "Traceback" not in done.stderr
