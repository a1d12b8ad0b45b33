"""actions - what the right-hand side of an access table means

A value is an action with its text, a number (permit), an SMTP code with its text, or a list
of restrictions. Values are understood once and kept: Actions.of(value) gives a function
and its argument.

Parameters: access_map_reject_code, access_map_defer_code.
Sources: access(5).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pyfix.clients.cleanup import FLAG_DISCARD, FLAG_HOLD
from pyfix.mail.dsn import split_dsn
from pyfix.smtpd import log
from pyfix.smtpd.restrictions import DUNNO, OK, Check, Lists, Rules, Stage, Verdict
from pyfix.smtpd.status import suiting
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply

WORD = re.compile(r"[ \t]+")
MOST_KEPT = 5000  # values; a pattern table can make any number of them
CODE = re.compile(r"([45][0-9]{2})[ \t]+(\S.*)", re.ASCII | re.DOTALL)
HEADER = re.compile(r"[!-9;-~]+[ \t]*:", re.ASCII)


class Found(NamedTuple):
    """A table's answer: in which table, for which key, about what."""

    table: str
    key: str
    value: str
    stage: Stage
    name: str


Action = Callable[[Check, Found, Any], Awaitable[Verdict]]

# Yes, no opinion


async def _ok(check: Check, found: Found, word: str) -> Verdict:
    return await check.permit(word, found.stage, found.name, found.table)


async def _dunno(_: Check, __: Found, ___: str) -> Verdict:
    return DUNNO


# No


async def _reject(check: Check, found: Found, text: str) -> Verdict:
    return check.refuse(_reply(found, check.site.cfg.access_map_reject_code, text, "5.7.1"))


async def _defer(check: Check, found: Found, text: str) -> Verdict:
    return check.refuse(_reply(found, check.site.cfg.access_map_defer_code, text, "4.7.1"))


async def _code(check: Check, found: Found, argument: tuple[int, str]) -> Verdict:
    code, text = argument
    return check.refuse(_reply(found, code, text, f"{code // 100}.7.1"))


async def _defer_if_permit(check: Check, found: Found, text: str) -> Verdict:
    return check.defer_if_permit(_unavailable(check, found, text))


async def _defer_if_reject(check: Check, found: Found, text: str) -> Verdict:
    return check.defer_if_reject(_unavailable(check, found, text))


def _unavailable(check: Check, found: Found, text: str) -> Reply:
    return _reply(found, check.site.cfg.access_map_defer_code, text, "4.7.1", "Service unavailable")


def _reply(found: Found, code: int, text: str, status: str, default: str = "Access denied") -> Reply:
    status, text = split_dsn(text, status)
    status = suiting(status, found.stage.value)
    return Reply(code, status, f"<{found.name}>: {found.stage.value} rejected: {text or default}")


# Only logged


async def _info(check: Check, _: Found, text: str) -> Verdict:
    check.note("info", text)
    return DUNNO


async def _warn(check: Check, _: Found, text: str) -> Verdict:
    check.note("warn", text)
    return DUNNO


# Done by cleanup and the queue manager


async def _hold(check: Check, found: Found, text: str) -> Verdict:
    if _has_message(check, found, "HOLD") and not check.delegated.flags & FLAG_HOLD:
        check.note("hold", log.triggers(found.name, found.stage.value, text or "triggers HOLD action"))
        check.delegate().flags |= FLAG_HOLD
    return DUNNO


async def _discard(check: Check, found: Found, text: str) -> Verdict:
    if not _has_message(check, found, "DISCARD"):
        return DUNNO
    check.note("discard", log.triggers(found.name, found.stage.value, text or "triggers DISCARD action"))
    check.delegate().flags |= FLAG_DISCARD
    return OK


async def _bcc(check: Check, found: Found, text: str) -> Verdict:
    if _has_message(check, found, "BCC") and _is_address(found, text):
        check.note("bcc", log.triggers(found.name, found.stage.value, f"triggers BCC {text}"))
        check.delegate().bcc.append(text)
    return DUNNO


async def _redirect(check: Check, found: Found, text: str) -> Verdict:
    if _has_message(check, found, "REDIRECT") and _is_address(found, text):
        check.note("redirect", log.triggers(found.name, found.stage.value, f"triggers REDIRECT {text}"))
        check.delegate().redirect = text
    return DUNNO


async def _filter(check: Check, found: Found, text: str) -> Verdict:
    if not _has_message(check, found, "FILTER"):
        return DUNNO
    if not text:
        msg.warning(log.bad_entry(found.table, found.key, "has FILTER entry without value"))
    elif ":" not in text:
        msg.warning(log.bad_entry(found.table, found.key, "requires transport:destination"))
    else:
        check.note("filter", log.triggers(found.name, found.stage.value, f"triggers FILTER {text}"))
        check.delegate().filter = text
    return DUNNO


async def _prepend(check: Check, found: Found, text: str) -> Verdict:
    if check.list_stage is Stage.END_OF_DATA:
        msg.warning(log.too_late(found.table, "PREPEND"))
    elif _has_transaction(check, found, "PREPEND"):
        if HEADER.match(text):
            check.delegate().prepended.append(text)
        else:
            msg.warning(log.bad_entry(found.table, found.key, "requires header: text"))
    return DUNNO


def _is_address(found: Found, text: str) -> bool:
    if "@" in text:
        return True
    msg.warning(log.bad_entry(found.table, found.key, "requires user@domain target"))
    return False


def _has_message(check: Check, found: Found, action: str) -> bool:
    """ETRN brings no message."""
    if check.where == "ETRN":
        msg.warning(log.not_at_etrn(found.table, action))
        return False
    return _has_transaction(check, found, action)


def _has_transaction(check: Check, found: Found, action: str) -> bool:
    """What is said before MAIL has no message yet to be about."""
    if check.sender is not None:
        return True
    msg.warning(log.before_message(found.table, action))
    return False


# Lists


async def _restrictions(check: Check, found: Found, rules: Rules) -> Verdict:
    if check.too_deep:
        msg.warning(log.too_deep(found.table, found.value))
        return check.configuration_error()
    return await check.evaluate_about(found.stage, found.name, rules)


async def _names_table(check: Check, found: Found, _: str) -> Verdict:
    for line in log.table_in_table(found.table, found.value):
        msg.warning(line)
    return check.configuration_error()


async def _empty(_: Check, found: Found, __: str) -> Verdict:
    msg.warning(log.empty_entry(found.table, found.value))
    return OK


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "ok": _ok,
        "relay": _ok,
        "dunno": _dunno,
        "reject": _reject,
        "defer": _defer,
        "defer_if_permit": _defer_if_permit,
        "defer_if_reject": _defer_if_reject,
        "info": _info,
        "warn": _warn,
        "hold": _hold,
        "discard": _discard,
        "bcc": _bcc,
        "redirect": _redirect,
        "filter": _filter,
        "prepend": _prepend,
    }
)
"""Words of access(5), any case."""


class Actions:
    """Understands values, and remembers them."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._known: dict[str, tuple[Action, Any]] = {}

    def of(self, value: str) -> tuple[Action, Any]:
        """The action that a value stands for, and its argument."""
        known = self._known.get(value)
        if known is None:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            known = self._known[value] = self._parse(value)
        return known

    def _parse(self, value: str) -> tuple[Action, Any]:
        word, *rest = WORD.split(value, 1)
        action = ACTIONS.get(word.lower())
        if action is _ok:
            return _ok, word
        if action is not None:
            return action, rest[0].rstrip() if rest else ""
        if value.isascii() and value.isdigit():
            return _ok, value
        code = CODE.fullmatch(value)
        if code is not None:
            return _code, (int(code[1]), code[2])
        if ":" in value:
            return _names_table, ""
        rules = self._lists.compile("access table", value)
        return (_restrictions, rules) if rules else (_empty, "")
