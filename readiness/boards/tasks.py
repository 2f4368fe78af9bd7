"""What Celery wakes up for the boards."""

from django.utils import timezone

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
