"""resolve_local - the domains that table keys may leave out: `user` stands for user@domain

They are those of mydestination, myorigin, and address literals of this host.

Sources: canonical(5), virtual(5).
"""

from collections.abc import Awaitable, Callable

from pyfix.config import networks
from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.maps.match import StringMatch


def local_domains(main: MainCf) -> Callable[[str], Awaitable[bool]]:
    """Whether a domain is one of them. The function that is returned raises TableError."""
    mail = MailParams(main)
    here = StringMatch(mail.mydestination, name="mydestination")
    origin = mail.myorigin.lower()
    own = frozenset([*networks.own_addresses(main), *networks.proxy_addresses(main)])

    async def is_local(domain: str) -> bool:
        literal = domain[1:-1].lower().removeprefix("ipv6:") if domain.startswith("[") else ""
        return domain.lower() == origin or literal in own or await here.matches(domain)

    return is_local
