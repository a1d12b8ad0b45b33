"""Agents that only read the next hop."""

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.delivery import discard
from pyfix.delivery.agent import Delivery
from pyfix.delivery.error import Error
from pyfix.server.context import Context
from pyfix.unix import msg


def outcomes(deliver, store, nexthop: str) -> list[tuple[str, str, str]]:
    delivery = Delivery(store.request(store.put("a@d.test", "b@d.test"), nexthop), -1)
    return [(o.recipient.address, o.dsn.status, o.dsn.reason) for o in deliver(delivery)]


@pytest.mark.parametrize(
    ("service", "nexthop", "status", "reason"),
    [
        ("error", "5.1.1 no such user", "5.1.1", "no such user"),
        ("error", "mail is not accepted", "5.0.0", "mail is not accepted"),
        ("retry", "4.3.2 deferred transport", "4.3.2", "deferred transport"),
        ("retry", "later", "4.0.0", "later"),
        ("retry", "5.1.1 no", "4.0.0", "no"),
        ("error", "4.1.1 no", "5.0.0", "no"),
    ],
)
def test_error_and_retry(store, service: str, nexthop: str, status: str, reason: str) -> None:
    agent = Error(Context(service, "error", MainCf.from_text("")))
    expected = [("a@d.test", status, reason), ("b@d.test", status, reason)]
    assert outcomes(agent.deliver, store, nexthop) == expected
    doing = {"error": "bounce_append", "retry": "defer_append"}[service]
    ignored = [] if nexthop.startswith(status) or (status.endswith("0.0") and nexthop[0] not in "45") else [nexthop[:5]]
    assert store.lines == [f'warning: {doing}: ignoring dsn code "{code}"' for code in ignored]


def test_other_service_names_are_refused(store) -> None:
    with pytest.raises(msg.Fatal):
        Error(Context("smtp", "error", MainCf.from_text("")))
    assert store.lines == ["fatal: unsupported error delivery agent service: smtp"]


@pytest.mark.parametrize(
    ("nexthop", "status", "reason"), [("silently", "2.0.0", "silently"), ("2.1.5 gone", "2.1.5", "gone")]
)
def test_discard(store, nexthop: str, status: str, reason: str) -> None:
    assert outcomes(discard.deliver, store, nexthop)[0] == ("a@d.test", status, reason)
