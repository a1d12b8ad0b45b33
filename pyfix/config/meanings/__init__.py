"""meanings - what parameters are for, a sentence or two each

For people, by subject; only what explains parameters to them imports this.

Sources: postconf(5).
"""

from pyfix.config.meanings import (
    addresses,
    content,
    delivery,
    postscreen,
    queue,
    smtp,
    smtp_login,
    smtpd,
    smtpd_login,
    system,
    tables,
    tls,
)
from pyfix.config.meanings.families import FAMILY
from pyfix.config.pending import smtp_twin

__all__ = ["FAMILY", "MEANINGS", "PARTS", "meaning"]

PARTS: tuple[dict[str, str], ...] = (
    addresses.MEANINGS,
    content.MEANINGS,
    delivery.MEANINGS,
    postscreen.MEANINGS,
    queue.MEANINGS,
    smtp.MEANINGS,
    smtp_login.MEANINGS,
    smtpd.MEANINGS,
    smtpd_login.MEANINGS,
    system.MEANINGS,
    tables.MEANINGS,
    tls.MEANINGS,
)
MEANINGS = {name: text for part in PARTS for name, text in part.items()}

# tlsproxy does for others what smtpd and smtp do themselves.
_TLSPROXY = (("tlsproxy_tls_", "smtpd_tls_"), ("tlsproxy_client_", "smtp_tls_"))


def meaning(name: str) -> str:
    """The sentence about a parameter, that of its twin in another program where it has none; "" without either."""
    if name in MEANINGS:
        return MEANINGS[name]
    if twin := smtp_twin(name):
        return MEANINGS.get(twin, "").replace("smtp_", "lmtp_")
    for ours, theirs in _TLSPROXY:
        if name.startswith(ours):
            return MEANINGS.get(name.replace(ours, theirs), "").replace(theirs, ours)
    return ""
