"""Proof: files on tasks, checks and findings, from the phone to whoever verifies."""

import hashlib
import io
import uuid
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.storage import storages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image

from checklists import course, evidence, ticks
from checklists.evidence import arriving, names
from checklists.evidence.refusals import Refused
from checklists.evidence.things import Thing
from checklists.models import Campaign, Evidence, EvidenceUse, Item, Task, Upload
from tests import factories, proofs
from tests.factories import MAPLE, WILLOW
from villages.models import Cadre

pytestmark = pytest.mark.django_db
Cast = dict[str, Cadre]
As = Callable[[str], Client]


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    """A storage of the test's own."""
    options = settings.STORAGES["proofs"]["OPTIONS"] | {"location": tmp_path}
    settings.STORAGES = settings.STORAGES | {"proofs": settings.STORAGES["proofs"] | {"OPTIONS": options}}
    return tmp_path


@pytest.fixture
def task(campaign: Campaign) -> Task:
    return factories.task(campaign)


def files(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file()]


def send(client: Client, task: Task, *bodies: Any, **fields: Any) -> Any:
    return client.post(f"/tasks/{task.pk}/proofs/", proofs.form(*bodies, **fields), follow=True)


def needs_proof(task: Task) -> Task:
    Item.objects.filter(pk=task.item_id).update(needs_proof=True)
    return Task.objects.for_list().get(pk=task.pk)


def body_of(answer: Any) -> bytes:
    """All that is streamed."""
    return b"".join(answer.streaming_content)


def announced(body: bytes, **fields: Any) -> dict[str, Any]:
    told = {"upload": str(uuid.uuid4()), "name": "现场.jpg", "size": len(body)}
    return told | {"sha256": hashlib.sha256(body).hexdigest(), "from_camera": "true", "whole": "1"} | fields


def part(client: Client, number: str, start: int | str, body: bytes) -> Any:
    return client.post(f"/uploads/{number}/?start={start}", body, content_type="application/octet-stream")


# ---- A file comes in one piece -----------------------------------------------------------------------------------


def test_a_photo_is_kept_upright_and_without_what_it_told_of_its_place(as_: As, task: Task, store: Path) -> None:
    body = proofs.photo_of_a_phone(turned=6) + b"PK\x03\x04 a tail"
    answer = send(as_("lan"), task, proofs.sent(body, "IMG_1.JPG"))
    assert answer.redirect_chain == [(f"/tasks/{task.pk}/#proofs", 302)]
    one = Evidence.objects.get()
    assert (one.kind, one.name, one.by.name, one.from_camera) == ("photo", "IMG_1.JPG", "Lan", False)
    assert one.taken_at is not None
    assert timezone.localtime(one.taken_at).isoformat() == "2026-11-20T09:30:00+08:00"
    assert one.sent_sha256 == hashlib.sha256(body).hexdigest()
    with storages["proofs"].open(one.stored) as file:
        written = file.read()
    assert one.sha256 == hashlib.sha256(written).hexdigest()
    assert one.size == len(written)
    kept = Image.open(io.BytesIO(written))
    assert (kept.format, kept.size) == ("JPEG", (480, 640))
    assert not kept.getexif()
    assert b"Telephone" not in written
    assert b"PK\x03\x04" not in written
    red, _, blue = kept.getpixel((240, 40)), None, kept.getpixel((240, 600))  # turned to the right: left is on top
    assert red[0] > 200 > 60 > red[2]  # type: ignore[index]
    assert blue[2] > 200 > 60 > blue[0]  # type: ignore[index]
    assert len(files(store)) == 2
    assert Upload.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "name", "kind", "content_type"),
    [
        (proofs.pdf(), "报告.pdf", "pdf", "application/pdf"),
        (proofs.word(), "报告.docx", "word", names.CONTENT_TYPES["word"]),
        (proofs.sheet(), "台账.xlsx", "sheet", names.CONTENT_TYPES["sheet"]),
        ("走访记录".encode("gb18030"), "记录.txt", "text", "text/plain"),
        ("户,人\n1,2\n".encode("utf-8-sig"), "表.csv", "text", "text/plain"),
        ("走访记录".encode("utf-16"), "记录.txt", "text", "text/plain"),
    ],
    ids=["pdf", "word", "sheet", "gb18030", "csv", "utf-16"],
)
def test_a_document_is_kept_as_it_came_and_only_taken_along(
    as_: As, task: Task, body: bytes, name: str, kind: str, content_type: str
) -> None:
    lan = as_("lan")
    send(lan, task, proofs.sent(body, name))
    one = Evidence.objects.get()
    assert (one.kind, one.thumbnail, one.sha256, one.sent_sha256) == (kind, "", one.sent_sha256, one.sha256)
    answer = lan.get(f"/proofs/{one.pk}/")
    assert body_of(answer) == body
    assert answer["Content-Type"] == content_type
    assert answer["Content-Disposition"].startswith("attachment; filename")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    assert lan.get(f"/proofs/{one.pk}/thumbnail/").status_code == 404


def test_several_files_at_once_each_get_their_own_answer(as_: As, task: Task, store: Path) -> None:
    good, bad = proofs.sent(proofs.photo(), "好.jpg"), proofs.sent(b"", "空.jpg")
    answer = send(as_("lan"), task, good, bad, proofs.sent(proofs.pdf(), "二.pdf"))
    said = answer.content.decode()
    assert sorted(Evidence.objects.values_list("name", flat=True)) == ["二.pdf", "好.jpg"]
    assert "空.jpg: 文件是空的" in said
    assert "已添加 2 个文件" in said


def test_the_camera_and_the_gallery_are_told_apart(as_: As, task: Task) -> None:
    as_("lan").post(f"/tasks/{task.pk}/proofs/", {"camera": proofs.sent(proofs.photo(), "c.jpg"), "whole": "1"})
    assert Evidence.objects.get().from_camera is True


def test_26_mb_is_refused_in_words_and_25_are_not_too_many(as_: As, task: Task, settings: Any) -> None:
    settings.PROOF_MEGABYTES, settings.PROOF_MEGABYTES_AT_ONCE = 1, 4
    answer = send(as_("lan"), task, proofs.sent(proofs.pdf(b"x" * (1 << 20)), "大.pdf"))
    assert "大.pdf: 每个文件最大 1 MB" in answer.content.decode()
    assert Evidence.objects.count() == 0
    send(as_("lan"), task, proofs.sent(proofs.pdf(b"x" * ((1 << 20) - 200)), "小.pdf"))
    assert Evidence.objects.count() == 1


def test_a_body_that_was_cut_off_before_its_end_leaves_nothing(as_: As, task: Task) -> None:
    """The last field of the form is missing; a text would else be kept in half."""
    as_("lan").post(f"/tasks/{task.pk}/proofs/", {"files": proofs.sent("一半".encode(), "a.txt")})
    assert Evidence.objects.count() == 0


def test_there_is_an_end_to_what_one_person_sends_in_a_day(as_: As, task: Task, settings: Any) -> None:
    settings.PROOFS_A_DAY = 1
    send(as_("lan"), task, proofs.sent(proofs.photo()))
    assert "今天已上传 1 个文件" in send(as_("lan"), task, proofs.sent(proofs.photo())).content.decode()
    send(as_("bao"), task, proofs.sent(proofs.photo()))
    Evidence.objects.update(at=timezone.now() - timedelta(days=1))
    send(as_("lan"), task, proofs.sent(proofs.photo()))
    assert Evidence.objects.count() == 3


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.jpg", "passwd.jpg"),
        ("C:\\照片\\一.jpg", "一.jpg"),
        ("a\r\nX-Evil: 1.jpg", "a X-Evil 1.jpg"),
        ("照片\u202egpj.exe", "照片 gpj.exe"),
        ("<script>.jpg", "script.jpg"),
        ("e\u0301.jpg", "é.jpg"),
        ("长" * 300 + ".jpg", "长" * 116 + ".jpg"),
        ("\x00\x01", "file"),
        ("\ud800.jpg", "jpg"),
        ("  . .", "file"),
    ],
)
def test_a_name_is_made_harmless(given: str, kept: str) -> None:
    assert names.harmless(given) == kept
    assert len(names.harmless(given)) <= 120


def test_a_name_is_shown_escaped_and_served_safely(as_: As, task: Task) -> None:
    lan = as_("lan")
    evil = proofs.kept(task, Cadre.objects.get(username="lan"), name="'\"><img src=x onerror=1>\u202e.jpg")
    page = lan.get(task.get_absolute_url()).content.decode()
    assert "<img src=x" not in page
    storages["proofs"].save(evil.stored, io.BytesIO(b"1"))  # type: ignore[arg-type]
    answer = lan.get(f"/proofs/{evil.pk}/")
    body_of(answer)
    disposition = answer["Content-Disposition"]
    assert "\n" not in disposition
    assert disposition.startswith("inline; filename")


# ---- A file comes in parts ---------------------------------------------------------------------------------------


def test_parts_become_one_file_with_the_last_and_nothing_is_seen_before(as_: As, task: Task, store: Path) -> None:
    lan, body = as_("lan"), proofs.photo(400, 300)
    told = announced(body)
    address = f"/tasks/{task.pk}/proofs/"
    assert lan.post(address, told).json() == {"come": 0, "part": 1 << 18}
    half = len(body) // 2
    assert part(lan, told["upload"], 0, body[:half]).json()["come"] == half
    assert Evidence.objects.count() == 0
    assert files(store) == []
    assert lan.post(address, told).json()["come"] == half  # announced again: it goes on there
    assert lan.get(f"/uploads/{told['upload']}/").json()["come"] == half
    assert part(lan, told["upload"], 0, body[:half]).json()["come"] == half  # a repeat
    assert part(lan, told["upload"], half, body[half:]).json() == {"done": True}
    assert part(lan, told["upload"], half, body[half:]).json() == {"done": True}  # a repeat
    assert lan.get(f"/uploads/{told['upload']}/").json() == {"done": True}
    assert lan.post(address, told).json() == {"done": True}
    one = Evidence.objects.get()
    assert (str(one.pk), one.sent_sha256, one.from_camera) == (told["upload"], told["sha256"], True)
    assert EvidenceUse.objects.count() == 1
    assert Upload.objects.count() == 0


def test_what_does_not_fit_is_refused_and_what_has_come_stays(as_: As, task: Task) -> None:
    lan, body = as_("lan"), proofs.photo(400, 300)
    told = announced(body)
    lan.post(f"/tasks/{task.pk}/proofs/", told)
    number = told["upload"]
    part(lan, number, 0, body[:100])
    assert part(lan, number, 0, b"x" * 100).status_code == 409  # another body for the same place
    assert part(lan, number, 50, body[50:90]).status_code == 409  # overlaps
    assert part(lan, number, 200, body[200:]).status_code == 409  # leaves a gap
    assert part(lan, number, 100, body[100:] + b"x").status_code == 409  # longer than announced
    assert part(lan, number, 100, b"").status_code == 422
    assert lan.post(f"/uploads/{number}/?start=-1", b"x", content_type="application/octet-stream").status_code == 422
    assert lan.post(f"/uploads/{number}/", {"start": "100"}).status_code == 422
    for wrong in ("²", "１", "-1", "+1", " 1", "1_0", "", "9" * 5000):
        refused = lan.post(f"/uploads/{number}/?start=100", b"x", content_type="application/octet-stream",
                           CONTENT_LENGTH=wrong)  # fmt: skip
        assert refused.status_code in (400, 413), wrong
        for start in (wrong, "0" * 10):
            assert part(lan, number, start, b"x").status_code in (413, 422), wrong
    assert part(lan, number, 100, b"x" * ((1 << 20) + 1)).status_code == 413
    assert Upload.objects.get().come == 100
    assert part(lan, number, 100, body[100:]).json() == {"done": True}


def test_a_number_stands_for_one_file(as_: As, task: Task, campaign: Campaign) -> None:
    lan, body = as_("lan"), proofs.photo()
    told = announced(body)
    other = f"/tasks/{factories.task(campaign, 'v-2').pk}/proofs/"
    address = f"/tasks/{task.pk}/proofs/"
    lan.post(address, told)
    for done in (False, True):
        for wrong in ({"sha256": "0" * 64}, {"size": 5}, {"name": "x.jpg"}) if not done else ({"sha256": "0" * 64},):
            assert lan.post(address, told | wrong).status_code == 409
        assert lan.post(other, told).status_code == 409
        assert as_("bao").post(address, told).status_code == 409
        if not done:
            part(lan, told["upload"], 0, body)
    assert Evidence.objects.count() == 1


def test_what_arrived_is_held_against_what_was_announced(as_: As, task: Task) -> None:
    lan, body = as_("lan"), proofs.photo()
    told = announced(body, sha256="0" * 64)
    lan.post(f"/tasks/{task.pk}/proofs/", told)
    answer = part(lan, told["upload"], 0, body)
    assert (answer.status_code, Upload.objects.count(), Evidence.objects.count()) == (422, 0, 0)
    assert "与发送的不一致" in answer.json()["refused"]


def test_nobody_adds_to_or_asks_about_somebody_elses_file(as_: As, task: Task) -> None:
    told = announced(proofs.photo())
    as_("lan").post(f"/tasks/{task.pk}/proofs/", told)
    for who in ("bao", "ada", "chen"):
        assert as_(who).get(f"/uploads/{told['upload']}/").status_code == 404
        assert part(as_(who), told["upload"], 0, b"x").status_code == 404


def test_a_right_that_ended_on_the_way_counts(as_: As, task: Task, cast: Cast, store: Path) -> None:
    lan, body = as_("lan"), proofs.photo()
    told = announced(body)
    lan.post(f"/tasks/{task.pk}/proofs/", told)
    cast["lan"].posts.update(until=timezone.localdate())
    assert part(lan, told["upload"], 0, body).status_code == 403
    assert (Evidence.objects.count(), files(store)) == (0, [])


# ---- Who may -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"),
    [("lan", 302), ("lin", 302), ("bao", 302), ("tang", 302), ("su", 302), ("mei", 403), ("an", 403), ("hong", 404)],
)
def test_proof_is_added_by_who_ticks_or_checks(as_: As, task: Task, who: str, status: int) -> None:
    sent = proofs.form(proofs.sent(proofs.photo()))
    assert as_(who).post(f"/tasks/{task.pk}/proofs/", sent).status_code == status
    assert Evidence.objects.count() == (status == 302)


def test_what_was_seen_on_a_round_is_shown_by_its_inspector_alone(as_: As, task: Task, cast: Cast) -> None:
    check = proofs.seen(task, cast["su"])
    for who, status in (("ada", 403), ("lan", 403), ("su", 302)):
        sent = proofs.form(proofs.sent(proofs.photo()))
        assert as_(who).post(f"/checks/{check.pk}/proofs/", sent).status_code == status
    assert EvidenceUse.objects.get().check_seen == check


def test_a_finding_takes_proof(as_: As, task: Task, cast: Cast) -> None:
    finding = proofs.found(task, cast["su"])
    for who, status in (("hong", 404), ("mei", 403), ("lan", 302)):
        sent = proofs.form(proofs.sent(proofs.photo()))
        assert as_(who).post(f"/findings/{finding.pk}/proofs/", sent).status_code == status
    assert EvidenceUse.objects.get().finding == finding


def stored(task: Task, by: Cadre, **fields: Any) -> Evidence:
    one = proofs.kept(task, by, thumbnail=f"x/{uuid.uuid4()}", **fields)
    for name in (one.stored, one.thumbnail):
        storages["proofs"].save(name, io.BytesIO(proofs.photo()))  # type: ignore[arg-type]
    return one


def addresses(one: Evidence) -> list[str]:
    return [
        f"/proofs/{one.pk}/",
        f"/proofs/{one.pk}/thumbnail/",
        f"/campaigns/{one.campaign_id}/units/{one.unit_id}/proofs.zip",
    ]


def status(client: Client, address: str) -> int:
    answer = client.get(address)
    if answer.streaming:
        body_of(answer)
    return answer.status_code


def test_nobody_takes_along_another_units_proof(as_: As, task: Task, cast: Cast) -> None:
    """Original, thumbnail, all at once; by guessed address, after the post ended, after the task was retired."""
    one = stored(task, cast["lan"])
    for who in ("hong", "deng", "chen", "nobody"):
        assert [status(as_(who), address) for address in addresses(one)] == [404, 404, 404], who
    Task.objects.filter(pk=task.pk).update(retired_at=timezone.now())
    for who, wanted in (("bao", 200), ("tang", 200), ("mei", 200), ("lan", 403), ("an", 403)):
        assert [status(as_(who), address) for address in addresses(one)] == [200, 200, wanted], who
    cast["lan"].posts.update(until=timezone.localdate())
    assert [status(as_("lan"), address) for address in addresses(one)] == [404, 404, 404]
    assert [status(Client(), address) for address in addresses(one)] == [302, 302, 302]


def test_behind_a_proxy_the_bytes_are_its_work_and_the_right_is_ours(
    as_: As, task: Task, cast: Cast, settings: Any
) -> None:
    settings.X_ACCEL_REDIRECT = "/kept/"
    one = stored(task, cast["lan"])
    answer = as_("lan").get(f"/proofs/{one.pk}/")
    assert (answer["X-Accel-Redirect"], answer.content) == (f"/kept/{one.stored}", b"")
    assert "X-Accel-Redirect" not in as_("hong").get(f"/proofs/{one.pk}/")


def test_all_of_a_unit_come_in_one_zip_each_once(as_: As, task: Task, cast: Cast) -> None:
    first, second = stored(task, cast["lan"], name="同名.jpg"), stored(task, cast["lan"], name="同名.jpg")
    EvidenceUse.objects.create(evidence=first, finding=proofs.found(task, cast["su"]), by=cast["su"])
    gone = proofs.kept(task, cast["lan"], name="不在.jpg")
    answer = as_("tang").get(addresses(first)[2])
    packed = zipfile.ZipFile(io.BytesIO(body_of(answer)))
    assert packed.testzip() is None
    assert len([name for name in packed.namelist() if "同名" in name]) == 2
    assert gone.name in packed.read("!.txt").decode()
    assert second.size
    assert "柳村" in answer["Content-Disposition"] or "filename*" in answer["Content-Disposition"]


# ---- What is there already ---------------------------------------------------------------------------------------


def test_what_is_there_already_serves_again_in_its_own_unit(as_: As, campaign: Campaign, cast: Cast) -> None:
    task, other = factories.task(campaign), factories.task(campaign, "v-2")
    one = proofs.kept(task, cast["lan"])
    abroad = proofs.kept(factories.task(campaign, "v-1", MAPLE), cast["hong"])
    assert f'value="{one.pk}"' in as_("lan").get(other.get_absolute_url()).content.decode()
    for _twice in range(2):
        as_("lan").post(f"/tasks/{other.pk}/proofs/", {"attach": [str(one.pk), str(abroad.pk)]})
    assert list(EvidenceUse.objects.filter(task=other).values_list("evidence", flat=True)) == [one.pk]
    assert as_("lan").post(f"/tasks/{other.pk}/proofs/", {"attach": ["no"]}).status_code == 422


def test_the_same_bytes_elsewhere_are_shown_within_sight(as_: As, campaign: Campaign, cast: Cast) -> None:
    task, maple = factories.task(campaign), factories.task(campaign, "v-2", MAPLE)
    earlier = factories.campaign(on=timezone.localdate() - timedelta(days=200))
    before = factories.task(earlier, "v-1", WILLOW)
    for where, who in ((task, "lan"), (maple, "hong"), (before, "lan")):
        proofs.kept(where, cast[who], sent_sha256="c" * 64)
    said = as_("bao").get(task.get_absolute_url()).content.decode()
    assert "同一文件还用于 2 处" in said
    assert maple.get_absolute_url() in said
    assert before.get_absolute_url() in said
    seen_by_lan = as_("lan").get(task.get_absolute_url()).content.decode()
    assert maple.get_absolute_url() not in seen_by_lan  # what lies elsewhere is not told
    assert "同一文件还用于 1 处" in seen_by_lan


def test_a_file_is_taken_back_by_its_sender_within_a_day(as_: As, task: Task, store: Path) -> None:
    lan = as_("lan")
    send(lan, task, proofs.sent(proofs.photo()))
    one = Evidence.objects.get()
    assert as_("bao").post(f"/proofs/{one.pk}/take-back/").status_code == 403
    Evidence.objects.update(at=timezone.now() - timedelta(hours=25))
    lan.post(f"/proofs/{one.pk}/take-back/")
    assert Evidence.objects.there().count() == 1
    Evidence.objects.update(at=timezone.now())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda do: do())
        for _twice in range(2):
            lan.post(f"/proofs/{one.pk}/take-back/")
    gone = Evidence.objects.get()
    assert (gone.stored, gone.removed_by, gone.sha256) == ("", Cadre.objects.get(username="lan"), one.sha256)
    assert files(store) == []
    assert lan.get(f"/proofs/{one.pk}/").status_code == 404
    assert "撤回" in lan.get(task.get_absolute_url()).content.decode()


def test_what_a_verified_task_rests_on_stays(task: Task, cast: Cast) -> None:
    one = proofs.kept(task, cast["lan"])
    for who, state in (("lan", "done"), ("lin", "verified")):
        task = ticks.record(task, by=cast[who], event=uuid.uuid4(), state=state).task
    with pytest.raises(Refused, match="一项任务已凭此文件核实"):
        evidence.take_back(one, by=cast["lan"], now=timezone.now())
    with pytest.raises(PermissionDenied):
        evidence.take_back(one, by=cast["bao"], now=timezone.now())
    assert Evidence.objects.there().exists()


# ---- An item that asks for proof ---------------------------------------------------------------------------------


def test_a_tick_always_stands_and_verifying_waits_for_a_file(as_: As, task: Task, cast: Cast) -> None:
    task = needs_proof(task)
    lan, lin = as_("lan"), as_("lin")
    assert "核实前需" in lan.get(task.get_absolute_url()).content.decode()
    assert lan.post(f"/tasks/{task.pk}/tick/", factories.body()).status_code == 302
    for page in (f"/tasks/{task.pk}/", f"/campaigns/{task.campaign_id}/units/{WILLOW}/"):
        assert "佐证待补" in lan.get(page).content.decode()
    refused = lin.post(f"/tasks/{task.pk}/tick/", factories.body("verified"))
    assert refused.status_code == 422
    assert "还没有佐证" in refused.content.decode()
    send(lan, task, proofs.sent(proofs.photo()))
    assert "佐证待补" not in lan.get(f"/campaigns/{task.campaign_id}/units/{WILLOW}/").content.decode()
    assert lin.post(f"/tasks/{task.pk}/tick/", factories.body("verified")).status_code == 302


def test_a_file_taken_back_does_not_count(task: Task, cast: Cast) -> None:
    task = needs_proof(task)
    one = proofs.kept(task, cast["lan"])
    assert not task.lacks_proof
    evidence.take_back(one, by=cast["lan"], now=timezone.now())
    assert Task.objects.for_list().get(pk=task.pk).lacks_proof


def test_a_list_asks_about_proof_once_and_only_if_an_item_does(as_: As, campaign: Campaign, cast: Cast) -> None:
    lan, page = as_("lan"), f"/campaigns/{campaign.pk}/units/{WILLOW}/"
    Task.objects.filter(unit_id=WILLOW).update(state="done", done_by=cast["lan"], done_at=timezone.now())
    costs = []
    for asking in (0, 1, 3):
        for item in campaign.items.all()[:asking]:
            Item.objects.filter(pk=item.pk).update(needs_proof=True)
        lan.get(page)
        with CaptureQueriesContext(connection) as queries:
            lan.get(page)
        costs.append(len(queries))
    assert costs[1] == costs[2] == costs[0] + 1


def test_a_tasks_page_asks_as_often_whatever_lies_there(as_: As, task: Task, cast: Cast) -> None:
    bao, costs = as_("bao"), []
    bao.get(task.get_absolute_url())
    for more in (1, 20):
        for _ in range(more):
            proofs.kept(task, cast["lan"], sent_sha256="c" * 64)
        with CaptureQueriesContext(connection) as queries:
            bao.get(task.get_absolute_url())
        costs.append(len(queries))
    assert costs[0] == costs[1]


@pytest.mark.parametrize("status", ["paused", "closed"])
def test_a_campaign_that_does_not_run_takes_no_files(
    as_: As, task: Task, cast: Cast, campaign: Campaign, status: str, store: Path
) -> None:
    lan, body = as_("lan"), proofs.photo()
    told = announced(body)
    lan.post(f"/tasks/{task.pk}/proofs/", told)
    course.steer(campaign, status, by=cast["ada"], note="汛期")
    assert part(lan, told["upload"], 0, body).status_code == 409
    assert "文件未保存" in send(lan, task, proofs.sent(body)).content.decode()
    assert (Evidence.objects.count(), files(store)) == (0, [])
    assert f'action="/tasks/{task.pk}/proofs/"' not in lan.get(task.get_absolute_url()).content.decode()


# ---- A storage that is full or gone ------------------------------------------------------------------------------


def test_a_full_storage_answers_in_words_and_leaves_nothing(as_: As, task: Task, settings: Any, tmp_path: Path) -> None:
    """A directory that is a file says so to whoever writes."""
    lan = as_("lan")
    wall = tmp_path / "wall"
    wall.write_text("no directory")
    options = settings.STORAGES["proofs"]["OPTIONS"] | {"location": wall}
    settings.STORAGES = settings.STORAGES | {"proofs": settings.STORAGES["proofs"] | {"OPTIONS": options}}
    assert lan.post(f"/tasks/{task.pk}/tick/", factories.body()).status_code == 302
    said = send(lan, task, proofs.sent(proofs.photo())).content.decode()
    assert "存放文件的地方已满或无法访问" in said
    assert (Evidence.objects.count(), EvidenceUse.objects.count(), Upload.objects.count()) == (0, 0, 0)
    assert factories.task(task.campaign).state == "done"
    one = proofs.kept(task, Cadre.objects.get(username="lan"))
    assert lan.get(f"/proofs/{one.pk}/").status_code == 503


def test_a_part_that_could_not_be_kept_can_be_sent_again(
    as_: As, task: Task, settings: Any, tmp_path: Path, store: Path
) -> None:
    lan, body = as_("lan"), proofs.photo()
    told = announced(body)
    lan.post(f"/tasks/{task.pk}/proofs/", told)
    good = settings.STORAGES
    wall = tmp_path / "wall"
    wall.write_text("no directory")
    options = good["proofs"]["OPTIONS"] | {"location": wall}
    settings.STORAGES = good | {"proofs": good["proofs"] | {"OPTIONS": options}}
    assert part(lan, told["upload"], 0, body).status_code == 503
    settings.STORAGES = good
    assert part(lan, told["upload"], 0, body).json() == {"done": True}
    assert Evidence.objects.get().sent_sha256 == told["sha256"]


def test_an_announcement_that_makes_no_sense_is_refused(as_: As, task: Task, cast: Cast) -> None:
    lan = as_("lan")
    for wrong in (
        {"upload": "1"},
        {"size": "-1"},
        {"size": "a"},
        {"sha256": "xyz"},
        {"size": 0},
        {"size": 10**9},
        {"whole": ""},
    ):
        answer = lan.post(f"/tasks/{task.pk}/proofs/", announced(b"x") | wrong)
        assert answer.status_code in (413, 422), wrong
        assert answer.json()["refused"]
    assert Upload.objects.count() == 0
    with pytest.raises(Refused, match="涉密"):
        arriving.announce(
            Thing(task), arriving.Announced(uuid.uuid4(), "机密★1年.pdf", 5), by=cast["lan"], now=timezone.now()
        )
