"""login - what a mechanism is given, and what it may answer

A mechanism is a function of a Login. It makes a generator: what it yields is sent, what it is sent are the server's
challenges, and what it returns is its last word. b"" as the first one means that the server speaks first.

    def cram_md5(login: Login) -> Dialog:
        challenge = yield b""
        return answer_to(challenge)

Source: RFC 4422.
"""

from collections.abc import Generator
from dataclasses import dataclass, field

Dialog = Generator[bytes, bytes, bytes]

SPACE = b" \t\n\v\f\r"


class LoginError(Exception):
    """There is no going on. str(): why, for reports; log: what the log is told first, or empty.

    Neither has anything of a password.
    """

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason)
        self.log = f"SASL authentication failure: {log}" if log else ""


GENERIC = "generic failure"
BAD_PROTOCOL = "bad protocol / cancel"
NO_MECHANISM = "no mechanism available"
FAILED = "authentication failure"


@dataclass(frozen=True, slots=True)
class Login:
    """Who wants to be let in where. user, password: as the table has them; host: the server's name.

    service: "smtp", "lmtp"; as_self: also say that we want to act as that user and no other.
    """

    user: bytes
    password: bytes = field(repr=False)
    service: str
    host: str
    as_self: bool = False

    @property
    def name(self) -> bytes:
        """The user without white space around it. LoginError: nothing is left."""
        name = self.user.strip(SPACE)
        if not name:
            raise LoginError(GENERIC, "All-whitespace username.")
        return name


def only(response: bytes) -> Dialog:
    """A dialog of one word."""
    yield from ()
    return response
