"""The catalog: speeches as templates. Reads checklists/catalog/*.yaml, checks each against schema.json."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from checklists.models import Template
from villages.models import Cadre, Unit

CATALOG = Path(__file__).with_name("catalog")
LARGEST_FILE = 1_000_000  # bytes; the longest speech makes about 100 KB
HOLLOW = (
    "has no core item: the part of the speech that would set the tasks is missing. It is a template with nothing but "
    "its structure (who does what, rules, problems); its %(n)d items are borderline, to be kept or struck one by one."
)


class BadTemplate(Exception):
    """A template file that is not loaded. Says which file, where in it, and what is wrong."""

    def __init__(self, words: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(words)
        self.path = path  # where in it, if the schema refused it


@dataclass(frozen=True)
class Loaded:
    """Slugs by what became of them."""

    added: list[str]
    updated: list[str]
    unchanged: list[str]


def read(path: Path) -> dict[str, Any]:
    """One template file, valid by the schema and in itself.

    Raises:
        BadTemplate: too large, no YAML, against the schema, or pointing at what is not there.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise BadTemplate(_("%(file)s: larger than 1 MB") % {"file": path.name})
    try:
        text = path.read_text(encoding="utf-8")
        # Aliases can make a small file grow without limit, and nothing here needs them.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise BadTemplate(_("%(file)s: YAML aliases are not allowed") % {"file": path.name})
        body = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: bytes or dates that are none
        raise BadTemplate(_("%(file)s: not readable as YAML: %(why)s") % {"file": path.name, "why": error}) from error
    check(body, path.name)
    if body["slug"] != path.stem:
        raise BadTemplate(_("%(file)s: the slug must equal the file's name") % {"file": path.name})
    return dict(body)


def check(body: Any, name: str) -> None:
    """Holds a template to the schema, and to what a schema cannot say.

    Raises:
        BadTemplate: naming `name`, the place and the reason.
    """
    schema = json.loads((CATALOG / "schema.json").read_text(encoding="utf-8"))
    fault = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(body))
    if fault is not None:
        where = "/".join(map(str, fault.absolute_path)) or "/"
        raise BadTemplate(
            _("%(file)s, at %(where)s: %(why)s") % {"file": name, "where": where, "why": fault.message[:300]},
            tuple(fault.absolute_path),
        )
    try:
        json.dumps(body, allow_nan=False)  # for a schema, .nan lies between any two bounds
    except ValueError as error:
        raise BadTemplate(_("%(file)s: not readable as YAML: %(why)s") % {"file": name, "why": error}) from error
    _check_references(body, name)


def _check_references(body: dict[str, Any], name: str) -> None:
    """Unique ids, phases that exist and do not end before they start."""
    keys = [phase["key"] for phase in body["phases"]]
    for phase in body["phases"]:
        if keys.count(phase["key"]) > 1 or phase["ends"] < phase["starts"]:
            why = "doubled" if keys.count(phase["key"]) > 1 else "ends before it starts"
            raise BadTemplate(
                _("%(file)s, at %(where)s: %(why)s") % {"file": name, "where": f"phases/{phase['key']}", "why": why}
            )
    ids = [item["id"] for item in body["items"]]
    twice = {number for number, times in Counter(ids).items() if times > 1}
    named = {item["phase"] for item in body["items"] if "phase" in item}
    named |= {item["due"]["phase"] for item in body["items"] if "phase" in item.get("due", {})}
    if twice:
        raise BadTemplate(_("%(file)s: doubled item %(ids)s") % {"file": name, "ids": ", ".join(sorted(twice))})
    if named - set(keys):
        raise BadTemplate(
            _("%(file)s: no such phase: %(keys)s") % {"file": name, "keys": ", ".join(sorted(named - set(keys)))}
        )


@transaction.atomic
def load(paths: list[Path] | None = None) -> Loaded:
    """Brings the templates in the database up to the files; all or nothing.

    Raises:
        BadTemplate: for the first file that does not fit; nothing is changed then.
    """
    outcome = Loaded([], [], [])
    for path in sorted(paths if paths is not None else CATALOG.glob("*.yaml")):
        body = read(path)
        known = Template.objects.filter(slug=body["slug"]).newest().first()
        if known is not None and known.owner_id is not None:
            raise BadTemplate(_("%(file)s: an office has a template of this name") % {"file": path.name})
        if known is None:
            save(body)
            outcome.added.append(body["slug"])
        elif known.body != body:
            save(body)
            outcome.updated.append(body["slug"])
        else:
            outcome.unchanged.append(body["slug"])
    return outcome


@transaction.atomic
def save(body: dict[str, Any], *, owner: Unit | None = None, by: Cadre | None = None) -> Template:
    """A new version of a template: the next free number, or the file's own if that is higher."""
    # Whoever saves the next version at the same moment waits, and gets the number after ours.
    list(Template.objects.select_for_update().filter(slug=body["slug"]).values_list("pk"))
    last = Template.objects.filter(slug=body["slug"]).aggregate(last=Max("version"))["last"] or 0
    return Template.objects.create(
        slug=body["slug"],
        version=max(last + 1, body["version"]),
        title=body["title"],
        title_en=body["title_en"],
        body=body,
        owner=owner,
        created_by=by,
    )


def core(body: dict[str, Any]) -> int:
    """How many items the speech asks for beyond doubt."""
    return sum(item.get("certainty") == "core" for item in body["items"])


def table() -> str:
    """The catalog speech by speech, as docs/catalog.md shows it."""
    lines = [
        "# The catalog",
        "",
        "Sixteen speeches as templates (`checklists/catalog/*.yaml`).",
        "Made by `manage.py load_catalog --table docs/catalog.md`.",
        "A *target* counts if the speech states it; implied ones (none left, all of them) stand behind the plus sign.",
        "*Core* are the items that the speech asks for beyond doubt; the others are borderline and marked as such.",
        "",
        "| speech | items | core | owed by villages | targets | deadlines | phases | roles | rules | left out |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted(CATALOG.glob("*.yaml")):
        body = read(path)
        bases = [item["target"]["basis"] for item in body["items"] if "target" in item]
        counts = [
            len(body["items"]),
            core(body),
            sum("village" in item["owed_by"] for item in body["items"]),
            f"{bases.count('stated')} + {bases.count('implied')}",
            sum("due" in item for item in body["items"]),
            *(len(body[part]) for part in ("phases", "roles", "rules", "left_out")),
        ]
        lines.append(f"| {body['title']} · {body['title_en']} (`{body['slug']}`) | {' | '.join(map(str, counts))} |")
    for path in sorted(CATALOG.glob("*.yaml")):
        body = read(path)
        if not core(body):
            lines += ["", f"**{body['title']}** · `{body['slug']}` {HOLLOW % {'n': len(body['items'])}}"]
    lines += ["", "## What was left out, and why", ""]
    for path in sorted(CATALOG.glob("*.yaml")):
        body = read(path)
        lines.append(f"- **{body['title']}**")
        for line in body["left_out"]:
            lines.append(f"  - {line['what']}: {line['why']} · {line['what_en']}: {line['why_en']}")
    return "\n".join(lines) + "\n"
