"""The database refuses nonsense, history stays, and a start without what production needs ends with a hint."""

import io
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import Error, IntegrityError, connection, models, transaction
from django.utils import timezone

from checklists import course
from checklists.models import (
    Campaign,
    Change,
    Chase,
    Check,
    DayTally,
    Draw,
    Evidence,
    EvidenceUse,
    Extension,
    Finding,
    FindingEvent,
    FindingStep,
    HelpRequest,
    ItemTally,
    Measure,
    Phase,
    Pulse,
    Relief,
    Responsibility,
    Round,
    Share,
    StorageLook,
    Tally,
    Task,
    TaskEvent,
    Upload,
    UploadPart,
)  # fmt: skip
from readiness.models import Account, Escalation, Gap, Gateway, News, Notice, Planned, Rules, Sender, WallPass
from tests import factories
from villages.models import Boundary, Cadre, Post, Unit

ROOT = Path(__file__).resolve().parent.parent
NOW, DAY = timezone.now(), date(2026, 6, 10)
Cast = dict[str, Cadre]


@pytest.fixture
def task(cast: Cast, campaign: Campaign) -> Task:
    """Willow's first task, open."""
    return factories.task(campaign)


def change(row: models.Model, **fields: Any) -> None:
    """An UPDATE past every form and every method of ours."""
    assert type(row)._default_manager.filter(pk=row.pk).update(**fields) == 1


def again(row: models.Model, **fields: Any) -> None:
    """The same row once more, with these fields changed."""
    columns = [field for field in row._meta.concrete_fields if not field.primary_key and not field.generated]
    kept = {column.attname: getattr(row, column.attname) for column in columns}
    type(row)._default_manager.bulk_create([type(row)(**kept | fields)])


def event(task: Task, by: Cadre, **fields: Any) -> None:
    one = {"id": uuid.uuid4(), "task": task, "by": by, "from_state": "open", "to_state": "done"} | fields
    TaskEvent.objects.bulk_create([TaskEvent(**one)])


def notice(by: Cadre, **fields: Any) -> Notice:
    one = {"cadre": by, "rule": "digest", "on": DAY, "channel": "inbox", "subject": "逾期", "body": "3 项"} | fields
    return Notice.objects.bulk_create([Notice(**one)])[0]


def unit(code: str, parent: str | None, name: str = "新村") -> None:
    Unit.objects.bulk_create([Unit(code=code, name=name, parent_id=parent)])


def post(by: Cadre) -> Post:
    return by.posts.get()


def gap(task: Task) -> Gap:
    return Gap.objects.create(campaign=task.campaign, unit=task.unit, vacancies=1, counted_at=NOW)


def claimed(task: Task, by: Cadre, **fields: Any) -> None:
    change(task, **{"state": "verified", "done_by": by, "done_at": NOW} | fields)


# One way to break each rule of each table; `t` is Willow's open task, `c` the cast.
BREAKS: dict[str, Callable[[Task, Cast], object]] = {
    "unit_code_is_well_formed": lambda t, c: unit("5115041", "511504"),
    "unit_code_continues_its_parents": lambda t, c: unit("510502001002", "511504101"),
    "unit_has_a_name": lambda t, c: unit("511504101203", "511504101", name=""),
    "cadre_has_a_name": lambda t, c: change(c["lan"], name=""),
    "cadre_phone_is_a_mobile_number": lambda t, c: change(c["lan"], phone="8310000"),
    "post_held_once_at_a_time": lambda t, c: again(post(c["lan"])),
    "post_ends_after_it_began": lambda t, c: change(post(c["lan"]), until=date(2025, 12, 31)),
    "post_of_a_stand_in_has_an_end": lambda t, c: change(post(c["lan"]), stands_in_for=post(c["hong"])),
    "post_role_is_known": lambda t, c: change(post(c["lan"]), role="king"),
    "gap_once_per_campaign_and_unit": lambda t, c: again(gap(t)),
    "wall_pass_name_once_in_a_campaign": lambda t, c: again(wall_pass(t, c), digest="another"),
    "wall_pass_revoked_by_someone_at_some_time": lambda t, c: change(wall_pass(t, c), revoked_at=NOW),
    "boundary_is_an_area": lambda t, c: border(t, c, {"type": "Point", "coordinates": [104, 28]}),
    "campaign_once_per_template_host_and_day": lambda t, c: again(t.campaign),
    "campaign_status_is_known": lambda t, c: change(t.campaign, status="asleep"),
    "campaign_starts_before_the_inspection": lambda t, c: change(t.campaign, starts_on=date(2999, 1, 1)),
    "campaign_closed_by_someone_at_some_time": lambda t, c: change(t.campaign, closed_at=NOW),
    "campaign_red_is_a_percentage": lambda t, c: change(t.campaign, red_percent=101),
    "campaign_window_ends_after_it_begins": lambda t, c: change(t.campaign, inspects_until=date(2020, 1, 1)),
    "campaign_veto_and_ranking_are_somebodys_decision": lambda t, c: change(t.campaign, vetoes=True),
    "template_version_once": lambda t, c: again(t.campaign.template),
    "phase_once_per_campaign": lambda t, c: again(phase(t.campaign)),
    "phase_ends_after_it_starts": lambda t, c: change(phase(t.campaign), ends_on=DAY - timedelta(days=1)),
    "responsibility_once_per_kind": lambda t, c: again(answer(t), cadre_id=c["lin"].pk),
    "responsibility_kind_is_known": lambda t, c: change(answer(t), kind="somehow"),
    "item_number_once_per_campaign": lambda t, c: again(t.item),
    "item_and_campaign": lambda t, c: again(t.item, id=t.item_id, number="other"),
    "item_measure_is_whole": lambda t, c: change(t.item, operator=">="),
    "item_statistic_has_no_target": lambda t, c: change(
        t.item, metric="知晓率", operator=">=", target=90, statistic=True),
    "change_is_known": lambda t, c: changed(t, what="forgotten"),
    "change_of_course_gives_a_reason": lambda t, c: changed(t, what="paused"),
    "extension_waits_once": lambda t, c: again(asked(t, c)),
    "extension_answered_by_someone": lambda t, c: change(asked(t, c), granted=True),
    "extension_answered_by_someone_else": lambda t, c: change(
        asked(t, c), granted=True, answered_at=NOW, answered_by=c["lan"]),
    "extension_gives_a_reason": lambda t, c: change(asked(t, c), reason=""),
    "share_once_per_item_and_unit": lambda t, c: again(share(t)),
    "share_is_not_negative": lambda t, c: change(share(t), value=-1),
    "item_gate_has_a_phase": lambda t, c: change(t.item, gate=True),
    "item_is_owed_by_someone": lambda t, c: change(t.item, owed_by=[]),
    "task_once_per_item_and_unit": lambda t, c: again(t),
    "task_state_is_known": lambda t, c: change(t, state="nearly"),
    "task_claimed_by_someone_at_some_time": lambda t, c: change(t, state="done", done_by=c["lan"]),
    "task_verified_by_someone_at_some_time": lambda t, c: claimed(t, c["lan"], verified_at=NOW),
    "task_verified_by_someone_else": lambda t, c: claimed(t, c["lin"], verified_by=c["lin"], verified_at=NOW),
    "event_states_are_known": lambda t, c: event(t, c["lan"], to_state="nearly"),
    "event_gives_a_reason": lambda t, c: event(t, c["lan"], to_state="waived"),
    "event_looks_again_at_what_is_verified": lambda t, c: event(t, c["su"], from_state="done", looked_again=True),
    "notice_once_per_cadre_campaign_rule_day_and_channel": lambda t, c: again(notice(c["lan"])),
    "notice_leased_only_while_being_sent": lambda t, c: notice(c["lan"], status="sending"),
    "notice_sent_at_some_time": lambda t, c: notice(c["lan"], status="accepted"),
    "notice_once_per_group_campaign_rule_and_day": lambda t, c: again(
        notice(c["lan"], cadre=None, gateway=gateway(t, c), campaign=t.campaign)),
    "notice_to_a_cadre_or_a_group": lambda t, c: notice(c["lan"], cadre=None),
    "news_told_once": lambda t, c: again(
        News.objects.create(cadre=c["lan"], about="returned:1", notice=notice(c["lan"]), told_on=DAY)),
    "escalation_step_taken_once": lambda t, c: again(escalation(t, c)),
    "escalation_step_is_known": lambda t, c: change(escalation(t, c), step=4),
    "gateway_robot_is_of_a_campaign": lambda t, c: change(gateway(t, c), campaign=None),
    "gateway_once_per_unit_and_channel": lambda t, c: again(gateway(t, c)),
    "account_once_per_cadre_and_channel": lambda t, c: again(account(c)),
    "account_is_of_a_person": lambda t, c: change(account(c), channel="mail"),
    "account_has_a_name": lambda t, c: change(account(c), name=""),
    "rules_are_within_reason": lambda t, c: Rules.objects.create(campaign=t.campaign, overdue_every=0),
    "storage_look_is_one": lambda t, c: StorageLook.objects.create(
        id=2, at=NOW, looked_at=0, left=0, orphans=0, unread=0),
    "planned_is_one": lambda t, c: Planned.objects.create(id=2, seen="x", at=NOW),
    "sender_is_one": lambda t, c: Sender.objects.create(id=2),
    "sender_paused_for_a_reason": lambda t, c: Sender.objects.create(paused_at=NOW),
    "help_waits_once": lambda t, c: again(help_asked(t, c)),
    "help_answered_by_someone": lambda t, c: change(help_asked(t, c), answered_at=NOW, answered_by=c["lin"]),
    "help_answered_by_someone_else": lambda t, c: change(
        help_asked(t, c), answered_at=NOW, answered_by=c["lan"], answer="车来了"),
    "help_says_what": lambda t, c: change(help_asked(t, c), need=""),
    "chase_once_per_task_and_day": lambda t, c: again(chase(t, c)),
    "chase_gives_a_reason": lambda t, c: change(chase(t, c), reason=""),
    "task_verified_by_no_stand_in_of_the_claimant": lambda t, c: claimed(
        t, c["lin"], done_for=c["lan"], verified_by=c["lan"], verified_at=NOW),
    "task_verified_by_nobody_it_rests_on": lambda t, c: claimed(
        t, c["lan"], rests_on=[c["lin"].pk], verified_by=c["lin"], verified_at=NOW),
    "task_done_or_verified_for_someone_by_someone": lambda t, c: change(t, done_for=c["lan"]),
    "item_looked_at_by_a_known_height": lambda t, c: change(t.item, looked_at_by=9),
    "campaign_looked_at_by_a_known_height": lambda t, c: change(t.campaign, looked_at_by=0),
    "campaign_ladder_is_somebodys_decision": lambda t, c: change(t.campaign, ladder_from=DAY),
    "phase_closed_by_someone_at_some_time": lambda t, c: change(phase(t.campaign), closed_at=NOW),
    "phase_closed_despite_its_gates_by_a_leader_with_a_reason": lambda t, c: change(
        phase(t.campaign), closed_at=NOW, closed_by=c["ada"], despite_by=c["mei"]
    ),
    "draw_number_once_in_a_campaign": lambda t, c: again(drawing(t, c)),
    "draw_numbers_are_digits": lambda t, c: change(drawing(t, c), number_one="1e9", number_one_by=c["su"]),
    "draw_number_is_somebodys": lambda t, c: change(drawing(t, c), number_one="7"),
    "draw_numbers_by_two_people": lambda t, c: change(drawing(t, c), **numbers(c["su"], c["su"]), drawn_at=NOW),
    "draw_drawn_once_both_numbers_are_there": lambda t, c: change(drawing(t, c), **numbers(c["su"], c["mei"])),
    "draw_made_again_gives_a_reason": lambda t, c: drawing(t, c, number=2, instead_of=drawing(t, c)),
    "round_once_per_draw_and_unit": lambda t, c: again(visit(t, c, draw=drawing(t, c))),
    "round_rhythm_is_known": lambda t, c: visit(t, c, rhythm="waltz"),
    "round_finished_by_someone_at_some_time": lambda t, c: change(visit(t, c), finished_at=NOW),
    "relief_sends_somebody_else": lambda t, c: relief(t, c, now=[c["su"].pk]),
    "relief_gives_a_reason": lambda t, c: relief(t, c, reason=""),
    "check_decided_once_per_round_and_task": lambda t, c: again(seen(t, c), id=uuid.uuid4()),
    "check_result_is_known": lambda t, c: seen(t, c, result="perhaps"),
    "check_says_what_does_not_hold": lambda t, c: seen(t, c, result="fails", remark=""),
    "check_was_is_a_state": lambda t, c: seen(t, c, was="nearly"),
    "finding_number_once_in_a_campaign": lambda t, c: again(found(t, c)),
    "finding_source_is_known": lambda t, c: found(t, c, source="rumour"),
    "finding_severity_is_known": lambda t, c: found(t, c, severity=4),
    "finding_state_is_known": lambda t, c: found(t, c, state="nearly"),
    "finding_says_what": lambda t, c: found(t, c, what=""),
    "finding_is_due_after_it_was_found": lambda t, c: found(t, c, due_on=DAY - timedelta(days=1)),
    "finding_fixed_by_someone_at_some_time": lambda t, c: found(t, c, state="fixed", fixed_by=c["lan"]),
    "finding_confirmed_by_someone_at_some_time": lambda t, c: found(
        t, c, state="closed", fixed_by=c["lan"], fixed_at=NOW),
    "finding_confirmed_by_someone_else": lambda t, c: found(
        t, c, state="closed", fixed_by=c["lin"], fixed_at=NOW, confirmed_by=c["lin"], confirmed_at=NOW),
    "finding_closed_once_answered": lambda t, c: found(
        t, c, source="complaint", state="closed", fixed_by=c["lan"], fixed_at=NOW, confirmed_by=c["lin"],
        confirmed_at=NOW),
    "finding_looked_back_at_once_closed": lambda t, c: found(t, c, look_back_on=DAY),
    "finding_disputed_by_someone_at_some_time": lambda t, c: found(t, c, disputed_at=NOW),
    "finding_confirmed_by_no_stand_in_of_who_fixed_it": lambda t, c: found(
        t, c, state="closed", fixed_by=c["lin"], fixed_for=c["lan"], fixed_at=NOW, confirmed_by=c["lan"],
        confirmed_at=NOW),
    "finding_fixed_or_confirmed_for_someone_by_someone": lambda t, c: found(t, c, fixed_for=c["lan"]),
    "finding_disputed_or_asked_about_while_open": lambda t, c: found(
        t, c, state="dropped", disputed_by=c["lan"], disputed_at=NOW),
    "finding_asked_for_time_by_someone": lambda t, c: found(t, c, asked_until=DAY),
    "finding_answered_by_someone": lambda t, c: found(t, c, answer="已修好"),
    "finding_step_says_what": lambda t, c: FindingStep.objects.create(finding=found(t, c), due_on=DAY),
    "finding_step_done_by_someone_at_some_time": lambda t, c: FindingStep.objects.create(
        finding=found(t, c), due_on=DAY, what="铺路", done_at=NOW),
    "finding_event_gives_a_reason": lambda t, c: FindingEvent.objects.bulk_create(
        [FindingEvent(id=uuid.uuid4(), finding=found(t, c), by=c["lan"], what="disputed")]),
    "evidence_stored_once": lambda t, c: again(proof(t, c), id=uuid.uuid4()),
    "evidence_kind_is_known": lambda t, c: proof(t, c, kind="film"),
    "evidence_is_kept_until_it_is_removed": lambda t, c: proof(t, c, stored=""),
    "evidence_is_of_one_thing": lambda t, c: EvidenceUse.objects.create(evidence=proof(t, c), by=c["lan"]),
    "evidence_once_per_thing": lambda t, c: again(
        EvidenceUse.objects.create(evidence=proof(t, c), task=t, by=c["lan"], at=NOW)),
    "evidence_is_wrong_in_a_known_way": lambda t, c: proof(t, c, found_wrong="odd"),
    "upload_is_for_one_thing": lambda t, c: upload(None, c),
    "upload_is_no_longer_than_announced": lambda t, c: upload(t, c, come=2),
    "upload_part_once": lambda t, c: again(UploadPart.objects.create(upload=upload(t, c), start=0, body=b"1")),
    "measure_once_at_a_time": lambda t, c: again(measure(t, c)),
    "measure_rung_is_known": lambda t, c: measure(t, c, rung=4),
    "measure_state_is_known": lambda t, c: measure(
        t, c, state="nearly", decided_by=c["mei"], decided_at=NOW, reason="再看"),
    "measure_decided_by_someone_with_a_reason": lambda t, c: measure(
        t, c, state="applied", decided_by=c["mei"], decided_at=NOW),
    "measure_objected_to_by_someone": lambda t, c: measure(t, c, objection="不公平"),
    "campaign_gates_are_somebodys_decision": lambda t, c: change(t.campaign, gates=True),
    "campaign_dates_only_rules_that_are_on": lambda t, c: change(t.campaign, vetoes_from=DAY),
    "measure_answered_by_someone_else": lambda t, c: measure(
        t, c, state="applied", decided_by=c["mei"], decided_at=NOW, reason="因为", objection="不公平",
        objected_by=c["lan"], objected_at=NOW, answer="维持", answered_by=c["mei"], answered_at=NOW),
    "measure_lifted_by_an_answer": lambda t, c: measure(
        t, c, state="lifted", decided_by=c["mei"], decided_at=NOW, reason="因为"),
    "measure_answered_by_someone": lambda t, c: measure(t, c, answer="维持", answered_by=c["mei"], answered_at=NOW),
}  # fmt: skip
# Lets a task refer to both columns; the key of its table alone refuses what would break it.
REFUSED_BEFORE = {"item_and_campaign": "checklists_item_pkey"}
# Rules that a migration or a trigger writes in SQL.
IN_SQL: dict[str, Callable[[Task, Cast], object]] = {
    "task_in_its_items_campaign": lambda t, c: change(t, campaign=factories.campaign(on=DAY, days=400)),
    "task_of_a_closed_campaign_stays": lambda t, c: (
        course.steer(t.campaign, "closed", by=c["ada"]),
        change(t, points=9),
    ),
    "draw_is_not_changed_afterwards": lambda t, c: change(drawing(t, c), frozen="another list"),
    "phase_closes_once_its_gates_are_done": lambda t, c: change(gated(t, c), closed_at=NOW, closed_by=c["ada"]),
}
# The other half of a rule with two halves: nothing without its pair, nor the pair without it.
HALVES: list[tuple[str, Callable[[Task, Cast], object]]] = [
    ("unit_code_is_well_formed", lambda t, c: unit("511504101203S1", "511504101")),
    ("unit_code_is_well_formed", lambda t, c: unit("511504101203\n", "511504101")),
    ("unit_code_continues_its_parents", lambda t, c: change(t.unit, parent=t.unit)),
    ("cadre_has_a_name", lambda t, c: change(c["lan"], username="")),
    ("boundary_is_an_area", lambda t, c: border(t, c, {"coordinates": []})),
    ("campaign_red_is_a_percentage", lambda t, c: change(t.campaign, red_percent=0)),
    ("campaign_closed_by_someone_at_some_time", lambda t, c: change(t.campaign, closed_by=c["ada"])),
    ("campaign_closed_by_someone_at_some_time", lambda t, c: change(t.campaign, closed_by=c["ada"], closed_at=NOW)),
    ("item_measure_is_whole", lambda t, c: change(t.item, target=90)),
    ("item_measure_is_whole", lambda t, c: change(t.item, statistic=True)),
    ("item_measure_is_whole", lambda t, c: change(t.item, metric="知晓率", operator=">=")),
    ("item_statistic_has_no_target", lambda t, c: change(
        t.item, metric="知晓率", operator=">=", total=90, statistic=True)),
    ("campaign_veto_and_ranking_are_somebodys_decision", lambda t, c: change(t.campaign, ranking=True)),
    ("change_of_course_gives_a_reason", lambda t, c: changed(t, what="reopened")),
    ("extension_answered_by_someone", lambda t, c: change(asked(t, c), answered_at=NOW, answered_by=c["lin"])),
    ("item_measure_is_whole", lambda t, c: change(t.item, metric="知晓率", operator="~", target=90)),
    ("task_claimed_by_someone_at_some_time", lambda t, c: change(t, done_by=c["lan"], done_at=NOW)),
    ("task_claimed_by_someone_at_some_time", lambda t, c: change(t, state="done", done_at=NOW)),
    ("task_verified_by_someone_at_some_time", lambda t, c: claimed(t, c["lan"], verified_by=c["su"])),
    ("task_verified_by_someone_at_some_time", lambda t, c: claimed(
        t, c["lan"], state="done", verified_by=c["su"], verified_at=NOW)),
    ("event_gives_a_reason", lambda t, c: event(t, c["su"], from_state="done", to_state="returned")),
    ("event_states_are_known", lambda t, c: event(t, c["su"], from_state="")),
    ("notice_leased_only_while_being_sent", lambda t, c: notice(c["lan"], leased_until=NOW)),
    ("gateway_robot_is_of_a_campaign", lambda t, c: change(gateway(t, c), channel="wecom")),
    ("rules_are_within_reason", lambda t, c: Rules.objects.create(campaign=t.campaign, weekly_on=7)),
    ("sender_paused_for_a_reason", lambda t, c: Sender.objects.create(paused_because="…")),
    ("help_answered_by_someone", lambda t, c: change(help_asked(t, c), answer="车来了")),
    ("help_says_what", lambda t, c: change(help_asked(t, c), obstacle="")),
    ("notice_once_per_cadre_campaign_rule_day_and_channel", lambda t, c: again(notice(c["lan"], campaign=t.campaign))),
    ("task_of_a_closed_campaign_stays", lambda t, c: (course.steer(t.campaign, "closed", by=c["ada"]), t.delete())),
    ("task_of_a_closed_campaign_stays", lambda t, c: (
        course.steer(t.campaign, "closed", by=c["ada"]), again(t, unit_id=factories.EAST))),
    ("task_of_a_closed_campaign_stays", lambda t, c: (
        course.steer(t.campaign, "closed", by=c["ada"]), Task.objects.all().update(state="waived"))),
    ("task_verified_by_no_stand_in_of_the_claimant", lambda t, c: claimed(
        t, c["lin"], verified_by=c["su"], verified_at=NOW, verified_for=c["lin"])),
    ("task_verified_by_no_stand_in_of_the_claimant", lambda t, c: claimed(
        t, c["lin"], done_for=c["lan"], verified_by=c["su"], verified_at=NOW, verified_for=c["lan"])),
    ("task_verified_by_nobody_it_rests_on", lambda t, c: claimed(
        t, c["lan"], rests_on=[c["lin"].pk], verified_by=c["su"], verified_at=NOW, verified_for=c["lin"])),
    ("task_done_or_verified_for_someone_by_someone", lambda t, c: change(t, verified_for=c["lan"])),
    ("campaign_ladder_is_somebodys_decision", lambda t, c: change(t.campaign, ladder_by=c["mei"])),
    ("phase_closed_by_someone_at_some_time", lambda t, c: change(phase(t.campaign), closed_by=c["ada"])),
    (
        "phase_closed_despite_its_gates_by_a_leader_with_a_reason",
        lambda t, c: change(phase(t.campaign), closed_despite="道路中断", despite_by=c["mei"]),
    ),
    ("draw_is_not_changed_afterwards", lambda t, c: change(
        drawing(t, c, **numbers(c["su"], c["mei"]), drawn_at=NOW), drawn_at=None, number_two="", number_two_by=None)),
    ("draw_is_not_changed_afterwards", lambda t, c: change(
        drawing(t, c, number_one="7", number_one_by=c["su"]), number_one="8")),
    ("draw_numbers_by_two_people", lambda t, c: change(
        drawing(t, c), number_two="7", number_two_by=c["su"], drawn_at=NOW)),
    ("relief_sends_somebody_else", lambda t, c: relief(t, c, now=[])),
    ("finding_fixed_by_someone_at_some_time", lambda t, c: found(t, c, fixed_by=c["lan"], fixed_at=NOW)),
    ("finding_confirmed_by_no_stand_in_of_who_fixed_it", lambda t, c: found(
        t, c, state="closed", fixed_by=c["lin"], fixed_at=NOW, confirmed_by=c["su"], confirmed_for=c["lin"],
        confirmed_at=NOW)),
    ("finding_confirmed_by_no_stand_in_of_who_fixed_it", lambda t, c: found(
        t, c, state="closed", fixed_by=c["lin"], fixed_for=c["lan"], fixed_at=NOW, confirmed_by=c["su"],
        confirmed_for=c["lan"], confirmed_at=NOW)),
    ("finding_fixed_or_confirmed_for_someone_by_someone", lambda t, c: found(t, c, confirmed_for=c["lan"])),
    ("finding_disputed_or_asked_about_while_open", lambda t, c: found(
        t, c, state="dropped", asked_until=DAY, asked_by=c["lan"])),
    ("finding_answered_by_someone", lambda t, c: found(t, c, answered_by=c["lan"], answered_at=NOW)),
    ("evidence_is_kept_until_it_is_removed", lambda t, c: proof(t, c, removed_by=c["lan"], removed_at=NOW)),
    ("upload_is_for_one_thing", lambda t, c: upload(t, c, finding=found(t, c))),
    ("evidence_is_of_one_thing", lambda t, c: EvidenceUse.objects.create(
        evidence=proof(t, c), by=c["lan"], task=t, finding=found(t, c))),
    ("measure_decided_by_someone_with_a_reason", lambda t, c: measure(t, c, decided_by=c["mei"], decided_at=NOW)),
    ("campaign_dates_only_rules_that_are_on", lambda t, c: change(t.campaign, gates_from=DAY)),
    ("campaign_dates_only_rules_that_are_on", lambda t, c: change(t.campaign, ranking_from=DAY)),
    ("measure_answered_by_someone_else", lambda t, c: measure(
        t, c, state="applied", decided_by=c["mei"], decided_at=NOW, reason="因为", objection="不公平",
        objected_by=c["lan"], objected_at=NOW, answer="维持", answered_by=c["lan"], answered_at=NOW)),
]  # fmt: skip


def border(task: Task, cast: Cast, geometry: Any) -> None:
    Boundary.objects.create(unit=task.unit, geometry=geometry, detail=0, loaded_by=cast["ada"])


def gateway(task: Task, cast: Cast) -> Gateway:
    return Gateway.objects.create(
        channel="dingtalk_robot",
        unit=task.unit,
        campaign=task.campaign,
        name="柳村群",
        host="https://oapi.dingtalk.com",
        sealed=b"",
        made_by=cast["ada"],
    )


def account(cast: Cast) -> Account:
    return Account.objects.create(cadre=cast["lan"], channel="wecom", name="lan")


def escalation(task: Task, cast: Cast) -> Escalation:
    return Escalation.objects.create(
        campaign=task.campaign, unit=task.unit, due_on=DAY, step=1, cadre=cast["lan"], on=DAY
    )


def help_asked(task: Task, cast: Cast) -> HelpRequest:
    return HelpRequest.objects.create(
        task=task, asked_by=cast["lan"], obstacle="路断了", need="一台车", reply_by=DAY, asked_at=NOW
    )


def chase(task: Task, cast: Cast) -> Chase:
    return Chase.objects.create(task=task, by=cast["lin"], on=DAY, at=NOW, reason="尽快完成")


def drawing(task: Task, cast: Cast, **fields: Any) -> Draw:
    one = {"campaign": task.campaign, "number": 1, "title": "抽查", "among_id": factories.COUNTY, "recipe": {}}
    one |= {"frozen": "list", "secret": "s", "commitment": "c", "announced_by": cast["su"], "announced_at": NOW}
    return Draw.objects.create(**one | fields)


def numbers(one: Cadre, two: Cadre) -> dict[str, Any]:
    return {"number_one": "7", "number_one_by": one, "number_two": "8", "number_two_by": two}


def visit(task: Task, cast: Cast, **fields: Any) -> Round:
    one = {"campaign": task.campaign, "unit": task.unit, "rhythm": "patrol", "made_by": cast["su"], "made_at": NOW}
    return Round.objects.create(**one | fields)


def relief(task: Task, cast: Cast, **fields: Any) -> Relief:
    one = {"id": uuid.uuid4(), "round": visit(task, cast), "was": [cast["su"].pk], "now": [cast["ada"].pk], "at": NOW}
    return Relief.objects.create(**one | {"reason": "住院", "by": cast["ada"]} | fields)


def seen(task: Task, cast: Cast, **fields: Any) -> Check:
    one = {"id": uuid.uuid4(), "round": visit(task, cast), "task": task, "result": "holds", "by": cast["su"]}
    return Check.objects.create(**one | {"was": "done", "at": NOW} | fields)


def found(task: Task, cast: Cast, **fields: Any) -> Finding:
    one = {"campaign": task.campaign, "number": 1, "source": "check", "unit": task.unit, "what": "路灯不亮"}
    return Finding.objects.create(**one | {"found_on": DAY, "found_by": cast["su"], "due_on": DAY} | fields)


def proof(task: Task, cast: Cast, **fields: Any) -> Evidence:
    one = {"id": uuid.uuid4(), "campaign": task.campaign, "unit": task.unit, "kind": "photo", "name": "1.jpg"}
    one |= {"stored": "1.jpg", "size": 1, "sha256": "a", "sent_sha256": "a", "by": cast["lan"], "at": NOW}
    return Evidence.objects.create(**one | fields)


def upload(task: Task | None, cast: Cast, **fields: Any) -> Upload:
    one = {"id": uuid.uuid4(), "by": cast["lan"], "task": task, "name": "1.jpg", "size": 1, "stored": "x"}
    return Upload.objects.create(**one | fields)


def measure(task: Task, cast: Cast, **fields: Any) -> Measure:
    one = {"campaign": task.campaign, "unit": task.unit, "rung": 1, "grounds": [], "proposed_at": NOW}
    return Measure.objects.create(**one | fields)


def wall_pass(task: Task, cast: Cast) -> WallPass:
    return WallPass.objects.create(
        campaign=task.campaign, unit=task.unit, name="大厅", digest="one", made_by=cast["ada"]
    )


def phase(campaign: Campaign) -> Phase:
    return Phase.objects.create(campaign=campaign, key="p-1", title="动员", starts_on=DAY, ends_on=DAY)


def gated(task: Task, cast: Cast) -> Phase:
    """A phase whose gate Willow still owes, in a campaign where gates count."""
    made = phase(task.campaign)
    change(task.item, gate=True, phase=made)
    change(task.campaign, gates=True, gates_from=task.campaign.starts_on, decided_by=cast["mei"])
    return made


def changed(task: Task, **fields: Any) -> None:
    Change.objects.bulk_create([Change(campaign=task.campaign, **fields)])


def asked(task: Task, cast: Cast) -> Extension:
    return Extension.objects.create(task=task, asked_by=cast["lan"], until=DAY, reason="下雨")


def share(task: Task) -> Share:
    return Share.objects.create(item=task.item, unit=task.unit, value=3)


def answer(task: Task) -> Responsibility:
    return Responsibility.objects.get(campaign=task.campaign, unit=task.unit, kind="first")


def models_of_ours() -> list[type[models.Model]]:
    return [model for app in ("villages", "checklists", "readiness") for model in apps.get_app_config(app).get_models()]


def test_every_rule_of_a_table_has_a_test_that_breaks_it() -> None:
    assert set(BREAKS) == {constraint.name for model in models_of_ours() for constraint in model._meta.constraints}


@pytest.mark.django_db
def test_every_rule_that_the_database_has_is_known_here() -> None:
    """Beside what Django adds by itself: keys, references, and `>= 0` of positive numbers."""
    tables = [model._meta.db_table for model in models_of_ours()]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = ANY (%s::regclass[]) AND contype IN ('c', 'u', 'f')"
            r" AND conname !~ '(_key|_check|_uniq|_fk_\w+)$'",
            [tables],
        )
        assert {name for (name,) in cursor.fetchall()} <= {*BREAKS, *IN_SQL}


@pytest.mark.parametrize(
    ("rule", "breaks"),
    [*BREAKS.items(), *IN_SQL.items(), *HALVES],
    ids=[*BREAKS, *IN_SQL, *(f"{rule}-too" for rule, _ in HALVES)],
)
def test_the_database_refuses_what_breaks(
    rule: str, breaks: Callable[[Task, Cast], object], task: Task, cast: Cast
) -> None:
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        breaks(task, cast)
        connection.check_constraints()  # some rules are looked at when the transaction ends
    assert refusal.value.__cause__.diag.constraint_name == REFUSED_BEFORE.get(rule, rule)


def test_every_reference_is_held_by_the_database() -> None:
    """No soft links: each ForeignKey has its constraint, so nothing points at what is gone.

    Tallies are written by triggers alone, from tasks whose keys hold.
    """
    fields = [field for model in models_of_ours() for field in model._meta.local_fields]
    keys = [field for field in fields if isinstance(field, models.ForeignKey)]
    assert {key.model for key in keys if not key.db_constraint} == {Tally, ItemTally, DayTally, Pulse}


# ---- History stays ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("Cannot update or delete", "UPDATE checklists_taskevent SET note = 'forged'"),
        ("Cannot update or delete", "UPDATE checklists_taskevent SET by_id = by_id"),
        ("Cannot update or delete", "DELETE FROM checklists_taskevent"),
        ("never emptied", "TRUNCATE checklists_taskevent"),
        ("never emptied", "TRUNCATE checklists_task CASCADE"),
        ("never emptied", "TRUNCATE villages_cadre CASCADE"),
    ],
)
def test_history_is_only_added_to(what: str, statement: str, task: Task, cast: Cast) -> None:
    event(task, cast["lan"], note="看过")
    connection.check_constraints()  # PostgreSQL truncates nothing that still has a reference to look at
    with pytest.raises(Error, match=what), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert list(TaskEvent.objects.values_list("note", flat=True)) == ["看过"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE checklists_findingevent SET note = 'forged'",
        "DELETE FROM checklists_findingevent",
        "DELETE FROM checklists_findingstep",
        "DELETE FROM checklists_finding",
    ],
)
def test_findings_and_their_history_stay(statement: str, task: Task, cast: Cast) -> None:
    finding = found(task, cast)
    FindingStep.objects.create(finding=finding, due_on=DAY, what="铺路")
    FindingEvent.objects.create(id=uuid.uuid4(), finding=finding, by=cast["su"], what="opened", note="路灯不亮")
    with pytest.raises(Error, match="Cannot"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert list(FindingEvent.objects.values_list("note", flat=True)) == ["路灯不亮"]


def test_what_has_a_history_cannot_be_deleted(task: Task, cast: Cast) -> None:
    event(task, cast["lan"])
    for row in (task, cast["lan"], task.unit, task.item, task.campaign):
        with pytest.raises(models.ProtectedError), transaction.atomic():
            row.delete()


def test_a_closed_campaign_keeps_its_figures_while_others_go_on(task: Task, cast: Cast) -> None:
    """The control beside the refusals: only the closed campaign is frozen."""
    other = factories.campaign(on=timezone.localdate(), days=60)
    course.steer(task.campaign, "closed", by=cast["ada"])
    before = list(Tally.objects.filter(campaign=task.campaign).order_by("pk").values())
    assert Task.objects.filter(campaign=other).update(state="waived") > 0
    assert list(Tally.objects.filter(campaign=task.campaign).order_by("pk").values()) == before


# ---- Starting -----------------------------------------------------------------------------------------------------

PRODUCTION = {
    "SECRET_KEY": "only-for-this-test-" + "x" * 20 + "0123456789" + "abcdefghij",
    "ALLOWED_HOSTS": "ready.example.gov.cn",
    "DATABASE_URL": "postgres://user:password@127.0.0.1:5432/readiness",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
}


def start(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Django with these settings and no others of ours."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", *words],
        env=kept | {"DJANGO_SETTINGS_MODULE": "readiness.settings", "PYTHONIOENCODING": "utf-8"} | settings,
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip


def test_production_settings_pass_the_check_for_deployment() -> None:
    done = start("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_the_check_for_deployment_can_fail() -> None:
    done = start("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION, SECURE_SSL_REDIRECT="0")
    assert done.returncode != 0
    assert "security.W008" in done.stderr


@pytest.mark.parametrize("missing", [(name,) for name in PRODUCTION] + [tuple(PRODUCTION)], ids=" ".join)
def test_production_does_not_start_without(missing: tuple[str, ...]) -> None:
    """The hint names each that is missing, with an example, and none that is there."""
    given = {name: value for name, value in PRODUCTION.items() if name not in missing}
    done = start("check", **given)
    assert done.returncode != 0
    assert set(re.findall(r"^  ([A-Z_]+)=\S", done.stderr, re.MULTILINE)) == set(missing)
    assert PRODUCTION["SECRET_KEY"] not in done.stderr + done.stdout


def test_an_empty_value_is_a_missing_one() -> None:
    done = start("check", **PRODUCTION | {"SECRET_KEY": " "})
    assert done.returncode != 0
    assert "SECRET_KEY=" in done.stderr


@pytest.mark.django_db
def test_models_and_migrations_say_the_same() -> None:
    said = io.StringIO()
    call_command("makemigrations", check=True, dry_run=True, stdout=said)
    assert "No changes" in said.getvalue()
