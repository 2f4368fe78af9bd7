"""The inbox: the channel that always works."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from readiness.models import Notice
from villages.http import CadreRequest


@require_safe
def inbox(request: CadreRequest) -> HttpResponse:
    """My notices, newest first."""
    page = Paginator(Notice.objects.visible_to(request.user), 30).get_page(request.GET.get("page"))
    return render(request, "boards/inbox.html", {"page": page})


@require_POST
def read(request: CadreRequest) -> HttpResponse:
    """Marks all my notices as read."""
    Notice.objects.visible_to(request.user).unread().update(read_at=timezone.now())
    return redirect("inbox")
