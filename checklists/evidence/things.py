"""What a file is proof of: a task, what was seen on a round, or a finding. All three are asked the same."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from checklists.evidence.refusals import Refused
from checklists.models import Campaign, Check, Evidence, Finding, Task, Upload
from villages import access
from villages.models import Cadre


@dataclass(frozen=True)
class Thing:
    """One of the three, and what decides about proof of it."""

    row: Task | Check | Finding

    @classmethod
    def of(cls, upload: Upload) -> "Thing":
        """What a file on its way is for."""
        rows: list[Task | Check | Finding | None] = [upload.task, upload.check_seen, upload.finding]
        return cls(next(row for row in rows if row is not None))

    @property
    def named(self) -> dict[str, Any]:
        """As `EvidenceUse` and `Upload` name it."""
        names = {Task: "task", Check: "check_seen", Finding: "finding"}
        return {names[type(self.row)]: self.row}

    @property
    def unit_id(self) -> str:
        return self.row.task.unit_id if isinstance(self.row, Check) else self.row.unit_id

    @property
    def campaign(self) -> Campaign:
        return self.row.task.campaign if isinstance(self.row, Check) else self.row.campaign

    def held(self) -> "Thing":
        """As it is now, until the caller's transaction ends: closing its campaign, or bringing its tasks up to date,
        waits.

        Raises:
            Refused: it is gone, as nobody had ever touched it.
        """
        Campaign.objects.raw("SELECT id FROM checklists_campaign WHERE id = %s FOR SHARE", [self.campaign.pk])[0]
        rows: Any = type(self.row)._default_manager
        task = "task__" if isinstance(self.row, Check) else ""
        now = rows.select_related(f"{task}campaign").filter(pk=self.row.pk).first()
        if now is None:
            raise Refused(_("This task is no longer asked for. The file was not saved."), 409)
        return Thing(now)

    def may(self, user: Cadre) -> access.Verdict:
        """Whether the user may add to it."""
        if isinstance(self.row, Check):
            return access.may_prove_what_was_seen(user, self.row)
        if isinstance(self.row, Finding) and access.may_put_right(user, self.unit_id, self.row.responsible_id):
            return access.YES
        return access.may_prove(user, self.unit_id)

    @property
    def closed(self) -> "str | Promise":
        """Why nobody adds anything now; empty: it is open. Findings are settled after the campaign's end, too."""
        if not isinstance(self.row, Finding) and not self.campaign.is_running:
            return _("This campaign takes no changes now. The file was not saved.")
        if isinstance(self.row, Task) and self.row.retired_at is not None:
            return _("This task is no longer asked for. The file was not saved.")
        if isinstance(self.row, Check) and self.row.round.is_over:
            return _("This round is finished and takes nothing more. The file was not saved.")
        return ""

    @property
    def address(self) -> str:
        """Where files for it are sent."""
        (name,) = self.named
        return reverse({"task": "task_proofs", "check_seen": "check_proofs", "finding": "finding_proofs"}[name],
                       args=[self.row.pk])  # fmt: skip

    @property
    def page(self) -> str:
        """Where it is shown."""
        if isinstance(self.row, Check):
            return f"{reverse('round', args=[self.row.round_id])}#task-{self.row.task_id}"
        return f"{self.address.removesuffix('proofs/')}#proofs"


def verified(evidence: Evidence) -> Q:
    """The condition on tasks that somebody has verified with this file before them."""
    return Q(proofs__evidence=evidence, state="verified")
