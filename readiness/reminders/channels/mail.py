"""E-mail, by the office's own mail server."""

import smtplib
from contextlib import suppress

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.utils.translation import gettext as _

from readiness.reminders.channels.answers import Accepted, Later, Message, Refused, Unclear
from readiness.reminders.channels.codes import excerpt


def mail(message: Message) -> Accepted:
    """Sends one mail. Its Message-ID is the notice's own, so that a mailbox can know a repeat.

    Raises:
        Refused: there is no address, or the mail server refuses it or the mail.
        Later: the mail server cannot be reached, or says not now.
        Unclear: it took the mail and hung up before it said so.
    """
    here = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">")
    connection = get_connection()
    letter = EmailMessage(
        subject=" ".join(message.subject.split()),  # no line break gets into a header
        body=message.text,
        to=[message.to],
        headers={"Message-ID": f"<{message.key}@{here}>"},
        connection=connection,
    )
    try:
        connection.open()
    except smtplib.SMTPResponseException as error:  # a wrong password too: nothing was sent, and it can be put right
        raise Later(_words(error.smtp_code, error.smtp_error)) from None
    except (smtplib.SMTPException, OSError):
        raise Later(_("The mail server cannot be reached.")) from None
    try:
        letter.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise _answer(code, said) from None
    except smtplib.SMTPResponseException as error:
        raise _answer(error.smtp_code, error.smtp_error) from None
    except (smtplib.SMTPException, OSError):
        raise Unclear(_("The mail server hung up before it said that it has the mail.")) from None
    # An address that no header can hold. It must not stop the mail behind it.
    except ValueError:
        raise Refused(_("This is not an e-mail address: correct it.")) from None
    finally:
        with suppress(smtplib.SMTPException, OSError):  # it has the mail, or not; a farewell changes nothing
            connection.close()
    return Accepted()


def _answer(code: int, said: bytes | str) -> Refused | Later:
    """RFC 5321: 4xx is not now, 5xx is no."""
    return Later(_words(code, said)) if 400 <= code < 500 else Refused(_words(code, said))


def _words(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return _("The mail server refuses (code %(code)d): %(said)s") % {"code": code, "said": excerpt(text)}
