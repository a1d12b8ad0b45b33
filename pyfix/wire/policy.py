"""policy - the policy delegation protocol

A request is `name=value` lines and an empty line; so is an answer, of which only `action` is
read. Many requests may follow one another on a connection, each answered before the next.

Source: SMTPD_POLICY_README.
"""

from __future__ import annotations

from collections.abc import Iterable

END = b"\n\n"
LONGEST = 100_000  # bytes of an answer


class BadAnswer(ValueError):
    """Not an answer, or one without an action. str() is Postfix's message, up to "from"."""


def request(pairs: Iterable[tuple[str, str]]) -> bytes:
    """A request. A value is one line, whatever stands in it."""
    lines = [f"{name}={value}".replace("\n", "?").replace("\0", "?") for name, value in pairs]
    return "".join([*(f"{line}\n" for line in lines), "\n"]).encode("utf-8", "surrogateescape")


class Answer:
    """An answer as it comes in."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = b""

    def receive(self, data: bytes) -> str | None:
        """The action (may be empty) when all has come; None: more must. BadAnswer: it is none."""
        self._data += data
        if self._data.startswith(b"\n"):
            raise BadAnswer("missing attribute action in input")
        end = self._data.find(END)
        if end < 0:
            if len(self._data) > LONGEST:
                raise BadAnswer("unreasonable attribute length")
            return None
        if end + len(END) != len(self._data):
            raise BadAnswer("unexpected data after the end of input")
        return _action(self._data[:end])


def _action(text: bytes) -> str:
    for line in text.split(b"\n"):
        name, equals, value = line.partition(b"=")
        if not equals:
            raise BadAnswer(f"missing value for string attribute {name.decode('utf-8', 'replace')}")
        if name == b"action":
            return value.decode("utf-8", "surrogateescape")
    raise BadAnswer("missing attribute action in input")
