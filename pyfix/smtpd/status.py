"""status - enhanced status codes that suit what is rejected

An access table may be asked about a sender in one list and a recipient in another, with one
text for both. Codes of the class X.1 (addresses) are about senders or recipients only:
where they don't suit they become the nearest ones that do.

Source: RFC 3463 section 3.2.
"""

from __future__ import annotations

from pyfix.smtpd import log
from pyfix.unix import msg

FOR_SENDER = {  # detail of X.1.detail -> the one that suits a sender
    "0": "0", "1": "7", "2": "8", "3": "7", "4": "7", "5": "0", "6": "7", "7": "7", "8": "8"
}
FOR_RECIPIENT = {**{str(detail): str(detail) for detail in range(7)}, "7": "3", "8": "2"}
CLASSES = {"Sender address": FOR_SENDER, "Recipient address": FOR_RECIPIENT}


def suiting(status: str, about: str) -> str:
    """The status, or the nearest that suits the class word `about`; the change is logged."""
    first, subject, detail = status.split(".")
    if subject != "1":
        return status
    details = CLASSES.get(about)
    fit = f"{first}.0.0" if details is None else f"{first}.1.{details.get(detail, '0')}"
    if fit != status:
        msg.info(log.mapped_status(status, about, fit))
    return fit
