"""The catalog: speeches as templates. Reads checklists/catalog/*.yaml, checks each against schema.json."""

import json
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


class BadTemplate(Exception):
    """A template file that is not loaded. Says which file, where in it, and what is wrong."""


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
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadTemplate(_("%(file)s: not readable as YAML: %(why)s") % {"file": path.name, "why": error}) from error
    schema = json.loads((CATALOG / "schema.json").read_text(encoding="utf-8"))
    fault = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(body))
    if fault is not None:
        where = "/".join(map(str, fault.absolute_path)) or "/"
        raise BadTemplate(
            _("%(file)s, at %(where)s: %(why)s") % {"file": path.name, "where": where, "why": fault.message[:300]}
        )
    try:
        json.dumps(body, allow_nan=False)  # for a schema, .nan lies between any two bounds
    except ValueError as error:
        raise BadTemplate(_("%(file)s: not readable as YAML: %(why)s") % {"file": path.name, "why": error}) from error
    _check_references(path, body)
    return dict(body)


def _check_references(path: Path, body: dict[str, Any]) -> None:
    """What a schema cannot say: the name, unique ids, phases that exist and do not end before they start."""
    if body["slug"] != path.stem:
        raise BadTemplate(_("%(file)s: the slug must equal the file's name") % {"file": path.name})
    keys = [phase["key"] for phase in body["phases"]]
    for phase in body["phases"]:
        if keys.count(phase["key"]) > 1 or phase["ends"] < phase["starts"]:
            why = "doubled" if keys.count(phase["key"]) > 1 else "ends before it starts"
            raise BadTemplate(
                _("%(file)s, at %(where)s: %(why)s")
                % {"file": path.name, "where": f"phases/{phase['key']}", "why": why}
            )
    ids = [item["id"] for item in body["items"]]
    twice = {number for number in ids if ids.count(number) > 1}
    phases = {phase["key"] for phase in body["phases"]}
    named = {item["phase"] for item in body["items"] if "phase" in item}
    named |= {item["due"]["phase"] for item in body["items"] if "phase" in item.get("due", {})}
    if twice:
        raise BadTemplate(_("%(file)s: doubled item %(ids)s") % {"file": path.name, "ids": ", ".join(sorted(twice))})
    if named - phases:
        raise BadTemplate(
            _("%(file)s: no such phase: %(keys)s") % {"file": path.name, "keys": ", ".join(sorted(named - phases))}
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


def save(body: dict[str, Any], *, owner: Unit | None = None, by: Cadre | None = None) -> Template:
    """A new version of a template: the next free number, or the file's own if that is higher."""
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


def table() -> str:
    """The catalog speech by speech, as docs/catalog.md shows it."""
    lines = [
        "# The catalog",
        "",
        "Sixteen speeches as templates (`checklists/catalog/*.yaml`).",
        "Made by `manage.py load_catalog --table docs/catalog.md`.",
        "A *target* counts if the speech states it; implied ones (none left, all of them) stand behind the plus sign.",
        "",
        "| speech | items | owed by villages | targets | deadlines | phases | roles | rules | left out |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted(CATALOG.glob("*.yaml")):
        body = read(path)
        bases = [item["target"]["basis"] for item in body["items"] if "target" in item]
        counts = [
            len(body["items"]),
            sum("village" in item["owed_by"] for item in body["items"]),
            f"{bases.count('stated')} + {bases.count('implied')}",
            sum("due" in item for item in body["items"]),
            *(len(body[part]) for part in ("phases", "roles", "rules", "left_out")),
        ]
        lines.append(f"| {body['title']} · {body['title_en']} (`{body['slug']}`) | {' | '.join(map(str, counts))} |")
    lines += ["", "## What was left out, and why", ""]
    for path in sorted(CATALOG.glob("*.yaml")):
        body = read(path)
        lines.append(f"- **{body['title']}**")
        for line in body["left_out"]:
            lines.append(f"  - {line['what']}: {line['why']} · {line['what_en']}: {line['why_en']}")
    return "\n".join(lines) + "\n"
