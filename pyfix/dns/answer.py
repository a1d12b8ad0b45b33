"""answer - what a DNS lookup gives: records, or one of a few kinds of trouble

| trouble    | when                                             | status |
|------------|--------------------------------------------------|--------|
| NotFound   | no such name, no record of that type, a bad name | 5.4.4  |
| Malformed  | an answer that can't be meant                    | 5.4.4  |
| TryAgain   | no answer in time, or none that is of use        | 4.4.3  |
| Dropped    | an answer that a filter has left nothing of      | 4.7.0  |
| NullMx     | the domain says that it takes no mail (RFC 7505) | 5.1.0  |

Texts are Postfix's; they end up in logs and reports.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pyfix.mail.error import Refused, Retry

NO_NAME = "Host not found"
NO_DATA = "Host found but no data record of requested type"
TRY_AGAIN = "Host not found, try again"


class Record(NamedTuple):
    """data: an address, a host name without the last dot, or the texts of a TXT record in one (what is not
    printable ASCII as spaces); preference: of MX and SRV records; weight, port: of SRV records.
    """

    data: str
    preference: int = 0
    weight: int = 0
    port: int = 0


class NotFound(Refused):
    """There is no such name (exists is False), or it has no such record."""

    status = "5.4.4"

    def __init__(self, text: str, *, exists: bool = False) -> None:
        super().__init__(text)
        self.exists = exists


class Malformed(Refused):
    """There is an answer, but nothing in it can be used."""

    status = "5.4.4"


class TryAgain(Retry):
    """Nobody answered, or nobody could."""

    status = "4.4.3"


class Dropped(TryAgain):
    """There is an answer, but the administrator lets nothing of it count."""

    status = "4.7.0"


class NullMx(Refused):
    """The domain takes no mail."""

    status = "5.1.0"


class Resolver(Protocol):
    """Who can be asked."""

    async def lookup(self, name: str, kind: str) -> list[Record]:
        """Records of a name. kind: "MX", "SRV", "A", "AAAA", "NS", "TXT".

        Never empty: raises NotFound, Malformed, TryAgain, NullMx.
        """


def name_error(name: str, kind: str, reason: str) -> str:
    """The text of most errors."""
    return f"Host or domain name not found. Name service error for name={name} type={kind}: {reason}"


def trouble(name: str, kind: str, reason: str) -> str:
    """The text of other errors."""
    return f"Error looking up name={name} type={kind}: {reason}"


def bad_name(name: str) -> str:
    """What is asked for can't be a name."""
    return f"Name service error for {name}: invalid host or domain name"


def malformed(name: str, kind: str) -> str:
    """Nothing in an answer can be used."""
    return f"Name service error for name={name} type={kind}: Malformed or unexpected name server reply"


def loop(name: str) -> str:
    """Too many aliases."""
    return f"Name server loop for {name}"


def null_srv(name: str) -> str:
    """The domain has no such service."""
    return f"Service {name} is not available (null SRV)"


def null_mx(name: str) -> str:
    """The domain takes no mail."""
    return f"Domain {name} does not accept mail (nullMX)"
