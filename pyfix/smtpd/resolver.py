"""resolver - DNS, for those restrictions that ask it

Made with the first of them, before the jail: a worker without any does not load it.

Parameters: pyfix_dns_nameservers, smtpd_dns_reply_filter.
"""

from __future__ import annotations

from pyfix.dns.answer import Resolver
from pyfix.maps.maps import Maps
from pyfix.smtpd.restrictions import Lists


def resolver(lists: Lists) -> Resolver:
    """The one of all words of these lists."""
    made: Resolver = lists.once("dns", lambda: _make(lists))
    return made


def unfiltered_resolver(lists: Lists) -> Resolver:
    """The same, but no answer goes through smtpd_dns_reply_filter."""
    if not lists.site.cfg.smtpd_dns_reply_filter:
        return resolver(lists)
    made: Resolver = lists.once("unfiltered dns", lambda: _make(lists, filtered=False))
    return made


def _make(lists: Lists, *, filtered: bool = True) -> Resolver:
    from pyfix.dns.reply_filter import ReplyFilter
    from pyfix.dns.resolver import DnsResolver  # dnspython: only where it is needed

    site = lists.site
    if not filtered:
        return DnsResolver.from_config(site.main)
    maps = Maps(site.cfg.smtpd_dns_reply_filter, name="smtpd_dns_reply_filter", config_dir=site.main.config_dir)
    return DnsResolver.from_config(site.main, ReplyFilter(maps) if maps else None)
