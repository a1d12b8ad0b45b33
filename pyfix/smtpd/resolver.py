"""resolver - DNS, for those restrictions that ask it

Made with the first of them, before the jail: a worker without any does not load it.

Parameters: pyfix_dns_nameservers.
"""

from __future__ import annotations

from pyfix.dns.answer import Resolver
from pyfix.smtpd.restrictions import Lists


def resolver(lists: Lists) -> Resolver:
    """The one of all words of these lists."""
    made: Resolver = lists.once("dns", lambda: _make(lists))
    return made


def _make(lists: Lists) -> Resolver:
    from pyfix.dns.resolver import DnsResolver  # dnspython: only where it is needed

    return DnsResolver.from_config(lists.site.main)
