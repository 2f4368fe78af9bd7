"""What Celery wakes up for the boards, and for what lies behind them."""

import logging
from datetime import timedelta

from django.utils import timezone

from checklists.evidence import nightly
from readiness.boards import gaps, proposals
from readiness.celery import app


@app.task(name="readiness.boards.count_gaps")
def count_gaps() -> None:
    """Counts vacancies where boards only sum them; twice is no harm."""
    gaps.count_all(on=timezone.localdate())


@app.task(name="readiness.boards.propose_measures")
def propose_measures() -> None:
    """Proposes measures where a leader switched the ladder on; twice is no harm, and nothing is applied."""
    proposals.propose_all(on=timezone.localdate())


@app.task(name="readiness.boards.check_proofs")
def check_proofs() -> None:
    """Every file of proof against its row once a day, as many as go into eight minutes; twice is no harm."""
    now = timezone.now()
    report = nightly.look_through(now=now, until=now + timedelta(minutes=8), again_after=timedelta(hours=20))
    log = logging.getLogger(__name__)
    for line in report.lines():
        log.log(logging.INFO if report.is_well else logging.ERROR, line)
