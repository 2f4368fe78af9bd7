"""The words of the pages: msgids out of the code and the templates, the Chinese beside them, one file for Django.

Everything works on a checkout's root, needs no gettext on the machine, no database and no server.
The same tree always gives the same bytes: sorted, file names without line numbers, no dates.
"""

import io
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

CODE = ("readiness", "villages", "checklists")
TEMPLATES = ("templates", *CODE)
SKIPPED = {"migrations", "__pycache__", "node_modules"}
PO = Path("readiness", "locale", "zh_Hans", "LC_MESSAGES", "django.po")
HEADER = """\
# The pages in Chinese. `manage.py messages` keeps the msgids; people write what stands below them.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Language: zh_Hans\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""
KEYWORDS = DEFAULT_KEYWORDS | {
    f"{name}_{kind}": DEFAULT_KEYWORDS[name]
    for name in ("gettext", "ngettext", "pgettext", "npgettext")
    for kind in ("lazy", "noop")
    if name in DEFAULT_KEYWORDS
}
# The languages of the product are named in themselves, whatever the page's language.
OWN_NAMES = {"中文", "English"}
SPOKEN_ATTRIBUTES = {"title", "aria-label", "aria-description", "placeholder", "alt", "label", "hx-confirm"}

_named = re.compile(r"%\(([^)]+)\)[#0 +-]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa]")
_letter = re.compile(r"[^\W\d_]")
# What the reader never sees as it stands there: comments, translated blocks, tags, values.
_unseen = re.compile(
    r"\{#.*?#\}"
    r"|\{%\s*comment\b.*?%\}.*?\{%\s*endcomment\s*%\}"
    r"|\{%\s*blocktrans(?:late)?\b.*?%\}.*?\{%\s*endblocktrans(?:late)?\s*%\}"
    r"|\{%.*?%\}|\{\{.*?\}\}",
    re.DOTALL,
)


def po_file(root: Path) -> Path:
    """The Chinese of the checkout at `root`."""
    return root / PO


def extracted(root: Path) -> Catalog:
    """Every msgid of the code and the templates.

    Raises:
        SyntaxError: a block to be translated has another tag in it; says which file.
    """
    found = Catalog(charset="utf-8")
    for path in _files(root, CODE, {".py"}):
        _add(found, path.relative_to(root), path.read_text(encoding="utf-8"))
    for path in _files(root, TEMPLATES, {".html", ".txt"}):
        name = path.relative_to(root)
        code = templatize(path.read_text(encoding="utf-8"), origin=str(name))
        # What is left of the page's indentation means nothing in Python, but would be read as if it did.
        _add(found, name, "\n".join(line.lstrip() for line in code.splitlines()))
    return found


def _files(root: Path, folders: tuple[str, ...], endings: set[str]) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            inside = path.relative_to(root).parts
            if path.suffix in endings and not SKIPPED.intersection(inside) and _is_page_or_code(inside):
                yield path


def _is_page_or_code(inside: tuple[str, ...]) -> bool:
    """A .txt or .html inside an app counts only in its templates/."""
    return inside[0] == "templates" or inside[-1].endswith(".py") or "templates" in inside


def _add(found: Catalog, name: Path, code: str) -> None:
    source = io.BytesIO(code.encode())
    for line, words, _comments, context in extract("python", source, keywords=KEYWORDS):
        found.add(words, locations=[(name.as_posix(), line)], context=context)


def translated(root: Path) -> Catalog:
    """What stands in the .po; an empty one if there is none yet."""
    path = po_file(root)
    if not path.exists():
        return Catalog(locale="zh_Hans", charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale="zh_Hans", charset="utf-8")


@dataclass(frozen=True)
class Renewed:
    """What an update changed."""

    added: int
    dropped: int
    untranslated: int
    total: int


def renew(root: Path) -> Renewed:
    """Brings the .po up to the code: new msgids empty, translations kept, obsolete ones gone. Same tree, same bytes."""
    catalog, source = translated(root), extracted(root)
    before = {_key(message) for message in _messages(catalog)}
    now = {_key(message) for message in _messages(source)}
    catalog.update(source, no_fuzzy_matching=True)
    out = io.BytesIO(HEADER.encode())
    out.seek(0, io.SEEK_END)
    write_po(out, catalog, width=110, omit_header=True, sort_output=True, ignore_obsolete=True, include_lineno=False)
    text = out.getvalue().rstrip() + b"\n"
    if not po_file(root).exists() or po_file(root).read_bytes() != text:
        _replace(po_file(root), text)
    empty = sum(not _strings(message) for message in _messages(catalog))
    return Renewed(added=len(now - before), dropped=len(before - now), untranslated=empty, total=len(now))


def compile_(root: Path, *, always: bool = False) -> bool:
    """Writes the .mo that Django reads, if the .po is newer. True if it was written."""
    po, mo = po_file(root), po_file(root).with_suffix(".mo")
    if not always and mo.exists() and mo.stat().st_mtime_ns >= po.stat().st_mtime_ns:
        return False
    out = io.BytesIO()
    write_mo(out, translated(root))
    _replace(mo, out.getvalue())
    return True


def _replace(path: Path, content: bytes) -> None:
    """In one step: whoever reads meanwhile finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(draft).chmod(0o644)
    Path(draft).replace(path)


def faults(root: Path) -> list[str]:
    """What keeps the pages from being wholly Chinese, one line each; empty when nothing does."""
    catalog = translated(root)
    known = {_key(message): message for message in _messages(catalog)}
    source = {_key(message): message for message in _messages(extracted(root))}
    found = [f"missing: {_quoted(source[key])}" for key in sorted(source.keys() - known.keys())]
    obsolete = [*(known[key] for key in sorted(known.keys() - source.keys())), *catalog.obsolete.values()]
    found += [f"obsolete: {_quoted(message)}" for message in obsolete]
    for key in sorted(known.keys() & source.keys()):
        found += _faults_of(known[key], is_plural=bool(source[key].pluralizable))
    return found + bare_words(root)


def _faults_of(message: Message, *, is_plural: bool) -> list[str]:
    strings = _strings(message)
    if not strings:
        return [f"empty: {_quoted(message)}"]
    if message.fuzzy or bool(message.pluralizable) != is_plural:
        return [f"fuzzy: {_quoted(message)}"]
    # Chinese has one form, for one and for many alike: it takes the place of the plural.
    original = message.id[-1] if isinstance(message.id, (list, tuple)) else message.id
    wanted = _placeholders(original)
    return [
        f"placeholders differ: {_quoted(message)}: {', '.join(sorted(wanted ^ _placeholders(string)))}"
        for string in strings
        if wanted != _placeholders(string)
    ]


def _placeholders(words: str) -> set[str]:
    """Names of the values, with %% and a lone % as they stand: after `%` formatting each has its own meaning."""
    rest = _named.sub("", words)
    loose = {"%%"} if "%%" in rest else set()
    return set(_named.findall(words)) | loose | ({"%"} if "%" in rest.replace("%%", "") else set())


def _messages(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def _key(message: Message) -> tuple[str, str]:
    words = message.id if isinstance(message.id, str) else message.id[0]
    return words, message.context or ""


def _strings(message: Message) -> list[str]:
    """The Chinese; empty unless every form is there."""
    strings = [message.string] if isinstance(message.string, str) else list(message.string or [])
    return strings if all(strings) else []


def _quoted(message: Message) -> str:
    words, context = _key(message)
    places = sorted({name for name, _line in message.locations})
    return f"{words!r}" + (f" ({context})" if context else "") + (f" in {', '.join(places)}" if places else "")


def bare_words(root: Path) -> list[str]:
    """Human text in templates that no translate tag holds, with file and line."""
    found = []
    for path in _files(root, TEMPLATES, {".html", ".txt"}):
        reader = _Reader()
        reader.feed(_unseen.sub(lambda hit: " " + "\n" * hit[0].count("\n"), path.read_text(encoding="utf-8")))
        reader.close()
        found += [f"bare text: {path.relative_to(root).as_posix()}:{line}: {words}" for line, words in reader.found]
    return found


class _Reader(HTMLParser):
    """Collects what a person would read or hear."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self._silent = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._silent = tag
        is_button = tag == "input" and dict(attrs).get("type") in ("submit", "button", "reset")
        spoken = SPOKEN_ATTRIBUTES | ({"value"} if is_button else set())
        for name, value in attrs:
            if name in spoken and value:
                self._note(value, f'{name}="{value}"')

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent:
            self._silent = ""

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._note(data, data)

    def _note(self, words: str, shown: str) -> None:
        if _letter.search(words) and words.strip() not in OWN_NAMES:
            line = self.getpos()[0] + len(words[: len(words) - len(words.lstrip())].splitlines()[1:])
            self.found.append((line, " ".join(shown.split())))
