"""What Celery wakes up for the boards."""

from django.utils import timezone

from readiness.boards import gaps
from readiness.celery import app


@app.task(name="readiness.boards.count_gaps")
def count_gaps() -> None:
    """Counts vacancies where boards only sum them; twice is no harm."""
    gaps.count_all(on=timezone.localdate())
