"""How the house is built, read off the source: who knows whom, where rights are decided, what no page contains."""

import ast
import inspect
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checklists.setup import page
from readiness.boards import board
from tests.access.world import routes, views
from villages.access import Role

ROOT = Path(__file__).resolve().parent.parent
APPS = ("villages", "checklists", "readiness")
LONGEST_MODULE = 400

PRODUCT = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
    for app in APPS
    for path in sorted((ROOT / app).rglob("*.py"))
    if "migrations" not in path.parts
}
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted((ROOT / "templates").rglob("*.html"))
}


def imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names of all modules that are imported, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# ---- Who knows whom -----------------------------------------------------------------------------------------------

# villages knows nobody, checklists knows villages, readiness knows both.
FORBIDDEN = {
    "villages": ("checklists", "readiness", "tests", "benchmarks"),
    "checklists": ("readiness", "tests", "benchmarks"),
    "readiness": ("tests", "benchmarks"),
}


def reaching_up(app: str, tree: ast.Module) -> set[str]:
    return {name for name in imported(tree) if name.split(".")[0] in FORBIDDEN[app]}


@pytest.mark.parametrize("module", PRODUCT)
def test_a_lower_app_knows_nothing_of_those_above_it(module: str) -> None:
    assert reaching_up(module.split("/")[0], PRODUCT[module]) == set()


def test_the_import_test_can_fail() -> None:
    tree = ast.parse("import villages\ndef late():\n    from checklists.models import Task\n    import readiness.http")
    assert reaching_up("villages", tree) == {"checklists.models", "checklists.models.Task", "readiness.http"}
    assert reaching_up("checklists", tree) == {"readiness.http"}
    assert reaching_up("readiness", tree) == set()


def test_modules_are_called_by_what_they_do() -> None:
    names = {Path(module).stem for module in PRODUCT} | {Path(module).parent.name for module in PRODUCT}
    vague = {"utils", "util", "helpers", "helper", "common", "core", "misc", "base", "signals", "managers", "services"}
    assert not names & vague


@pytest.mark.parametrize("module", PRODUCT)
def test_a_module_can_be_read_in_one_go(module: str) -> None:
    assert len((ROOT / module).read_text("utf-8").splitlines()) <= LONGEST_MODULE


# Celery tells that it stops in no other way; no row of ours is saved behind anybody's back.
HEARS = {"readiness/reminders/tasks.py": "celery.signals"}


@pytest.mark.parametrize("module", PRODUCT)
def test_nothing_happens_behind_ones_back(module: str) -> None:
    """No receivers of signals, and no model whose save() or delete() does more than it says."""
    heard = {name for name in imported(PRODUCT[module]) if re.match(r"django\.dispatch|(?:\w+\.)+signals\b", name)}
    assert {name for name in heard if not name.startswith(HEARS.get(module, "-"))} == set()
    classes = [node for node in ast.walk(PRODUCT[module]) if isinstance(node, ast.ClassDef)]
    methods = {method.name for one in classes for method in one.body if isinstance(method, ast.FunctionDef)}
    assert not methods & {"save", "delete", "bulk_create", "update"}


# ---- Who decides about rights -------------------------------------------------------------------------------------

POLICY = {"villages/access/table.py", "villages/access/rows.py"}
# Where else roles have names, and why that decides nothing about rights.
NAMES_ROLES = {
    "villages/models/cadre.py": "where a role can be held, and the constraint that knows all of them",
    "checklists/models/campaign.py": "whose posts a responsibility can follow, by the speeches: 第一责任人, 直接责任人",
    "checklists/setup/rules.py": "whose decision a veto or a ranking can be",
    "villages/management/commands/appoint.py": "the choices of the command line",
    "readiness/demo/__init__.py": "the people of the demonstration",
    "readiness/demo/people.py": "the people of the demonstration",
    "readiness/demo/rounds.py": "the people of the demonstration",
}
# Where a guard is let down, and why.
LETS_IN = {
    "villages/urls.py": "the language can be chosen before logging in",
    "readiness/health.py": "asked by machines; says only which part is down",
    "readiness/boards/wall.py": "a wall pass shows one unit to whoever knows its address",
    "readiness/reminders/feed.py": "a calendar shows what is due to whoever knows its address",
    "checklists/lines.py": "writes line by line; tests/checklists/test_lines.py looks at what it escapes",
    "readiness/boards/heat.py": "writes cell by cell; tests/readiness/test_heat.py looks at what it escapes",
    "readiness/boards/live.py": "asks about a board in SQL of constants; whatever comes from outside is a parameter",
    "readiness/boards/unit.py": "asks what there is besides a unit's tasks, likewise",
    "checklists/models/campaign.py": "asks where those who answer hold posts, likewise",
}
# Django's own views; everything else in the URLconf is a function of ours.
THEIRS = {"login", "logout", "password", "language"}


def roles_named(tree: ast.Module) -> set[str]:
    # "linked" alone is also a kind of responsibility.
    values = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & {*Role.values} - {"linked"}
    return values | {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Role"
    }


def test_only_the_policy_names_roles_to_decide() -> None:
    assert {module for module, tree in PRODUCT.items() if roles_named(tree)} == {*POLICY, *NAMES_ROLES}
    assert roles_named(ast.parse("role == 'auditor' or role is Role.LINKED")) == {"auditor", "Role.LINKED"}


def test_no_page_looks_at_a_role() -> None:
    words = re.compile(r"\brole\s*(?:==|!=|in)|user\.(?:grants|posts)|perms\.|is_staff|is_superuser")
    assert [page for page, text in PAGES.items() if words.search(text)] == []


def test_guards_are_let_down_only_where_it_says_why() -> None:
    down = {"login_not_required", "csrf_exempt", "xframe_options_exempt", "csp_exempt", "csp_update", "csp_replace"}
    down |= {"mark_safe", "SafeString", "RawSQL"}
    found = {
        module
        for module, tree in PRODUCT.items()
        if {name.rsplit(".", maxsplit=1)[-1] for name in imported(tree)} & down
    }
    assert found == set(LETS_IN)


VIEWS = {name: inspect.unwrap(view) for name, view in views().items() if name not in THEIRS}


def decorators(view: Any) -> set[str]:
    (function,) = ast.parse(inspect.getsource(view)).body
    assert isinstance(function, ast.FunctionDef)
    return {ast.unparse(decorator) for decorator in function.decorator_list}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_either_reads_or_takes_forms(name: str) -> None:
    """Whatever looks is safe to repeat, whatever writes needs a form's token; a form is sent to its own page."""
    assert VIEWS[name].__module__.split(".")[0] in APPS
    ways = {"require_safe", "require_POST", "require_http_methods(['GET', 'HEAD', 'POST'])"}
    assert len(decorators(VIEWS[name]) & ways) == 1


# Whoever knows the address of a wall or a calendar sees it: tests/readiness/test_wall.py, tests/readiness/test_feed.py.
@pytest.mark.parametrize(
    "name", [name for name in VIEWS if "<" in routes()[name] and name not in ("wall_pass", "calendar")]
)
def test_a_view_of_one_thing_looks_for_it_only_among_what_its_reader_sees(name: str) -> None:
    # These look only among what their reader sees; `planned` also asks whether they may set up.
    source = inspect.getsource(VIEWS[name])
    for call, looks in {"page.planned(request": page.planned, "place(request.user": board.place}.items():
        assert re.search(r"\.visible_to\((?:request\.)?user\)", inspect.getsource(looks))
        source = source.replace(call, "Campaign.objects.visible_to(request.user)")
    assert ".visible_to(request.user)" in source
    for queryset in re.findall(r"get_object_or_404\(\s*([\w.]+)", source):
        name = queryset.split(".")[0]
        assert ".visible_to" in queryset or re.search(rf"\b{name} = .*\.visible_to\(", source), queryset


# ---- What lies where ----------------------------------------------------------------------------------------------

TOP = {
    *("manage.py", "readiness", "villages", "checklists", "templates", "static", "tests", "benchmarks", "docs", ".ci"),
    *("requirements.in", "requirements.txt", "requirements-dev.in", "requirements-dev.txt", "pyproject.toml"),
    *("package.json", "package-lock.json", "Makefile", "README.md", "LICENSE", ".gitignore"),
}


def test_nothing_lies_about_at_the_top() -> None:
    entries = {path.name for path in ROOT.iterdir()} - {".git"}
    ignored = set()
    if (ROOT / ".git").exists():
        told = subprocess.run(
            ["git", "check-ignore", *sorted(entries - TOP)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        ignored = set(told.stdout.split("\n"))
    assert entries - TOP - ignored == set()


# ---- What no page contains ----------------------------------------------------------------------------------------

UNWANTED = {
    "a style of its own (the policy forbids it)": re.compile(r"<style|<[^>]*\sstyle\s*="),
    "a script of its own": re.compile(r"<script(?![^>]*\ssrc=)|<script[^>]*>\s*[^<\s]"),
    "a handler of its own": re.compile(r"<[^>]*\s(?:on\w+|hx-on[:\w-]*)\s*=|javascript:"),
    "text that is trusted": re.compile(r"\|\s*safe\b|\|\s*safeseq\b|autoescape\s+off"),
    "something from elsewhere": re.compile(r"(?:src|href|action)\s*=\s*[\"']?(?:https?:)?//", re.IGNORECASE),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("what", UNWANTED)
def test_no_page_has(page: str, what: str) -> None:
    assert UNWANTED[what].search(PAGES[page]) is None


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a style of its own (the policy forbids it)", '<p class="a"\n style="color: red">'),
        ("a script of its own", "<script>alert(1)</script>"),
        ("a script of its own", "<script src='x.js'>alert(1)</script>"),
        ("a handler of its own", '<a href="#" onclick="go()">'),
        ("a handler of its own", '<a href="javascript:go()">'),
        ("text that is trusted", "{{ note|safe }}"),
        ("something from elsewhere", '<script src="https://cdn.example/x.js"></script>'),
        ("something from elsewhere", '<img src="//cdn.example/x.png">'),
    ],
)
def test_the_page_tests_can_fail(what: str, text: str) -> None:
    assert UNWANTED[what].search(text)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_it_is_given(page: str) -> None:
    """Parts begin with it; whole pages have it right after the frame they extend."""
    begin = "" if Path(page).name.startswith("_") else r'(?:\{% extends "[\w/.]+" %\}\s*)?'
    assert re.match(begin + r"\{% comment %\}(?:(?!endcomment).)*\bContext: ", PAGES[page], re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_every_form_that_is_sent_carries_its_token(page: str) -> None:
    """Crispy puts it in by itself."""
    for form in re.findall(r"<form\b.*?</form>", PAGES[page], re.DOTALL):
        assert 'method="post"' not in form or "{% csrf_token %}" in form or "{% crispy" in form
