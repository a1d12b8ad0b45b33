"""smtp_params - the parameters of MAIL and RCPT as typed values

A parser gives the values, or the Reply that says what is wrong. What an extension that
is not offered would bring is not known here: `offered` names the keywords in use.

Sources: RFC 1870 (SIZE), 6152 (BODY), 6531 (SMTPUTF8), 3461 (RET ENVID NOTIFY ORCPT),
4954 (AUTH).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from pyfix.wire.smtp_reply import Reply

SIZE_LIMIT = 2**63 - 1  # bytes; more is no file size
SIZE_DIGITS = 19
RET = {"FULL": 1, "HDRS": 2}
NEVER, SUCCESS, FAILURE, DELAY = 1, 2, 4, 8
NOTIFY = {"NEVER": NEVER, "SUCCESS": SUCCESS, "FAILURE": FAILURE, "DELAY": DELAY}
BODY = {"8BITMIME": "8bit", "7BIT": "7bit"}
ESCAPE = re.compile(rb"\+([0-9A-Fa-f]{2})")
WRONG_ESCAPE = re.compile(rb"\+(?![0-9A-Fa-f]{2})")
UNICODE = re.compile(r"\\x\{0*([0-9A-Fa-f]{0,6})\}", re.ASCII)
WRONG_UNICODE = re.compile(r"\\x\{(?!0*[0-9A-Fa-f]{0,6}\})", re.ASCII)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LAST_CHARACTER = 0x10FFFF

BAD_SIZE = Reply(501, "5.5.4", "Bad message size syntax")
HUGE_SIZE = Reply(552, "5.3.4", "Message size exceeds file system imposed limit")
BAD_RET = Reply(501, "5.5.4", "Bad RET parameter syntax")
BAD_ENVID = Reply(501, "5.5.4", "Bad ENVID parameter syntax")
BAD_NOTIFY = Reply(501, "5.5.4", "Error: Bad NOTIFY parameter syntax")
BAD_ORCPT = Reply(501, "5.5.4", "Error: Bad ORCPT parameter syntax")
UNSUPPORTED = Reply(555, "5.5.4", "Unsupported option")  # which, is said by unsupported()
MANY_AUTH = Reply(503, "5.5.4", "Error: multiple AUTH= options")
NO_DSN = Reply(501, "5.7.1", "DSN support is disabled")


class UnknownNotify(Reply):
    """The answer to a NOTIFY that asks for an unknown thing. word: that thing; value: all it asks for."""

    __slots__ = ("value", "word")

    def __init__(self, word: str, value: str) -> None:
        super().__init__(BAD_NOTIFY.code, BAD_NOTIFY.status, *BAD_NOTIFY.lines)
        self.word = word
        self.value = value


class MailParams:
    """What came behind the address of MAIL.

    size: bytes the client announces, 0 unknown; body: "8bit", "7bit" or ""; ret: 0, 1 FULL,
    2 HDRS; envid: as received (xtext), None: not given; auth: the same with ? for control
    characters, None also where it names nobody.
    """

    __slots__ = ("auth", "body", "envid", "ret", "size", "smtputf8")

    def __init__(self) -> None:
        self.size = 0
        self.body = ""
        self.smtputf8 = False
        self.ret = 0
        self.envid: str | None = None
        self.auth: str | None = None


class RcptParams:
    """What came behind the address of RCPT. notify: bits, 0 not given; orcpt: "type;address", decoded, or empty."""

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
    reply = UNSUPPORTED if step is None else step(params, value, offered)
    return unsupported(word) if reply is UNSUPPORTED else reply


def _size(params: MailParams, value: str, _: frozenset[str]) -> Reply | None:
    if not value.isdecimal() or not value.isascii():
        return BAD_SIZE
    digits = value.lstrip("0") or "0"
    if len(digits) > SIZE_DIGITS or int(digits) > SIZE_LIMIT:
        return HUGE_SIZE
    params.size = int(digits)
    return None


def _body(params: MailParams, value: str, _: frozenset[str]) -> Reply | None:
    if value.upper() not in BODY:
        return UNSUPPORTED
    params.body = BODY[value.upper()]
    return None


def _smtputf8(params: MailParams, _: str, offered: frozenset[str]) -> Reply | None:
    if "SMTPUTF8" not in offered:
        return UNSUPPORTED
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
    decoded = xtext(value)
    if params.envid is not None or not decoded or not decoded.isascii() or not decoded.isprintable():
        return BAD_ENVID
    params.envid = value
    return None


def _auth(params: MailParams, value: str, _: frozenset[str]) -> Reply | None:
    """Who submitted it, as the client says: for the log and policy servers, and not believed."""
    if params.auth is not None:
        return MANY_AUTH
    if value != "<>":
        params.auth = CONTROL.sub("?", value)
    return None


def _notify(params: RcptParams, value: str, offered: frozenset[str]) -> Reply | None:
    if "DSN" not in offered:
        return NO_DSN
    if params.notify:
        return BAD_NOTIFY
    bits = set()
    for word in value.split(","):
        if word and word.upper() not in NOTIFY:
            return UnknownNotify(word, value)
        if word:
            bits.add(NOTIFY[word.upper()])
    if not bits or (NEVER in bits and len(bits) > 1):
        return BAD_NOTIFY
    params.notify = sum(bits)
    return None


def _orcpt(params: RcptParams, value: str, offered: frozenset[str]) -> Reply | None:
    if "DSN" not in offered:
        return NO_DSN
    kind, semicolon, encoded = value.partition(";")
    address = (uxtext if kind.lower() == "utf-8" else xtext)(encoded)
    if params.orcpt or not semicolon or not kind or address is None or not _prints(kind + address):
        return BAD_ORCPT
    params.orcpt = f"{kind};{address}"
    return None


def xtext(text: str) -> str | None:
    """The text behind xtext (RFC 3461 section 4), hexadecimal digits in either case; None: a + is none of an escape.

    Everything else is taken as it is, = too.
    """
    encoded = text.encode("utf-8", "surrogateescape")
    if WRONG_ESCAPE.search(encoded):
        return None
    return ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), encoded).decode("utf-8", "surrogateescape")


def uxtext(text: str) -> str | None:
    """The text behind utf-8-addr-xtext (RFC 6533 section 3); None: an escape that is none, or no character's."""
    if WRONG_UNICODE.search(text):
        return None
    numbers = [int(digits or "0", 16) for digits in UNICODE.findall(text)]
    if any(number > LAST_CHARACTER for number in numbers):
        return None
    return UNICODE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1] or "0", 16)).encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


def _prints(text: str) -> bool:
    """It is none that could end a line of a report, or of a queue file's record."""
    return all(char >= " " and char != "\x7f" for char in text)


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
