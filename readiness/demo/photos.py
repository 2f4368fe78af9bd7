"""A handful of photos as proof in the demo: plain pictures, drawn here, sent as a phone would."""

import io
import random
import tempfile
import uuid
from datetime import datetime

from django.utils import timezone
from PIL import ExifTags, Image, ImageDraw, ImageFont

from checklists import evidence
from checklists.evidence.arriving import Announced, take_whole
from checklists.evidence.things import Thing
from checklists.models import Campaign, Evidence, State, Task
from readiness.demo.people import TOWN, VILLAGE

SIZE = (640, 480)
COLOURS = ["#38618c", "#6b8f47", "#a8643c"]


def make(campaign: Campaign, rng: random.Random) -> None:
    """On two claims of `village`'s and one of the township's; the first one's photo serves the second one, too."""
    claimed = Task.objects.filter(campaign=campaign, state__in=[State.DONE, State.VERIFIED])
    in_order = claimed.select_related("item", "done_by", "campaign").order_by("-done_at", "item__position")
    first, second = in_order.filter(unit=VILLAGE, state=State.DONE)[:2]
    (towns,) = in_order.filter(unit=TOWN)[:1]
    sent = [_send(task, colour, rng) for task, colour in zip([first, second, towns], COLOURS, strict=True)]
    evidence.attach(Thing(second), [sent[0].pk], by=sent[1].by)


def _send(task: Task, colour: str, rng: random.Random) -> Evidence:
    """A photo that whoever claimed the task took and sent at that moment."""
    if task.done_by is None or task.done_at is None:
        raise ValueError(f"{task} is not claimed")
    photo = _photo(task.item.number, colour, taken_at=task.done_at)
    number = uuid.UUID(int=rng.getrandbits(128), version=4)
    told = Announced(number, f"{task.item.title}.jpg", len(photo), from_camera=True)
    with tempfile.TemporaryFile() as file:
        file.write(photo)
        return take_whole(Thing(task), file, told, by=task.done_by, now=task.done_at)


def _photo(words: str, colour: str, *, taken_at: datetime) -> bytes:
    """A plain JPEG of a few kB that says when it was taken."""
    image = Image.new("RGB", SIZE, colour)
    ImageDraw.Draw(image).text(
        (SIZE[0] / 2, SIZE[1] / 2), words, fill="white", anchor="mm", font=ImageFont.load_default(96)
    )
    exif = Image.Exif()
    taken = f"{timezone.localtime(taken_at):%Y:%m:%d %H:%M:%S}"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    file = io.BytesIO()
    image.save(file, "JPEG", quality=70, exif=exif)
    return file.getvalue()
