"""ehlo - what EHLO announces

Parameters: smtpd_discard_ehlo_keywords, smtpd_discard_ehlo_keyword_address_maps,
message_size_limit, disable_vrfy_command, smtputf8_enable.
"""

from __future__ import annotations

from functools import lru_cache

from pyfix.mail.error import MailError
from pyfix.smtpd import log
from pyfix.smtpd.site import Site
from pyfix.unix import msg
from pyfix.wire.ehlo_keywords import discarded
from pyfix.wire.smtp_reply import Reply

KEYWORDS = (
    *("PIPELINING", "SIZE", "VRFY", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8"),
    "CHUNKING",
)


async def offered(site: Site, address: str) -> frozenset[str]:
    """The keywords that a client hears."""
    discard = await _discarded(site, address)
    if not discard:
        keywords = _left(site, frozenset())
        if not site.discard_keywords:
            site.keywords = keywords
        return keywords
    words, silent = discarded(discard)
    if words and not silent:
        msg.info(log.discarding(", ".join(words)))
    return _left(site, frozenset(words))


def _left(site: Site, discarded: frozenset[str]) -> frozenset[str]:
    return _of_all(discarded, site.utf8, not site.cfg.disable_vrfy_command)


@lru_cache(maxsize=100)
def _of_all(discarded: frozenset[str], utf8: bool, vrfy: bool) -> frozenset[str]:
    missing = {word for word, there in (("SMTPUTF8", utf8), ("VRFY", vrfy)) if not there}
    return frozenset(KEYWORDS) - discarded - missing


async def _discarded(site: Site, address: str) -> str:
    if site.discard_keywords:
        try:
            found = await site.discard_keywords.find(address)
        except MailError:
            return site.cfg.smtpd_discard_ehlo_keywords
        if found is not None:
            return found
    return site.cfg.smtpd_discard_ehlo_keywords


def reply(site: Site, keywords: frozenset[str]) -> Reply:
    """The EHLO reply."""
    return _reply(site.mail.myhostname, site.mail.message_size_limit, keywords)


@lru_cache(maxsize=100)
def _reply(name: str, limit: int, keywords: frozenset[str]) -> Reply:
    texts = {"SIZE": f"SIZE {limit}" if limit else "SIZE"}
    return Reply(250, "", name, *(texts.get(word, word) for word in KEYWORDS if word in keywords))
