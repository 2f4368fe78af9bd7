"""Why a file is not taken, in words that say what to do."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from villages.residents import REFUSAL

# What the child (decoding.py) says in a word.
WORDS = {
    "empty": _("The file is empty. Choose it again."),
    "no picture": _("This is called a picture but is none. Send a JPG, PNG or WEBP, or a PDF under its own name."),
    "heic": _("HEIC is not read here. Set the camera to “Most compatible”, or send a screenshot of the photo."),
    "unknown": _("Only JPG, PNG, WEBP, PDF, Word (.docx), Excel (.xlsx) and text (.txt, .csv) are taken."),
    "old office": _(
        "Old Office files, WPS files and locked ones are not read here. Save it as .docx or .xlsx, unlocked."
    ),
    "archive": _("A packed folder is not taken. Send the files in it one by one."),
    "macros": _("There are programs (macros) in this file. Save it as .docx or .xlsx without them."),
    "code": _("The characters of this text cannot be read. Save it as UTF-8 and send it again."),
    "long": _("A text has at most 2 MB. Send it in parts, or as a PDF."),
    "cut": _("The file did not come whole, or is damaged. Send it again."),
    "broken": _("The picture did not come whole, or is damaged. Send it again."),
    "pixels": _("The picture has too many pixels to be opened safely. Make it smaller, or send a screenshot of it."),
    "heavy": _("The file takes too much to be opened safely. Make it smaller, or send a screenshot of it."),
    "secret": _(
        "It seems to bear a secrecy marking. This is no system for secrets: it was not kept, and must not be sent."
    ),
    "resident": REFUSAL,
}
BUSY = _("The server is looking at other files. Try again in a moment.")
GONE = _("The place where files are kept is full or away. Your tick stands; send the file again later.")
DAMAGED = _("The file that arrived is not the one that was sent. Send it again.")


class Refused(Exception):
    """A file that is not taken, or cannot be given. `message` says why and what to do; `status` is HTTP's."""

    def __init__(self, message: "str | Promise", status: int = 422) -> None:
        super().__init__(str(message))
        self.message = message
        self.status = status
