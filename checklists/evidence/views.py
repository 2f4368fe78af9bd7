"""Files come and are looked at. Who sees a unit sees its proof; out of sight is the 404 of what never existed."""

import re
import tempfile
import uuid
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import FileResponse, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from checklists import evidence as proofs
from checklists.evidence import arriving, keeping, names, zipped
from checklists.evidence.forms import AnnouncementForm, AttachForm
from checklists.evidence.refusals import Refused
from checklists.evidence.things import Thing
from checklists.models import Campaign, Check, Evidence, Finding, Task, Upload
from villages import access
from villages.http import CadreRequest, back
from villages.models import Unit

PART = 1 << 18  # bytes that a browser sends at a time
# No file of somebody's runs here, in whatever way a browser reads it.
SANDBOX = "default-src 'none'; frame-ancestors 'none'; sandbox"


@require_POST
def task_proofs(request: CadreRequest, task_id: int) -> HttpResponse:
    """Adds proof to a task."""
    return _add(request, Thing(get_object_or_404(Task.objects.visible_to(request.user).for_change(), pk=task_id)))


@require_POST
def check_proofs(request: CadreRequest, check_id: uuid.UUID) -> HttpResponse:
    """Adds proof to what was seen on a round."""
    seen = Check.objects.visible_to(request.user).select_related("task__campaign", "round")
    return _add(request, Thing(get_object_or_404(seen, pk=check_id)))


@require_POST
def finding_proofs(request: CadreRequest, finding_id: int) -> HttpResponse:
    """Adds proof to a finding."""
    found = Finding.objects.visible_to(request.user).select_related("campaign")
    return _add(request, Thing(get_object_or_404(found, pk=finding_id)))


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: CadreRequest, upload_id: uuid.UUID) -> HttpResponse:
    """How far one's own file has come; takes its next part."""
    if Evidence.objects.visible_to(request.user).filter(pk=upload_id, by=request.user).exists():
        return JsonResponse({"done": True})
    found = get_object_or_404(Upload.objects.visible_to(request.user), pk=upload_id)
    if request.method != "POST":
        return JsonResponse({"come": found.come, "part": PART})
    length, start = request.headers.get("Content-Length", ""), request.GET.get("start", "")
    if request.content_type != "application/octet-stream" or not re.fullmatch(r"[0-9]+", start):
        return _said(Refused(_("This is no part of a file.")))
    if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > arriving.LONGEST_PART or len(start) > 9:
        return _said(Refused(_("This part is too large."), 413))
    body = request.body
    if len(body) != int(length):  # the line was cut; nobody hears this
        return _said(Refused(_("This part did not come whole."), 400))
    try:
        now = timezone.now()
        return _told(arriving.add(found, by=request.user, start=int(start), body=body, now=now))
    except Refused as refused:
        return _said(refused)


@require_safe
def proof(request: CadreRequest, proof_id: uuid.UUID) -> HttpResponseBase:
    """The file itself: a photo to look at, all else only to take along."""
    found = get_object_or_404(Evidence.objects.visible_to(request.user).there(), pk=proof_id)
    is_photo = found.kind == Evidence.Kind.PHOTO
    return _file(request, found.stored, found, attached=not is_photo or "save" in request.GET)


@require_safe
def thumbnail(request: CadreRequest, proof_id: uuid.UUID) -> HttpResponseBase:
    """A photo, small."""
    photos = Evidence.objects.visible_to(request.user).there().filter(kind=Evidence.Kind.PHOTO)
    found = get_object_or_404(photos, pk=proof_id)
    return _file(request, found.thumbnail, found, attached=False)


@require_POST
def take_back(request: CadreRequest, proof_id: uuid.UUID) -> HttpResponse:
    """Takes one's own file away again."""
    found = get_object_or_404(Evidence.objects.visible_to(request.user), pk=proof_id)
    try:
        proofs.take_back(found, by=request.user, now=timezone.now())
        messages.success(request, _("Taken back: %(name)s") % {"name": found.name})
    except Refused as refused:
        messages.warning(request, str(refused.message))
    use = found.uses.select_related("task", "check_seen", "finding").first()
    row = use and (use.task or use.check_seen or use.finding)
    return back(request, otherwise=Thing(row).page if row else "/")


@require_safe
def all_proofs(request: CadreRequest, campaign_id: int, code: str) -> HttpResponseBase:
    """All files of one unit in a campaign, packed, for those who check or lead it."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    unit = get_object_or_404(Unit.objects.visible_to(request.user).under(campaign.host_id), pk=code)
    access.require(access.may_take_proofs(request.user, unit.pk))
    files = Evidence.objects.visible_to(request.user).there().filter(campaign=campaign, unit=unit)
    try:
        pieces = zipped.pieces(zipped.within_bounds(files))
    except Refused as refused:
        return render(request, "evidence/refused.html", {"words": refused.message}, status=refused.status)
    name = f"{names.harmless(f'{unit.short_name} {campaign}')}.zip"
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    return _guarded(response, name, attached=True)


class ToDisk(TemporaryFileUploadHandler):
    """Files for proof go to disk piece by piece, of whoever is logged in and at these addresses alone.

    No more of each than may be kept; its `size` says how long it really was.
    """

    ADDRESSES = ("task_proofs", "check_proofs", "finding_proofs")

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *args: Any, **kwargs: Any) -> None:
        """Looks whose body this is before any of it is read."""
        request: Any = self.request
        match, user = request.resolver_match, getattr(request, "user", None)
        is_ours = match is not None and match.url_name in self.ADDRESSES and user is not None and user.is_authenticated
        self.active = is_ours and content_length <= settings.PROOF_MEGABYTES_AT_ONCE << 20

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """A file of its own for each."""
        if self.active:
            super().new_file(*args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Past what may be kept it is read and thrown away."""
        if not self.active:
            return raw_data
        return super().receive_data_chunk(raw_data, start) if start <= settings.PROOF_MEGABYTES << 20 else None

    def file_complete(self, file_size: int) -> Any:
        """With the size that was sent."""
        return super().file_complete(file_size) if self.active else None


def _add(request: CadreRequest, thing: Thing) -> HttpResponse:
    """Files in a form, files that are there already, or the announcement of one that comes in parts."""
    access.require(thing.may(request.user))
    if "upload" in request.POST:
        return _announce(request, thing)
    form = AttachForm(request.POST)
    sent = [(file, field == "camera") for field in ("camera", "files") for file in request.FILES.getlist(field)]
    if not form.is_valid() or not (sent or form.cleaned_data["attach"]):
        return render(request, "evidence/refused.html", {"words": form.complaint, "page": thing.page}, status=422)
    done = 0
    if form.cleaned_data["attach"]:
        try:
            done += proofs.attach(thing, form.cleaned_data["attach"], by=request.user)
        except Refused as refused:
            messages.warning(request, str(refused.message))
    for file, from_camera in sent:
        announced = arriving.Announced(uuid.uuid4(), file.name or "", file.size or 0, from_camera=from_camera)
        try:
            if "whole" not in request.POST:  # the form's last field: the line was cut before
                raise Refused(_("The file did not come whole. Send it again."))
            with _on_disk(file) as held:
                arriving.take_whole(thing, held, announced, by=request.user, now=timezone.now())
            done += 1
        except Refused as refused:
            messages.warning(request, f"{names.harmless(announced.name)}: {refused.message}")
    if done:
        messages.success(request, ngettext("%(n)d file added.", "%(n)d files added.", done) % {"n": done})
    return back(request, otherwise=thing.page)


def _on_disk(file: Any) -> Any:
    """The child reads a file of the system's; a small one may have come in memory."""
    if hasattr(file, "temporary_file_path"):
        return file.file
    held = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    for piece in file.chunks():
        held.write(piece)
    return held


def _announce(request: CadreRequest, thing: Thing) -> HttpResponse:
    form = AnnouncementForm(request.POST)
    if not form.is_valid():
        return _said(Refused(form.complaint))
    try:
        return _told(arriving.announce(thing, form.announced, by=request.user, now=timezone.now()))
    except Refused as refused:
        return _said(refused)


def _told(came: Upload | Evidence) -> HttpResponse:
    """How far it has come."""
    if isinstance(came, Evidence):
        return JsonResponse({"done": True})
    return JsonResponse({"come": came.come, "part": PART})


def _said(refused: Refused) -> HttpResponse:
    """Why not, for the script that sends."""
    return JsonResponse({"refused": str(refused.message)}, status=refused.status)


def _file(request: CadreRequest, stored: str, evidence: Evidence, *, attached: bool) -> HttpResponseBase:
    """The bytes, or where the proxy before us finds them."""
    content_type = names.CONTENT_TYPES[evidence.kind]
    response: HttpResponseBase
    if settings.X_ACCEL_REDIRECT:
        response = HttpResponse(content_type=content_type)
        response["X-Accel-Redirect"] = settings.X_ACCEL_REDIRECT + quote(stored)
    else:
        try:
            response = FileResponse(keeping.open_(stored), content_type=content_type)
        except Refused as refused:
            return render(request, "evidence/refused.html", {"words": refused.message}, status=refused.status)
    return _guarded(response, names.for_download(evidence), attached=attached)


def _guarded(response: HttpResponseBase, name: str, *, attached: bool) -> HttpResponseBase:
    response["Content-Disposition"] = content_disposition_header(attached, name) or "attachment"
    response["Content-Security-Policy"] = SANDBOX
    response["Cache-Control"] = "no-store, private"
    response["X-Content-Type-Options"] = "nosniff"
    return response
