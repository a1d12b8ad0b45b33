"""recipient - what is to be done for one recipient

    deep?       addresses that led to each other for NESTING steps are taken for a loop
    loop?       mail that was delivered to this address already; its owner- alias is told
    alias       alias_maps, with the extension and without
    elsewhere   a name out of a list or of another's .forward is posted anew
    .forward    the user's own wishes
    mailbox     or what main.cf has in its place
    unknown     fallback_transport, luser_relay, or a bounce

What an alias or .forward names is delivered by its first character: /file, ~/file, |command,
:include:/file, and all else is an address, which begins here again when it is local.

Parameters: recipient_delimiter, require_home_directory
Sources:    local(8)
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from pyfix.clients.rewrite import FLAG_ERROR, FLAG_FAIL, RULE_LOCAL
from pyfix.delivery.agent import CONFIGURATION_ERROR
from pyfix.delivery.local import forward, log
from pyfix.delivery.local.alias import deliver_alias, loop_owner
from pyfix.delivery.local.command import deliver_listed_command
from pyfix.delivery.local.dotforward import deliver_dotforward
from pyfix.delivery.local.expand import Undefined, expand
from pyfix.delivery.local.file import deliver_file
from pyfix.delivery.local.include import deliver_include
from pyfix.delivery.local.mailbox import deliver_mailbox, deliver_transport
from pyfix.delivery.local.state import Attempt, Parts, Rights, State, rights_of
from pyfix.mail.address import unquote
from pyfix.mail.error import Retry
from pyfix.mail.tokens import Address, external_address, internal, parse
from pyfix.maps.addresses import add_extension
from pyfix.maps.run_now import run_now
from pyfix.maps.table import TableError
from pyfix.unix import msg, passwd
from pyfix.unix.as_user import can_switch

INCLUDE = ":include:"
NESTING = 25
RESERVED = frozenset({"mailer-daemon", "postmaster"})
NO_RIGHTS = "cannot deliver to another user without root privileges"


def deliver_recipient(attempt: Attempt, state: State) -> Parts[None]:
    """Deliver to an address of this machine."""
    address = state.recipient.address
    owned = state.owner is not None  # what a list names is posted anew, whoever else names it
    if attempt.been_here(f"recipient {state.level} {owned} {address}"):
        return
    if state.level >= NESTING:
        msg.warning(log.nesting(address))
        yield state.outcome("5.4.6", "recipient nesting limit exceeded")
        return
    if address.lower() in attempt.headers:
        yield from _loop(attempt, state)
        return
    state = _split(attempt, state)
    if address.startswith("\\"):
        state = state.to(address=address[1:]).but(local=state.local[1:], user=state.user[1:])
        if not (yield from deliver_mailbox(attempt, state, find_user(state.user))):
            yield from deliver_unknown(attempt, state)
        return
    if (yield from deliver_alias(attempt, state.but(unmatched=""), state.local, deliver_list)):
        return
    if state.user != state.local:
        state = state.but(unmatched=state.extension)
        if (yield from deliver_alias(attempt, state, state.user, deliver_list)):
            return
    yield from _deliver_user(attempt, state)


def _loop(attempt: Attempt, state: State) -> Parts[None]:
    """Bounce; a list's owner is told of it, where it has one."""
    address = state.recipient.address
    try:
        owner = loop_owner(attempt, address)
    except TableError:
        yield state.outcome("4.3.0", "alias database unavailable")
        return
    yield state.outcome("5.4.6", f"mail forwarding loop for {address}", blamed=owner)


def _split(attempt: Attempt, state: State) -> State:
    """The state with the parts of its address."""
    address = state.recipient.address
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
        msg.warning(log.no_domain(address))
    local, domain = local.lower(), domain.lower()
    user, extension = attempt.setup.extensions.split(local)
    if "/" in extension:
        msg.warning(log.illegal_extension(attempt.delivery.request.queue_id, local))
        extension = ""
    delivered = state.delivered or address
    return state.but(local=local, user=user, extension=extension, domain=domain, delivered=delivered)


def find_user(name: str) -> Rights | None:
    """A user of the system; None: there is none of that name. Retry: that can't be said now."""
    try:
        entry = passwd.find_user(name)
    except OSError as error:
        msg.warning(log.user_not_looked_up(name, error))
        raise Retry("user lookup error") from error
    return None if entry is None else rights_of(entry)


def _deliver_user(attempt: Attempt, state: State) -> Parts[None]:
    elsewhere = state.owner is not None and state.owner.lower() != state.user
    if elsewhere or state.exp_type == "include":
        yield from deliver_indirect(attempt, state)
        return
    user = find_user(state.user)
    if user is not None:
        problem = _problem(attempt, user)
        if problem:
            yield state.outcome("4.3.0", problem)
            return
        if (yield from deliver_dotforward(attempt, state.but(rights=user), deliver_list)):
            return
    if not (yield from deliver_mailbox(attempt, state, user)):
        yield from deliver_unknown(attempt, state)


def _problem(attempt: Attempt, user: Rights) -> str:
    """Why nothing can be done for a user now, or nothing."""
    if not can_switch() and user.uid != os.getuid():
        return NO_RIGHTS
    if attempt.setup.cfg.require_home_directory:
        try:
            with attempt.acting(user):
                os.stat(user.home)
        except OSError as error:
            return f"cannot access home directory {user.home}: {error.strerror}"
    return ""


def deliver_indirect(attempt: Attempt, state: State) -> Parts[None]:
    """Have the mail posted anew to an address."""
    address = state.recipient.address
    if attempt.been_here(f"indirect {address}"):
        return
    if attempt.probe:
        yield state.outcome("2.0.0", f"forwards to {address}")
        return
    forward.append(attempt, state)


def deliver_unknown(attempt: Attempt, state: State) -> Parts[None]:
    """What remains for a name that nobody knows."""
    setup = attempt.setup
    if attempt.been_here(f"unknown {state.local}"):
        if state.relayed:  # luser_relay leads back to it
            yield state.outcome("5.1.1", f'unknown user: "{state.user}"')
        return
    maps, transport = setup.fallback_transport_maps, setup.cfg.fallback_transport
    if (yield from deliver_transport(attempt, state, maps, transport)):
        return
    if setup.cfg.luser_relay:
        try:
            address = expand(setup.cfg.luser_relay, state, setup.mail.recipient_delimiter, strict=False)
        except Undefined:
            yield state.outcome("4.3.5", CONFIGURATION_ERROR)
            return
        yield from deliver_address(attempt, state.but(unmatched="", relayed=True), address)
    elif state.user in RESERVED:
        msg.warning(log.required_alias(state.user))
        yield state.outcome("2.0.0", "discarded")
    else:
        yield state.outcome("5.1.1", f'unknown user: "{state.user}"')


# What stands in lists


def deliver_list(attempt: Attempt, state: State, texts: Iterable[str]) -> Parts[int]:
    """Deliver to all that these texts name; how many they are. Ends after a text with a deferred one.

    A text ends at its first NUL.
    """
    count, waiting = 0, attempt.waiting(state)
    for text in texts:
        for item in parse(text.partition("\0")[0]):
            if isinstance(item, Address):
                count += 1
                yield from _deliver_item(attempt, state, item)
        if attempt.waiting(state) > waiting:
            break
    return count


def _deliver_item(attempt: Attempt, state: State, item: Address) -> Parts[None]:
    text = internal(item.tokens)
    if text.startswith("/"):
        yield from deliver_file(attempt, state, text)
    elif text.startswith("~"):
        yield from _deliver_home(attempt, state, text)
    elif text.startswith("|"):
        yield from deliver_listed_command(attempt, state, text[1:])
    elif text[: len(INCLUDE)].lower() == INCLUDE:
        yield from deliver_include(attempt, state, text[len(INCLUDE) :], deliver_list)
    else:
        yield from deliver_address(attempt, state, external_address(item.tokens))


def _deliver_home(attempt: Attempt, state: State, text: str) -> Parts[None]:
    home = state.rights.home
    if not text.startswith("~/"):
        problem = log.home_syntax(text)
    elif not home:
        problem = log.home_unknown(text)
    elif not home.startswith("/"):
        problem = log.home_bad(home, text)
    else:
        yield from deliver_file(attempt, state, home + text[1:])
        return
    msg.warning(problem)
    yield state.outcome("5.3.5", CONFIGURATION_ERROR)


def deliver_address(attempt: Attempt, state: State, address: str) -> Parts[None]:
    """Deliver to an address in external form, here or elsewhere."""
    rewriter = attempt.setup.rewriter
    rewritten = unquote(run_now(rewriter.rewrite(RULE_LOCAL, address)))
    extended = add_extension(rewritten, state.unmatched) if state.unmatched else rewritten
    resolved = run_now(rewriter.resolve("", extended))
    if resolved.flags & FLAG_FAIL:
        yield state.outcome("4.3.0", "address resolver failure")
        return
    if resolved.flags & FLAG_ERROR:
        yield state.outcome("5.1.3", f"bad recipient address syntax: {rewritten}")
        return
    state = state.to(address=resolved.recipient)
    if resolved.transport == attempt.setup.service:
        yield from deliver_recipient(attempt, state.but(level=state.level + 1))
    else:
        yield from deliver_indirect(attempt, state)
