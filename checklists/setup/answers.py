"""Step 5: who answers for which unit."""

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from checklists import answers as who
from checklists.models import Responsibility
from checklists.setup import page
from villages.http import CadreRequest

# Vacancies that the page names one by one; the others are counted.
VACANCIES_SHOWN = 50


@require_safe
def answers(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Where nobody would answer, first of all."""
    campaign = page.planned(request, campaign_id)
    vacancies = who.vacancies(campaign, on=timezone.localdate())
    return page.show(
        request,
        campaign,
        "setup_answers",
        vacancies=[
            (unit, [Responsibility.Kind(kind).label for kind in kinds]) for unit, kinds in vacancies[:VACANCIES_SHOWN]
        ],
        vacant=len(vacancies),
    )
