"""tls_level - how much TLS a destination wants, and how logs show what it got

There is no TLS in this client yet: what only wants it (may) goes without, what needs it waits.

Parameters: smtp_tls_security_level, smtp_tls_policy_maps, smtp_use_tls, smtp_enforce_tls,
smtp_log_tls_feature_status. Sources: TLS_README; logging sheet section 5.
"""

from __future__ import annotations

from typing import NamedTuple

from pyfix.config.params.smtp import SmtpParams
from pyfix.mail.error import Retry
from pyfix.maps.maps import Maps
from pyfix.unix import msg

LEVELS = frozenset(
    {"none", "may", "encrypt", "fingerprint", "halfdane", "dane", "dane-only", "verify", "secure"}
)
WITHOUT = frozenset({"none", "may"})


class Level(NamedTuple):
    """needs_tls: nothing may be sent without; the rest is text for the log, depending on what came of it,
    or empty where the log says nothing of TLS."""

    word: str
    needs_tls: bool
    connected: str
    unconnected: str
    blocked: str

    @property
    def reused(self) -> str:
        """On a connection that was kept: it is not remembered what became of that."""
        return "" if self.word == "none" else self.unconnected

    def more(self, connected: str, unconnected: str) -> Level:
        """With what came of REQUIRETLS."""
        return self._with(f"/requiretls{connected}", f"/requiretls{unconnected}")

    def violated(self, how: str) -> Level:
        """REQUIRETLS can't be had from any server."""
        return self._with(f"/!requiretls:{how}", f"/!requiretls:{how}")

    def _with(self, connected: str, unconnected: str) -> Level:
        if not self.connected:
            return self
        return self._replace(connected=self.connected + connected, unconnected=self.unconnected + unconnected)


class Levels:
    """Finds the level of a destination."""

    def __init__(self, cfg: SmtpParams, maps: Maps) -> None:
        self._cfg = cfg
        self._maps = maps
        self._default = _known(cfg.smtp_tls_security_level.lower()) or _old_names(cfg)

    async def find(self, nexthop: str, *, optional: bool = False) -> Level:
        """The level of a next hop. optional: for mail that may go without TLS. MailError: the table can't answer."""
        word = await self._policy(nexthop) or self._default
        return self._texts("may" if optional and word != "none" else word)

    async def _policy(self, nexthop: str) -> str:
        if not self._maps:
            return ""
        keys = [nexthop.lower()]
        if not nexthop.startswith("["):
            labels = nexthop.lower().split(".")
            keys += ["." + ".".join(labels[at:]) for at in range(1, len(labels))]
        for key in keys:
            value = await self._maps.find(key, partial=key.startswith("."))
            if value is not None:
                return _known(value.replace(",", " ").split()[0].lower(), policy=True)
        return ""

    def _texts(self, word: str) -> Level:
        if not self._cfg.smtp_log_tls_feature_status:
            return Level(word, word not in WITHOUT, "", "", "")
        connected = ", tls=may:none" if word == "may" else f", tls={word}"
        return Level(word, word not in WITHOUT, connected, f", tls={word}?", f", tls=!{word}")


def _known(word: str, *, policy: bool = False) -> str:
    if word and word not in LEVELS:
        if not policy:
            msg.fatal(f'invalid TLS level "{word}"')
        raise Retry("client TLS configuration problem", status="4.7.5")
    return word


def _old_names(cfg: SmtpParams) -> str:
    if cfg.smtp_enforce_tls:
        return "encrypt"
    return "may" if cfg.smtp_use_tls else "none"
