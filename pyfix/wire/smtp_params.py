"""smtp_params - the parameters of MAIL and RCPT as typed values

A parser gives the values, or the Reply that says what is wrong. What an extension that
is not offered would bring is not known here: `offered` names the keywords in use.

Sources: RFC 1870 (SIZE), 6152 (BODY), 6531 (SMTPUTF8), 3461 (RET ENVID NOTIFY ORCPT),
4954 (AUTH).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from pyfix.mail.dsn import xtext_decode
from pyfix.wire.smtp_reply import Reply

SIZE_LIMIT = 2**63 - 1  # bytes; more is no file size
RET = {"FULL": 1, "HDRS": 2}
NEVER, SUCCESS, FAILURE, DELAY = 1, 2, 4, 8
NOTIFY = {"NEVER": NEVER, "SUCCESS": SUCCESS, "FAILURE": FAILURE, "DELAY": DELAY}
BODY = {"8BITMIME": "8bit", "7BIT": "7bit"}
ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]+", re.ASCII)
HEX = re.compile(r"\+[0-9A-Fa-f]{2}", re.ASCII)
ESCAPE = re.compile(r"\+([0-9A-F]{2})", re.ASCII)
WRONG_ESCAPE = re.compile(r"\+(?![0-9A-F]{2})", re.ASCII)

BAD_SIZE = Reply(501, "5.5.4", "Bad message size syntax")
HUGE_SIZE = Reply(552, "5.3.4", "Message size exceeds file system imposed limit")
BAD_RET = Reply(501, "5.5.4", "Bad RET parameter syntax")
BAD_ENVID = Reply(501, "5.5.4", "Bad ENVID parameter syntax")
BAD_NOTIFY = Reply(501, "5.5.4", "Error: Bad NOTIFY parameter syntax")
BAD_ORCPT = Reply(501, "5.5.4", "Error: Bad ORCPT parameter syntax")
NO_DSN = Reply(501, "5.7.1", "DSN support is disabled")


class MailParams:
    """What came behind the address of MAIL.

    size: bytes the client announces, 0 unknown; body: "8bit", "7bit" or ""; ret: 0, 1 FULL,
    2 HDRS; envid: as received (xtext), None: not given.
    """

    __slots__ = ("body", "envid", "ret", "size", "smtputf8")

    def __init__(self) -> None:
        self.size = 0
        self.body = ""
        self.smtputf8 = False
        self.ret = 0
        self.envid: str | None = None


class RcptParams:
    """What came behind the address of RCPT. notify: bits, 0 not given; orcpt: "type;xtext" or empty."""

    __slots__ = ("notify", "orcpt")

    def __init__(self) -> None:
        self.notify = 0
        self.orcpt = ""


NO_MAIL_PARAMS = MailParams()
NO_RCPT_PARAMS = RcptParams()


def unsupported(word: str) -> Reply:
    """The answer to a parameter that means nothing here."""
    return Reply(555, "5.5.4", f"Unsupported option: {word}")


def mail_params(words: Iterable[str], offered: frozenset[str]) -> MailParams | Reply:
    """The parameters of MAIL. offered: EHLO keywords in use."""
    params = MailParams()
    for word in words:
        trouble = _parameter(_MAIL, params, word, offered)
        if trouble is not None:
            return trouble
    return params


def rcpt_params(words: Iterable[str], offered: frozenset[str]) -> RcptParams | Reply:
    """The parameters of RCPT. offered: EHLO keywords in use."""
    params = RcptParams()
    for word in words:
        trouble = _parameter(_RCPT, params, word, offered)
        if trouble is not None:
            return trouble
    return params


def _parameter(
    table: dict[str, Callable[..., Reply | None]], params: object, word: str, offered: frozenset[str]
) -> Reply | None:
    name, equals, value = word.partition("=")
    step = table.get(name.upper() + equals)
    if step is None:
        return unsupported(word)
    return step(params, value, offered)


def _size(params: MailParams, value: str, _: frozenset[str]) -> Reply | None:
    if not value.isdecimal() or not value.isascii():
        return BAD_SIZE
    if len(value) > 19 or int(value) > SIZE_LIMIT:
        return HUGE_SIZE
    params.size = int(value)
    return None


def _body(params: MailParams, value: str, _: frozenset[str]) -> Reply | None:
    if value.upper() not in BODY:
        return unsupported(f"BODY={value}")
    params.body = BODY[value.upper()]
    return None


def _smtputf8(params: MailParams, _: str, offered: frozenset[str]) -> Reply | None:
    if "SMTPUTF8" not in offered:
        return unsupported("SMTPUTF8")
    params.smtputf8 = True
    return None


def _ret(params: MailParams, value: str, offered: frozenset[str]) -> Reply | None:
    if "DSN" not in offered:
        return NO_DSN
    if params.ret or value.upper() not in RET:
        return BAD_RET
    params.ret = RET[value.upper()]
    return None


def _envid(params: MailParams, value: str, offered: frozenset[str]) -> Reply | None:
    if "DSN" not in offered:
        return NO_DSN
    if params.envid is not None or not _printable_xtext(value):
        return BAD_ENVID
    params.envid = value
    return None


def _auth(_: MailParams, __: str, ___: frozenset[str]) -> Reply | None:
    """AUTH= says who submitted it; without authentication nobody is believed."""
    return None


def _notify(params: RcptParams, value: str, offered: frozenset[str]) -> Reply | None:
    if "DSN" not in offered:
        return NO_DSN
    bits = {NOTIFY.get(word, 0) for word in value.upper().split(",") if word}
    if params.notify or not bits or 0 in bits or (NEVER in bits and len(bits) > 1):
        return BAD_NOTIFY
    params.notify = sum(bits)
    return None


def _orcpt(params: RcptParams, value: str, offered: frozenset[str]) -> Reply | None:
    if "DSN" not in offered:
        return NO_DSN
    kind, semicolon, address = value.partition(";")
    if params.orcpt or not semicolon or not ADDRESS_TYPE.fullmatch(kind):
        return BAD_ORCPT
    if address and not _printable_xtext(address):
        return BAD_ORCPT
    params.orcpt = value
    return None


def xtext(text: str) -> str | None:
    """The text behind xtext, hexadecimal digits in either case; None when it is not xtext."""
    encoded = HEX.sub(lambda found: found[0].upper(), text)
    if text.isascii():
        decoded = xtext_decode(encoded.encode("ascii"))
        return None if decoded is None else decoded.decode("utf-8", "surrogateescape")
    if WRONG_ESCAPE.search(encoded):
        return None
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)), encoded)


def _printable_xtext(text: str) -> bool:
    decoded = xtext(text)
    return bool(decoded) and all(char >= " " and char != "\x7f" for char in decoded or "")


_MAIL: dict[str, Callable[..., Reply | None]] = {
    "SIZE=": _size,
    "BODY=": _body,
    "SMTPUTF8": _smtputf8,
    "RET=": _ret,
    "ENVID=": _envid,
    "AUTH=": _auth,
}
_RCPT: dict[str, Callable[..., Reply | None]] = {
    "NOTIFY=": _notify,
    "ORCPT=": _orcpt,
}
