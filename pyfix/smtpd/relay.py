"""relay - whose mail we take for whom

Parameters: allow_untrusted_routing, mydestination, virtual_*_domains, relay_domains (by the resolver).
"""

from __future__ import annotations

from pyfix.clients.rewrite import (
    CLASS_ALIAS,
    CLASS_LOCAL,
    CLASS_RELAY,
    CLASS_VIRTUAL,
    FLAG_FAIL,
    FLAG_ROUTED,
)
from pyfix.mail.error import Retry
from pyfix.smtpd.restrictions import Check

CLASS_OURS = CLASS_LOCAL | CLASS_ALIAS | CLASS_VIRTUAL | CLASS_RELAY


async def is_ours(check: Check) -> bool:
    """Whether the recipient's domain is one that we take mail for, by no detour. Retry: can't be told."""
    if check.recipient is None:
        return False
    resolved = check.resolved or await check.resolve_recipient()
    if resolved.flags & FLAG_FAIL:
        raise Retry("Temporary lookup failure")
    if "@" not in resolved.recipient:
        return True
    if resolved.flags & FLAG_ROUTED and not check.site.cfg.allow_untrusted_routing:
        return False
    check.site.old_defaults.note_domain(resolved.recipient, resolved.flags)
    return bool(resolved.flags & CLASS_OURS)
