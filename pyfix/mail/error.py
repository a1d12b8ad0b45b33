"""error - the two families of trouble that mail can meet

Retry:   it may pass. A client hears 4xx, a recipient is deferred, a caller backs off.
Refused: it will not pass. A client hears 5xx, a recipient bounces.

What is not classified is temporary. Each carries what a client may hear; the detail
goes to the log.
"""


class MailError(Exception):
    """Trouble that can be told in an SMTP reply.

    code: SMTP reply code; status: enhanced status ("X.Y.Z", RFC 3463); text: what the
    client reads; detail: what only the log should say (None: nothing more).
    """

    code = 451
    status = "4.3.0"

    def __init__(
        self, text: str, *, code: int | None = None, status: str | None = None, detail: str | None = None
    ) -> None:
        super().__init__(text)
        self.text = text
        self.code = self.code if code is None else code
        self.status = self.status if status is None else status
        self.detail = detail

    def __str__(self) -> str:
        return self.text if self.detail is None else f"{self.text}: {self.detail}"


class Retry(MailError):
    """Trouble that may pass: 4xx, defer, back off."""


class Refused(MailError):
    """Trouble that will not pass: 5xx, bounce."""

    code = 550
    status = "5.0.0"
