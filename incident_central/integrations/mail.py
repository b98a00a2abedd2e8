"""E-mail, handed to the server that EMAIL_URL names, through Django. The server's certificate is checked.

What it says of a user name or a password is left out of errors: they are shown.
"""

import smtplib
import ssl
from collections.abc import Sequence

from django.core.mail import EmailMessage

from incident_central.integrations.base import IntegrationError


def send(*, subject: str, text: str, sender: str, recipients: Sequence[str], message_id: str) -> None:
    """One attempt. Not safe to repeat after a lost answer, and nobody can be asked whether it arrived: the same
    `message_id` shows that it is the same message. (RFC 5322 section 3.6.4)

    Raises IntegrationError.
    """
    headers = {"Message-ID": f"<{message_id}>", "Auto-Submitted": "auto-generated"}
    try:
        EmailMessage(subject, text, sender, list(recipients), headers=headers).send()
    except smtplib.SMTPAuthenticationError as error:
        said = f"The mail server refused the user name or the password of EMAIL_URL ({error.smtp_code})."
        raise IntegrationError(said, permanent=True) from error
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused(max(code for code, _ in error.recipients.values()), "the recipients") from error
    except smtplib.SMTPResponseException as error:
        raise _refused(error.smtp_code, "the message") from error
    except ssl.SSLCertVerificationError as error:
        said = f"The mail server's certificate is not to be trusted: {error.verify_message}."
        raise IntegrationError(said) from error
    except smtplib.SMTPNotSupportedError as error:
        said = "The mail server offers no TLS (STARTTLS), or no way to sign in. Use smtps://, or another port."
        raise IntegrationError(said, permanent=True) from error
    except TimeoutError as error:
        raise IntegrationError("The mail server did not answer in time.", doubtful=True) from error
    except (ConnectionRefusedError, OSError, smtplib.SMTPException) as error:
        said = f"The mail server could not be used ({type(error).__name__})."
        raise IntegrationError(said, doubtful=not isinstance(error, ConnectionRefusedError)) from error


def _refused(code: int, what: str) -> IntegrationError:
    """4xx is for now, 5xx for good. (RFC 5321 section 4.2.1)"""
    return IntegrationError(f"The mail server refused {what} ({code}).", code=str(code), permanent=code >= 500)
