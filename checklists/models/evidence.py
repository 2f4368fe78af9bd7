"""Proof: files on tasks, checks and findings. Nothing counts them."""

from typing import Self

import pgtrigger
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from checklists.models.campaign import Campaign
from checklists.models.draw import Check
from checklists.models.finding import Finding
from checklists.models.task import Task
from villages import access
from villages.models import Cadre, Unit


class EvidenceQuerySet(models.QuerySet["Evidence"]):
    """Sentences about proof."""

    def visible_to(self, user: access.Person) -> Self:
        """Files of units in the user's sight; and one's own of what one saw on a round elsewhere, while in office."""
        me = getattr(user, "pk", None) if access.may_go_on_rounds(user) else None
        on_rounds = Exists(EvidenceUse.objects.filter(evidence=OuterRef("pk"), check_seen__by=me))
        return self.filter(access.within("unit__code", user) | (Q(by=me) & on_rounds))

    def there(self) -> Self:
        """Not taken away again."""
        return self.filter(removed_at__isnull=True)


class Evidence(models.Model):
    """佐证材料: one file, kept once, that may serve many tasks of its unit."""

    class Kind(models.TextChoices):
        PHOTO = "photo", _("photo")
        PDF = "pdf", "PDF"
        WORD = "word", "Word"
        SHEET = "sheet", "Excel"
        TEXT = "text", _("text")

    class Wrong(models.TextChoices):
        MISSING = "missing", _("the file is missing")
        DIFFERS = "differs", _("the file is not the one that was sent")

    id = models.UUIDField(primary_key=True)  # made by whoever sends it: the same one twice is one file
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="+")
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(pgettext_lazy("file", "name"), max_length=120)  # as its sender calls it, made harmless
    # Names in the storage, ours; empty once the file is taken away.
    stored = models.CharField(max_length=100, blank=True)
    thumbnail = models.CharField(max_length=100, blank=True)
    size = models.PositiveIntegerField()  # bytes, as kept
    sha256 = models.CharField(max_length=64)  # of what is kept
    sent_sha256 = models.CharField(max_length=64)  # of what came in: knows the same photo again
    taken_at = models.DateTimeField(null=True, blank=True)  # by the camera's clock, which may be wrong
    from_camera = models.BooleanField(
        null=True, blank=True
    )  # taken on the spot; False: from the gallery; None: unknown
    by = models.ForeignKey(Cadre, models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField(db_default=Now())
    removed_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    removed_at = models.DateTimeField(null=True, blank=True)
    # What the nightly look at the storage says; None: not looked at yet.
    looked_at = models.DateTimeField(null=True, blank=True)
    found_wrong = models.CharField(max_length=10, choices=Wrong.choices, blank=True, default="", db_default="")

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("proof")
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(name="evidence_stored_once", fields=["stored"], condition=~Q(stored="")),
            models.CheckConstraint(
                name="evidence_kind_is_known", condition=Q(kind__in=("photo", "pdf", "word", "sheet", "text"))
            ),
            models.CheckConstraint(
                name="evidence_is_wrong_in_a_known_way", condition=Q(found_wrong__in=("", "missing", "differs"))
            ),
            models.CheckConstraint(
                name="evidence_is_kept_until_it_is_removed",
                condition=(Q(removed_at__isnull=True, removed_by__isnull=True) & ~Q(stored=""))
                | Q(removed_at__isnull=False, removed_by__isnull=False, stored="", thumbnail=""),
            ),
        ]
        indexes = [
            models.Index(name="evidence_by_unit", fields=["unit", "campaign", "at"]),
            models.Index(name="evidence_by_what_was_sent", fields=["sent_sha256"]),
            models.Index(name="evidence_by_sender", fields=["by", "at"]),  # so many a day
            models.Index(name="evidence_by_last_look", fields=["looked_at"]),
        ]
        triggers = [pgtrigger.Protect(name="evidence_stays", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.name


class StorageLook(models.Model):
    """The one row that says what the last look through the storage found that no file's own row can say."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField()
    looked_at = models.PositiveIntegerField()  # files
    left = models.PositiveIntegerField()  # for the next look
    orphans = models.PositiveIntegerField()  # files without a row
    unread = models.PositiveIntegerField()  # what the storage would not show

    class Meta:
        constraints = [models.CheckConstraint(name="storage_look_is_one", condition=Q(id=1))]

    def __str__(self) -> str:
        return str(self.at)


class EvidenceUse(models.Model):
    """What a file is proof of: one task, one check or one finding."""

    evidence = models.ForeignKey(Evidence, models.PROTECT, related_name="uses")
    task = models.ForeignKey(Task, models.PROTECT, null=True, blank=True, related_name="proofs")
    check_seen = models.ForeignKey(Check, models.PROTECT, null=True, blank=True, related_name="proofs")
    finding = models.ForeignKey(Finding, models.PROTECT, null=True, blank=True, related_name="proofs")
    by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            models.CheckConstraint(
                name="evidence_is_of_one_thing",
                condition=Q(task__isnull=False, check_seen__isnull=True, finding__isnull=True)
                | Q(task__isnull=True, check_seen__isnull=False, finding__isnull=True)
                | Q(task__isnull=True, check_seen__isnull=True, finding__isnull=False),
            ),
            models.UniqueConstraint(
                name="evidence_once_per_thing",
                fields=["evidence", "task", "check_seen", "finding"],
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.evidence_id} → {self.task_id or self.check_seen_id or self.finding_id}"


class UploadQuerySet(models.QuerySet["Upload"]):
    """Sentences about files on their way."""

    def visible_to(self, user: access.Person) -> Self:
        """The user's own."""
        return self.filter(by=getattr(user, "pk", None))


class Upload(models.Model):
    """A file on its way: what has come so far lies in the database, so none is ever seen in half."""

    id = models.UUIDField(primary_key=True)  # becomes the id of the `Evidence`
    by = models.ForeignKey(Cadre, models.CASCADE, related_name="+", db_index=False)
    task = models.ForeignKey(Task, models.CASCADE, null=True, blank=True, related_name="+")
    check_seen = models.ForeignKey(Check, models.CASCADE, null=True, blank=True, related_name="+")
    finding = models.ForeignKey(Finding, models.CASCADE, null=True, blank=True, related_name="+")
    name = models.CharField(max_length=400)
    size = models.PositiveIntegerField()  # bytes, as announced
    sha256 = models.CharField(max_length=64, blank=True)  # as announced; the same announced twice goes on
    from_camera = models.BooleanField(null=True, blank=True)
    come = models.PositiveIntegerField(default=0, db_default=0)  # bytes so far, without a gap
    # Where it will be kept, decided beforehand: whoever dies on the way leaves nothing that nobody knows of.
    stored = models.CharField(max_length=100, unique=True)
    at = models.DateTimeField(db_default=Now())

    objects = UploadQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="upload_is_for_one_thing",
                condition=Q(task__isnull=False, check_seen__isnull=True, finding__isnull=True)
                | Q(task__isnull=True, check_seen__isnull=False, finding__isnull=True)
                | Q(task__isnull=True, check_seen__isnull=True, finding__isnull=False),
            ),
            models.CheckConstraint(name="upload_is_no_longer_than_announced", condition=Q(come__lte=F("size"))),
        ]
        indexes = [
            models.Index(name="upload_by_time", fields=["at"]),
            models.Index(name="upload_by_sender", fields=["by", "at"]),
        ]

    def __str__(self) -> str:
        return self.name


class UploadPart(models.Model):
    """A piece of a file on its way."""

    upload = models.ForeignKey(Upload, models.CASCADE, related_name="parts")
    start = models.PositiveIntegerField()  # byte offset
    body = models.BinaryField()

    class Meta:
        ordering = ["start"]
        constraints = [models.UniqueConstraint(name="upload_part_once", fields=["upload", "start"])]

    def __str__(self) -> str:
        return f"{self.upload_id} {self.start}"
