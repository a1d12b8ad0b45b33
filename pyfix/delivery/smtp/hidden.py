"""hidden - what nobody may read in a log, a notice or a report: passwords, as they are and as they are sent

    hidden.add("c2VjcmV0")
    hidden.text("502 what is c2VjcmV0")       # "502 what is (hidden)"
"""

SHORTEST = 4
"""Letters. What is shorter is a part of too many words to be found in a text."""
SHOWN = "(hidden)"


class Hidden:
    """What is secret in a session while it logs in."""

    def __init__(self) -> None:
        self._secrets: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def add(self, secret: str) -> None:
        """One more of them."""
        if len(secret) >= SHORTEST:
            self._secrets.append(secret)

    def clear(self) -> None:
        """Nothing is secret any more."""
        self._secrets.clear()

    def text(self, text: str) -> str:
        """The text without them."""
        for secret in sorted(self._secrets, key=len, reverse=True):  # one may be a part of another
            text = text.replace(secret, SHOWN)
        return text

    def data(self, data: bytes) -> bytes:
        """The same of bytes."""
        if not self._secrets:
            return data
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
