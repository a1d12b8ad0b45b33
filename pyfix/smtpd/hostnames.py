"""hostnames - restrictions on the names that clients have, say they have, and send mail from

Whether a name exists is asked of DNS; what can't be told now is deferred unless something
else refuses, or at once where the ..._tempfail_action says so.

Parameters: unknown_client_reject_code, invalid_hostname_reject_code, non_fqdn_reject_code,
unknown_hostname_reject_code, unknown_helo_hostname_tempfail_action, unknown_address_reject_code,
unknown_address_tempfail_action.
Sources: postconf(5), RFC 7505.
"""

from __future__ import annotations

from pyfix.clients.rewrite import CLASS_ALIAS, CLASS_LOCAL, CLASS_VIRTUAL, FLAG_FAIL
from pyfix.config.hosts import name_problem
from pyfix.dns.answer import Dropped, Malformed, NotFound, NullMx, Resolver, TryAgain
from pyfix.maps.network import parse_address
from pyfix.smtpd import log
from pyfix.smtpd.notice import Trouble
from pyfix.smtpd.peer import OK as NAMED
from pyfix.smtpd.peer import PERMANENT
from pyfix.smtpd.restrictions import DUNNO, Check, Stage, Verdict
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply

CLASS_FINAL = CLASS_LOCAL | CLASS_ALIAS | CLASS_VIRTUAL
ADDRESS = ("A", "AAAA")
NOT_THERE, MALFORMED, UNSURE = "not there", "malformed", "unsure"

# The client's name


async def reject_unknown_client_hostname(check: Check, _: object) -> Verdict:
    """The client's address has no name, or the name leads elsewhere."""
    names, address = check.peer.names, check.peer.address
    text = f"Client host rejected: cannot find your hostname, [{address}]"
    return _unknown_client(check, names.name_code, "4.7.25", text)


async def reject_unknown_reverse_client_hostname(check: Check, _: object) -> Verdict:
    """The client's address has no name."""
    names, address = check.peer.names, check.peer.address
    text = f"Client host rejected: cannot find your reverse hostname, [{address}]"
    return _unknown_client(check, names.reverse_code, "4.7.1", text)


def _unknown_client(check: Check, found: int, status: str, text: str) -> Verdict:
    if found == NAMED:
        return DUNNO
    code = check.site.cfg.unknown_client_reject_code if found >= PERMANENT else 450
    return check.refuse(Reply(code, status, text))


# The name in HELO


async def reject_invalid_helo_hostname(check: Check, _: object) -> Verdict:
    """The HELO name is no name and no address."""
    helo = check.helo
    if helo is None:
        return DUNNO
    if helo.startswith("["):
        return _reject_bad_literal(check, helo)
    name = _without_dot(helo)
    if name_problem(name) is None or parse_address(name) is not None:
        return DUNNO
    return _about_helo(check, check.site.cfg.invalid_hostname_reject_code, "5.5.2", "Invalid name")


async def reject_non_fqdn_helo_hostname(check: Check, _: object) -> Verdict:
    """The HELO name has no domain."""
    helo = check.helo
    if helo is None:
        return DUNNO
    if helo.startswith("["):
        return _reject_bad_literal(check, helo)
    name = _without_dot(helo)
    if "." in name and name_problem(name) is None:
        return DUNNO
    return _about_helo(check, check.site.cfg.non_fqdn_reject_code, "5.5.2", "need fully-qualified hostname")


async def reject_unknown_helo_hostname(check: Check, resolver: Resolver) -> Verdict:
    """The HELO name has neither address nor MX record."""
    helo = check.helo
    if helo is None:
        return DUNNO
    if helo.startswith("["):
        return _reject_bad_literal(check, helo)
    problem = await _problem(resolver, helo, (*ADDRESS, "MX"))
    if problem == UNSURE:
        about = f"<{helo}>: {Stage.HELO.value} rejected: Host not found"
        return _tempfail(check, check.site.cfg.unknown_helo_hostname_tempfail_action, Reply(450, "4.7.1", about))
    if problem:
        reason = "Malformed DNS server reply" if problem == MALFORMED else "Host not found"
        return _about_helo(check, check.site.cfg.unknown_hostname_reject_code, "4.7.1", reason)
    return DUNNO


def _reject_bad_literal(check: Check, helo: str) -> Verdict:
    inner = helo[1:-1] if len(helo) > 2 and helo.endswith("]") else helo
    if is_literal(inner):
        return DUNNO
    return _about_helo(check, check.site.cfg.invalid_hostname_reject_code, "5.5.2", "invalid ip address")


def is_literal(inner: str) -> bool:
    """Whether this between brackets is an address literal of RFC 5321."""
    if inner[:5].lower() == "ipv6:":
        return ":" in inner[5:] and parse_address(inner[5:]) is not None
    return ":" not in inner and parse_address(inner) is not None


def _without_dot(name: str) -> str:
    return name[:-1] if name.endswith(".") and not name.endswith("..") else name


def _about_helo(check: Check, code: int, status: str, reason: str) -> Verdict:
    return check.reject_about(Stage.HELO, check.helo or "", code, status, reason)


# The domains of addresses


async def reject_unknown_sender_domain(check: Check, resolver: Resolver) -> Verdict:
    """The sender's domain has neither MX nor address record, or takes no mail."""
    if not check.sender:
        return DUNNO
    return await _unknown_domain(check, resolver, Stage.SENDER, check.sender, "4.1.8")


async def reject_unknown_recipient_domain(check: Check, resolver: Resolver) -> Verdict:
    """The recipient's domain has neither MX nor address record, or takes no mail."""
    if not check.recipient:
        return DUNNO
    return await _unknown_domain(check, resolver, Stage.RECIPIENT, check.recipient, "4.1.2")


async def _unknown_domain(
    check: Check, resolver: Resolver, stage: Stage, address: str, status: str
) -> Verdict:
    sender = "" if stage is Stage.SENDER else check.sender or ""
    resolved = await check.site.rewrite.resolve(sender, address)
    if resolved.flags & FLAG_FAIL:
        return check.refuse_hard(Reply(451, "4.3.0", f"<{address}>: Temporary lookup failure"), Trouble.DATA)
    _, at, domain = resolved.recipient.rpartition("@")
    if not at or resolved.flags & CLASS_FINAL or (domain.startswith("[") and domain.endswith("]")):
        return DUNNO
    try:
        problem = await _problem(resolver, domain, ("MX", *ADDRESS))
    except NullMx:
        code, null = (550, "5.7.27") if stage is Stage.SENDER else (556, "5.1.10")
        return check.reject_about(stage, address, code, null, f"Domain {domain} does not accept mail (nullMX)")
    if problem == UNSURE:
        reply = Reply(450, status, f"<{address}>: {stage.value} rejected: Domain not found")
        return _tempfail(check, check.site.cfg.unknown_address_tempfail_action, reply)
    if problem:
        reason = "Malformed DNS server reply" if problem == MALFORMED else "Domain not found"
        return check.reject_about(stage, address, check.site.cfg.unknown_address_reject_code, status, reason)
    return DUNNO


def _tempfail(check: Check, action: str, reply: Reply) -> Verdict:
    return check.refuse(reply) if action == "defer" else check.defer_if_permit(reply)


async def _problem(resolver: Resolver, name: str, kinds: tuple[str, ...]) -> str:
    """Why there is none of these records; empty: there is one. NullMx: only where MX comes first."""
    problem = NOT_THERE
    for kind in kinds:
        try:
            await resolver.lookup(name, kind)
        except Dropped:
            msg.warning(log.dropped(name, mx_first=kinds[0] == "MX"))
            return ""
        except TryAgain:
            problem = UNSURE
        except Malformed:
            problem = MALFORMED if problem == NOT_THERE else problem
        except NotFound:
            pass
        except NullMx:
            if kinds[0] == "MX":
                raise
            return "" if problem != UNSURE else problem
        else:
            return ""
    return problem
