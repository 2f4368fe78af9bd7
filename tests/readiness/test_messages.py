"""The words of the pages: every msgid has its Chinese, and what would slip through is named."""

import gettext
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from django.conf import settings
from django.core.management import CommandError, call_command
from pytest_django import Settings

from readiness import messages

ROOT = Path(settings.BASE_DIR)
Edit = Callable[[str, str, str], None]


@pytest.fixture
def tree(tmp_path: Path, settings: Settings) -> Path:
    """A copy of the checkout's code, templates and words, with every msgid in its place."""
    for folder in messages.TEMPLATES:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    messages.renew(tmp_path)
    settings.BASE_DIR = tmp_path
    return tmp_path


@pytest.fixture
def edit(tree: Path) -> Edit:
    """Changes a file of the copy; the words to be replaced must be there."""

    def replace(name: str, old: str, new: str) -> None:
        text = (tree / name).read_text(encoding="utf-8")
        assert old in text
        (tree / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkout of one module and one page."""
    (tmp_path / "readiness").mkdir()
    (tmp_path / "templates").mkdir()
    return tmp_path


def check() -> str:
    """What the command complains about; fails if it does not."""
    with pytest.raises(CommandError) as refused:
        call_command("messages", check=True)
    assert refused.value.returncode == 1
    return str(refused.value)


def run() -> str:
    out = StringIO()
    call_command("messages", stdout=out)
    return out.getvalue()


def ids(root: Path) -> set[object]:
    return {(message.id, message.context) for message in messages.extracted(root) if message.id}


def all_messages() -> list[Message]:
    return [message for message in messages.translated(ROOT) if message.id]


def test_every_msgid_of_the_tree_has_its_chinese() -> None:
    assert messages.faults(ROOT) == []


def test_the_tree_is_as_the_command_leaves_it(tree: Path) -> None:
    assert messages.po_file(tree).read_bytes() == messages.po_file(ROOT).read_bytes()
    assert "0 new, 0 dropped, 0 to translate" in run()
    assert messages.po_file(tree).read_bytes() == messages.po_file(ROOT).read_bytes()
    out = StringIO()
    call_command("messages", check=True, stdout=out)
    assert out.getvalue().startswith("Every msgid has its Chinese")


def test_the_chinese_is_chinese_and_punctuated_so() -> None:
    found = []
    for message in all_messages():
        for string in messages._strings(message):
            words = re.sub(r"%\([^)]+\)[a-z]", "", string)
            if not re.search(r"[\u4e00-\u9fff]", words) and re.search(r"\w", words):
                found.append(f"not Chinese: {string}")
            if re.search(r"[\u4e00-\u9fff）”] ?[,;:!?()]|[,;:!?()] ?[\u4e00-\u9fff]|[\u4e00-\u9fff]\.", string):
                found.append(f"half-width punctuation: {string}")
    assert found == []


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("unit", "单位"),
        ("site", "点位"),
        ("cadre", "干部"),
        ("post", "岗位"),
        ("campaign", "迎检活动"),
        ("Phases", "阶段"),
        ("item", "检查项"),
        ("task", "任务"),
        ("Claimed", "自报"),
        ("Verified", "核实"),
        ("Returned", "退回"),
        ("Waived", "不涉及"),
        ("first to answer", "第一责任人"),
        ("answers directly", "直接责任人"),
        ("gate", "门槛"),
        ("veto", "一票否决"),
        ("notice", "提醒"),
        ("Readiness", "迎检准备"),
    ],
)
def test_one_word_per_meaning(english: str, chinese: str) -> None:
    assert messages.translated(ROOT)[english].string == chinese


def test_msgids_are_found_in_code(small: Path) -> None:
    (small / "readiness" / "words.py").write_text(
        "from django.utils.translation import gettext as _\n"
        "from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy\n"
        "from django.utils.translation import npgettext, pgettext, pgettext_lazy\n"
        "a = _('one')\n"
        "b = gettext_lazy('in ' 'two pieces')\n"
        "c = ngettext('%(n)d cat', '%(n)d cats', 2)\n"
        "d = ngettext_lazy('dog', 'dogs', 'n')\n"
        "e = pgettext('month', 'May')\n"
        "f = pgettext_lazy('verb', 'may')\n"
        "g = npgettext('farm', 'pig', 'pigs', 2)\n"
        "h = other('not this')\n",
        encoding="utf-8",
    )
    (small / "readiness" / "migrations").mkdir()
    (small / "readiness" / "migrations" / "0001.py").write_text("_('frozen')", encoding="utf-8")
    assert ids(small) == {
        ("one", None),
        ("in two pieces", None),
        (("%(n)d cat", "%(n)d cats"), None),
        (("dog", "dogs"), None),
        ("May", "month"),
        ("may", "verb"),
        (("pig", "pigs"), "farm"),
    }


def test_msgids_are_found_in_templates(small: Path) -> None:
    (small / "templates" / "page.html").write_text(
        """{% load i18n %}
        <h1>{% translate "It's one" %}</h1>
            <a title="{% translate 'two' context 'number' %}">{{ x|default:_("three") }}</a>
          {% blocktranslate with who=a.b %}by {{ who }}{% endblocktranslate %}
    {% blocktranslate count n=rows|length %}{{ n }} row{% plural %}{{ n }} rows{% endblocktranslate %}
        {% blocktranslate trimmed %}
          over two
          lines
        {% endblocktranslate %}
        {% translate "100% sure" %} {% blocktranslate %}{{ n }}% of it{% endblocktranslate %}
        {% comment %} {% translate "hidden" %} {% endcomment %} {# {% translate "hidden too" %} #}
        """,
        encoding="utf-8",
    )
    assert ids(small) == {
        ("It's one", None),
        ("two", "number"),
        ("three", None),
        ("by %(who)s", None),
        (("%(n)s row", "%(n)s rows"), None),
        ("over two lines", None),
        ("100%% sure", None),
        ("%(n)s%% of it", None),
    }


def test_a_new_msgid_makes_the_check_fail(edit: Edit) -> None:
    edit("readiness/http.py", '_("Not found")', '_("Quite new")')
    told = check()
    assert "missing: 'Quite new' in readiness/http.py" in told
    assert "obsolete: 'Not found'" in told


def test_an_empty_translation_makes_the_check_fail(edit: Edit) -> None:
    edit(str(messages.PO), 'msgid "My tasks"\nmsgstr "我的任务"', 'msgid "My tasks"\nmsgstr ""')
    assert "empty: 'My tasks' in templates/" in check()


def test_a_fuzzy_translation_makes_the_check_fail(edit: Edit) -> None:
    edit(str(messages.PO), 'msgid "My tasks"', '#, fuzzy\nmsgid "My tasks"')
    assert "fuzzy: 'My tasks'" in check()


def test_an_obsolete_entry_makes_the_check_fail(tree: Path) -> None:
    with messages.po_file(tree).open("a", encoding="utf-8") as po:
        po.write('\nmsgid "Gone"\nmsgstr "没了"\n\n#~ msgid "Long gone"\n#~ msgstr "早没了"\n')
    told = check()
    assert "obsolete: 'Gone'" in told
    assert "obsolete: 'Long gone'" in told


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('msgstr "第%(n)s页，共%(of)s页"', 'msgstr "第%(n)s页"', ("Page %(n)s of %(of)s", "of")),
        ('msgstr "第%(n)s页，共%(of)s页"', 'msgstr "第%(n)s页，共%(all)s页"', ("Page %(n)s of %(of)s", "all, of")),
        # A % before anything but a value would break the page that formats it.
        ('msgstr "第%(n)s页，共%(of)s页"', 'msgstr "第%(n)s页，共%(of)页"', ("Page %(n)s of %(of)s", "%, of")),
        # One form for one and for many: it carries the number.
        ('msgstr[0] "共%(n)s项"', 'msgstr[0] "一项"', ("%(n)s task", "n")),
    ],
)
def test_a_placeholder_that_differs_makes_the_check_fail(
    edit: Edit, old: str, new: str, complaint: tuple[str, str]
) -> None:
    edit(str(messages.PO), old, new)
    msgid, names = complaint
    told = next(line for line in check().splitlines() if line.startswith("placeholders differ"))
    assert told.startswith(f"placeholders differ: '{msgid}' in templates/")
    assert told.endswith(f": {names}")


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("<p>Hello there</p>", "Hello there"),
        ("<p>\n  你好\n</p>", "你好"),
        ("<b>{{ n }} tasks</b>", "tasks"),
        ('<a href="/" title="Home">{{ x }}</a>', 'title="Home"'),
        ('<nav aria-label="主要栏目"></nav>', 'aria-label="主要栏目"'),
        ('<input placeholder="Search">', 'placeholder="Search"'),
        ('<img alt="A map" src="x">', 'alt="A map"'),
        ('<input type="submit" value="Send">', 'value="Send"'),
        ("{% if x %}Yes{% endif %}", "Yes"),
        ("{% translate 'ok' %} of {% translate 'ok' %}", "of"),
    ],
)
def test_bare_words_in_a_page_are_found(small: Path, markup: str, words: str) -> None:
    (small / "templates" / "bare.html").write_text(f"<div>\n{markup}\n</div>", encoding="utf-8")
    line = 3 if markup.startswith("<p>\n") else 2
    assert messages.bare_words(small) == [f"bare text: templates/bare.html:{line}: {words}"]


def test_bare_words_make_the_check_fail(tree: Path) -> None:
    (tree / "templates" / "bare.html").write_text("<p>Hello there</p>", encoding="utf-8")
    assert "bare text: templates/bare.html:1: Hello there" in check()


@pytest.mark.parametrize(
    "markup",
    [
        "<p>{{ hello }} {% translate 'Hello' %} – · 12% : ({{ n }})</p>",
        "{% blocktranslate %}Hello <b>you</b>{% endblocktranslate %}",
        "{% comment %} Context: page {% endcomment %}{# a word #}<!-- a word -->",
        "<button>中文</button><button>\n English \n</button>",
        "<script>const words = 1;</script><style>p { color: red }</style>",
        '<input type="hidden" name="state" value="done"><button name="language" value="en"></button>',
        "<p {% if x == 'a' %}class=\"{% if y %}bad{% endif %}\"{% endif %}>&nbsp;→ ×</p>",
        '<a aria-label="{% translate \'Pages\' %}" title="{{ title }}"></a>',
    ],
)
def test_what_no_reader_reads_is_no_bare_text(small: Path, markup: str) -> None:
    (small / "templates" / "page.html").write_text(markup, encoding="utf-8")
    assert messages.bare_words(small) == []


def test_the_command_keeps_translations_and_drops_what_is_gone(tree: Path, edit: Edit) -> None:
    edit("readiness/http.py", '_("Not found")', '_("Quite new")')
    assert "1 new, 1 dropped" in run()
    text = messages.po_file(tree).read_text(encoding="utf-8")
    assert 'msgid "Quite new"\nmsgstr ""' in text
    assert 'msgid "My tasks"\nmsgstr "我的任务"' in text
    assert "Not found" not in text
    assert "POT-Creation-Date" not in text
    assert not re.search(r"^#:.*:\d", text, re.MULTILINE)
    first = messages.po_file(tree).read_bytes()
    run()
    assert messages.po_file(tree).read_bytes() == first
    assert list(messages.po_file(tree).parent.glob("django.po?*")) == []


def test_a_word_that_became_plural_is_looked_at_again(tree: Path, edit: Edit) -> None:
    edit("readiness/http.py", '_("Not found")', 'ngettext("Not found", "None found", 2)')
    run()
    assert "fuzzy: 'Not found'" in check()


def test_compiles_only_what_changed(tree: Path) -> None:
    po, mo = messages.po_file(tree), messages.po_file(tree).with_suffix(".mo")
    call_command("messages", compile=True)
    with mo.open("rb") as file:
        words = gettext.GNUTranslations(file)
    assert words.gettext("My tasks") == "我的任务"
    assert [words.ngettext("%(n)s task", "%(n)s tasks", n) for n in (1, 2)] == ["共%(n)s项"] * 2
    before = mo.stat().st_mtime_ns
    call_command("messages", compile=True)
    assert mo.stat().st_mtime_ns == before
    po.write_text(po.read_text(encoding="utf-8").replace("我的任务", "我的活"), encoding="utf-8")
    os.utime(po, ns=(before + 10**9, before + 10**9))
    call_command("messages", compile=True)
    with mo.open("rb") as file:
        assert gettext.GNUTranslations(file).gettext("My tasks") == "我的活"


def test_what_is_fuzzy_is_not_compiled(tree: Path, edit: Edit) -> None:
    edit(str(messages.PO), 'msgid "My tasks"', '#, fuzzy\nmsgid "My tasks"')
    messages.compile_(tree, always=True)
    with messages.po_file(tree).with_suffix(".mo").open("rb") as file:
        assert gettext.GNUTranslations(file).gettext("My tasks") == "My tasks"


@pytest.mark.slow
def test_the_command_needs_no_server(tmp_path: Path) -> None:
    """Neither one that runs, nor one that it starts."""
    data = tmp_path / "data"
    nowhere = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    unset = {name: value for name, value in os.environ.items() if name not in nowhere}
    for environment in (unset | nowhere, unset):
        done = subprocess.run(
            [sys.executable, "manage.py", "messages", "--compile"],
            cwd=ROOT,
            env=environment | {"DATA": str(data), "DEBUG": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert not data.exists()
