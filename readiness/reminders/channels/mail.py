"""How a notice leaves the house."""

import smtplib

from django.conf import settings
from django.core.mail import EmailMessage

from readiness.models import Notice
from readiness.reminders.channels.answers import Refused


def mail(notice: Notice) -> None:
    """Sends one mail. The Message-ID is the notice's own, so that a mailbox can know a repeat.

    Raises:
        Refused: there is no address, the mail server refused it or the mail, or it cannot be reached.
    """
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">")
    body = f"{notice.body}\n\n{settings.SITE_URL}/" if settings.SITE_URL else notice.body
    message = EmailMessage(
        subject=" ".join(notice.subject.split()),  # no line break gets into a header
        body=body,
        to=[notice.cadre.email if notice.cadre else ""],
        headers={"Message-ID": f"<notice-{notice.pk}@{host}>"},
    )
    try:
        sent = message.send()
    # ValueError: an address that no header can hold. It must not stop the mail behind it.
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise Refused(str(error)) from error
    if not sent:
        raise Refused("no e-mail address (any more)")
