"""Where proof lies: a directory or an S3-compatible store, and what the nightly look finds wrong there."""

import hashlib
import io
import os
import tempfile
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.core.management import call_command
from django.utils import timezone
from moto.server import ThreadedMotoServer

from checklists.evidence import arriving, keeping, nightly
from checklists.evidence.refusals import Refused
from checklists.evidence.things import Thing
from checklists.models import Campaign, Evidence, Task, Upload
from readiness.boards.tasks import check_proofs
from tests import factories, proofs
from villages.models import Cadre

pytestmark = pytest.mark.django_db
Cast = dict[str, Cadre]


@pytest.fixture
def task(campaign: Campaign) -> Task:
    return factories.task(campaign)


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    options = settings.STORAGES["proofs"]["OPTIONS"] | {"location": tmp_path}
    settings.STORAGES = settings.STORAGES | {"proofs": settings.STORAGES["proofs"] | {"OPTIONS": options}}
    return tmp_path


def arrive(task: Task, by: Cadre, body: bytes, name: str = "1.jpg") -> Evidence:
    """A file that somebody sends in one piece."""
    told = arriving.Announced(uuid.uuid4(), name, len(body))
    with tempfile.TemporaryFile() as file:
        file.write(body)
        return arriving.take_whole(Thing(task), file, told, by=by, now=timezone.now())


def settled(store: Path) -> None:
    """Everything there is older than a day."""
    old = (timezone.now() - timedelta(days=2)).timestamp()
    for path in store.rglob("*"):
        os.utime(path, (old, old))


def test_the_nightly_look_names_what_is_missing_changed_or_unknown(
    task: Task, cast: Cast, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, lost, changed = (arrive(task, cast["lan"], proofs.photo(50 + n, 50)) for n in range(3))
    call_command("check_proofs")
    (store / lost.stored).unlink()
    body = bytearray((store / changed.stored).read_bytes())
    body[-1] ^= 1
    (store / changed.stored).write_bytes(bytes(body))
    (store / "2026").mkdir(exist_ok=True)
    (store / "2026" / "stray").write_bytes(b"?")
    settled(store)
    (store / "2026" / "just now").write_bytes(b"on its way")
    with pytest.raises(SystemExit) as ended:
        call_command("check_proofs")
    said = capsys.readouterr().out
    assert ended.value.code == 1
    assert f"missing: {lost.pk}" in said
    assert f"differs: {changed.pk}" in said
    assert "without a row: 2026/stray" in said
    assert "just now" not in said
    assert (store / "2026" / "stray").exists()  # named, not deleted
    found = {one.pk: one.found_wrong for one in Evidence.objects.all()}
    assert found == {whole.pk: "", lost.pk: "missing", changed.pk: "differs"}


def test_what_nobody_finished_sending_is_given_up_with_what_it_left(task: Task, cast: Cast, store: Path) -> None:
    old, new = timezone.now() - timedelta(days=4), timezone.now()
    for at in (old, new):
        stored = keeping.new_name(at)
        Upload.objects.create(id=uuid.uuid4(), by=cast["lan"], task=task, name="1", size=5, stored=stored, at=at)
        keeping.storage().save(stored, ContentFile(b"half"))  # as a process that died left it
    settled(store)
    check_proofs()
    assert [one.at for one in Upload.objects.all()] == [new]
    assert len([path for path in store.rglob("*") if path.is_file()]) == 1
    assert nightly.look_through(now=new).orphans == []


class Failing(FileSystemStorage):
    """A directory some of whose files, or lists of files, cannot be read."""

    broken: frozenset[str] = frozenset()

    def _open(self, name: str, mode: str = "rb") -> Any:
        if name in self.broken:
            raise OSError(5, "Input/output error")
        return super()._open(name, mode)

    def listdir(self, path: str) -> Any:
        if path in self.broken:
            raise OSError(5, "Input/output error")
        return super().listdir(path)

    def get_modified_time(self, name: str) -> Any:
        if name in self.broken:
            raise OSError(5, "Input/output error")
        return super().get_modified_time(name)


def test_what_cannot_be_read_ends_no_look_and_whoever_runs_campaigns_sees_what_is_wrong(
    task: Task, cast: Cast, store: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, as_: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    ada = as_("ada")
    assert "还没有核对过" in ada.get("/state/").content.decode()
    failing = {"BACKEND": f"{__name__}.Failing", "OPTIONS": {"location": store}}
    settings.STORAGES = settings.STORAGES | {"proofs": failing}
    broken, lost, whole = (arrive(task, cast["lan"], proofs.photo(50 + n, 50)) for n in range(3))
    call_command("check_proofs")
    assert "3 个文件" in (page := ada.get("/state/").content.decode())
    assert "check_proofs" not in page
    (store / lost.stored).unlink()
    for name in ("2020/stray", "2021/stray", "2022/01/stray"):
        (store / name).parent.mkdir(parents=True)
        (store / name).write_bytes(b"?")
    settled(store)
    monkeypatch.setattr(Failing, "broken", frozenset({broken.stored, "2020/stray", "2022/"}))
    with pytest.raises(SystemExit) as ended:
        call_command("check_proofs")
    said = capsys.readouterr().out
    assert ended.value.code == 1
    assert [said.count(each) for each in ("cannot be read: ", "missing: ", "without a row: ")] == [3, 1, 1]
    assert Evidence.objects.get(pk=broken.pk).found_wrong == "", "nobody knows"
    assert Evidence.objects.get(pk=whole.pk).looked_at is not None
    page = ada.get("/state/").content.decode()
    assert all(each in page for each in ("缺失 1 个", "没有记录 1 个", "无法读取 3 个", "check_proofs"))


@pytest.mark.parametrize("batch", [nightly.BATCH, 3], ids=["within a batch", "at the end of one"])
def test_a_storage_that_is_away_is_given_up_after_a_few_files_and_asked_again_the_next_night(
    batch: int, task: Task, cast: Cast, store: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [arrive(task, cast["lan"], proofs.photo(50 + n, 50)).stored for n in range(4)]
    settings.STORAGES = settings.STORAGES | {
        "proofs": {"BACKEND": f"{__name__}.Failing", "OPTIONS": {"location": store}}
    }
    monkeypatch.setattr(nightly, "AWAY", 3)
    monkeypatch.setattr(nightly, "BATCH", batch)
    monkeypatch.setattr(Failing, "broken", frozenset(kept))
    assert (report := nightly.look_through(now=timezone.now())).left == 1
    assert (report.looked_at, len(report.unread)) == (0, 3)
    monkeypatch.setattr(Failing, "broken", frozenset())
    assert nightly.look_through(now=timezone.now()).looked_at == 4


def test_a_night_that_is_too_short_goes_on_the_next(task: Task, cast: Cast) -> None:
    for n in range(3):
        arrive(task, cast["lan"], proofs.photo(50 + n, 50))
    now = timezone.now()
    cut = nightly.look_through(now=now, until=now - timedelta(seconds=1))
    assert (cut.looked_at, cut.left) == (0, 3)
    assert nightly.look_through(now=now).looked_at == 3
    first = Evidence.objects.first()
    assert first is not None
    Evidence.objects.filter(pk=first.pk).update(looked_at=now - timedelta(days=9))
    assert nightly.look_through(now=now).looked_at == 1  # the one longest not looked at
    daily, later = timedelta(hours=20), timedelta(hours=21)
    assert nightly.look_through(now=now, again_after=daily).looked_at == 0  # all came today
    assert nightly.look_through(now=now + later, again_after=daily).looked_at == 3
    assert nightly.look_through(now=now + later, again_after=daily).looked_at == 0


def test_a_process_that_dies_between_bytes_and_row_leaves_nothing_once_the_sender_repeats(
    task: Task, cast: Cast, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = proofs.photo()
    told = arriving.Announced(uuid.uuid4(), "1.jpg", len(body), hashlib.sha256(body).hexdigest())
    upload = arriving.announce(Thing(task), told, by=cast["lan"], now=timezone.now())
    assert isinstance(upload, Upload)

    class Killed(BaseException):
        """No `except` of ours sees it, as none sees a kill -9."""

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Evidence, "save", dies)
        with pytest.raises(Killed):
            arriving.add(upload, by=cast["lan"], start=0, body=body, now=timezone.now())
    assert (len([path for path in store.rglob("*") if path.is_file()]), Evidence.objects.count()) == (2, 0)
    assert isinstance(arriving.add(upload, by=cast["lan"], start=0, body=body, now=timezone.now()), Evidence)
    assert len([path for path in store.rglob("*") if path.is_file()]) == 2
    settled(store)
    assert nightly.look_through(now=timezone.now()).is_well


# ---- S3 -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def s3(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    """An S3-compatible store on this machine, and the settings that name it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    place = {"endpoint_url": f"http://{host}:{port}", "region_name": "us-east-1"}
    client: Any = boto3.client("s3", aws_access_key_id="k", aws_secret_access_key="s", **place)  # type: ignore[call-overload]
    client.create_bucket(Bucket="proofs")
    options = {
        "bucket_name": "proofs", "access_key": "k", "secret_key": "s", "file_overwrite": True,
        "querystring_auth": False, "default_acl": "private", **place,
    }  # fmt: skip
    settings.STORAGES = settings.STORAGES | {
        "proofs": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    }
    yield server
    client.close()
    server.stop()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the stand-in's sockets
def test_an_s3_store_keeps_gives_and_forgets_and_its_absence_is_said(
    s3: ThreadedMotoServer, task: Task, cast: Cast
) -> None:
    one = arrive(task, cast["lan"], proofs.photo(99, 50))
    pdf = arrive(task, cast["lan"], proofs.pdf(), "报告.pdf")
    with keeping.open_(one.stored) as file:
        assert hashlib.sha256(file.read()).hexdigest() == one.sha256
    with keeping.open_(pdf.stored) as file:
        assert file.read() == proofs.pdf()
    keeping.keep(pdf.stored, io.BytesIO(proofs.pdf()))  # a repeat writes the same place
    storages["proofs"].save("2026/01/stray", ContentFile(b"?"))
    report = nightly.look_through(now=timezone.now() + timedelta(days=2))
    assert (report.missing, report.differs, report.orphans, report.looked_at) == ([], [], ["2026/01/stray"], 2)
    keeping.forget(one.stored)
    assert nightly.look_through(now=timezone.now() + timedelta(days=3)).missing != []
    s3.stop()
    with pytest.raises(Refused, match="存放文件的地方"):
        arrive(task, cast["lan"], proofs.photo(98, 50))
    assert (Evidence.objects.count(), Upload.objects.count()) == (2, 0)
