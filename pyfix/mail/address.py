"""address - the parts and the two forms of a mail address

External form: as on the wire and in headers, local part quoted where RFC 5321 wants it
(`"first last"@example.com`). Internal form: without quoting (`first last@example.com`),
as in queue files and tables. The domain begins after the LAST @, in both.

Extensions (`user+ext`) are split at the first delimiter character, never when nothing
would be left of the user, and never for the names that the mail system itself uses.

See also: pyfix.mail.tokens for addresses in headers.
"""

import re
from functools import lru_cache

ESCAPED = re.compile(r'(["\\\r])')
QUOTING = re.compile(r'\\(.)|"', re.ASCII | re.DOTALL)
# dot-string of RFC 5321: atoms with single dots between; 8-bit text is left alone.
ATOM = r'[^\x00-\x20\x7f()<>@,;:\\".\[\]]+'
DOT_STRING = re.compile(rf'{ATOM}(?:\.{ATOM})*', re.ASCII)
NEVER_SPLIT = frozenset({"postmaster", "mailer-daemon"})


def split_address(address: str) -> tuple[str, str | None]:
    """The local part, and the domain behind the last @ (None: there is no @)."""
    local, at, domain = address.rpartition("@")
    return (local, domain) if at else (domain, None)


def split_route(address: str) -> tuple[str, str]:
    """A source route with its colon (`@one,@two:`, mostly empty), and the address behind it."""
    if address[:1] != "@" or ":" not in address:
        return "", address
    route, _, rest = address.partition(":")
    return route + ":", rest


@lru_cache(maxsize=1024)
def quote(address: str) -> str:
    """The external form of an internal address; the empty address stays empty."""
    route, rest = split_route(address)
    local, domain = split_address(rest)
    if not rest or DOT_STRING.fullmatch(local):
        return address
    quoted = route + quote_local(local)
    return quoted if domain is None else f"{quoted}@{domain}"


def quote_local(local: str) -> str:
    """The external form of a local part."""
    return local if DOT_STRING.fullmatch(local) else '"' + ESCAPED.sub(r"\\\1", local) + '"'


def unquote(address: str) -> str:
    """The internal form of an external address."""
    if '"' not in address and "\\" not in address:
        return address
    route, rest = split_route(address)
    local, domain = split_address(rest)
    plain = route + QUOTING.sub(lambda found: found[1] or "", local)
    return plain if domain is None else f"{plain}@{domain}"


class Extensions:
    """How main.cf wants `user+ext` to be split; without delimiters it is not.

    delimiters: recipient_delimiter, each character of it is one. double_bounce: double_bounce_sender.
    owner_request_special: with `-` as a delimiter `owner-name` and `name-request` stay whole.
    """

    __slots__ = ("_lists", "_whole", "delimiters")

    def __init__(
        self, delimiters: str = "", *, double_bounce: str = "double-bounce", owner_request_special: bool = True
    ) -> None:
        self.delimiters = delimiters
        self._whole = NEVER_SPLIT | {double_bounce.lower()}
        self._lists = owner_request_special and "-" in delimiters

    def split(self, local: str) -> tuple[str, str]:
        """A local part without its extension, and the extension with its delimiter (empty: there is none)."""
        at = min((found for mark in self.delimiters if (found := local.find(mark)) >= 0), default=0)
        if not at:
            return local, ""
        folded = local.lower()
        if folded in self._whole or (self._lists and _is_list_name(folded)):
            return local, ""
        return local[:at], local[at:]


NO_EXTENSIONS = Extensions()


def _is_list_name(folded: str) -> bool:
    return folded.startswith("owner-") or (folded.endswith("-request") and len(folded) > len("-request"))
