"""Where recipients go, from what trivial-rewrite says."""

import pytest

from pyfix.clients.rewrite import CLASS_LOCAL, CLASS_VIRTUAL, FLAG_ERROR, FLAG_FAIL, Resolved
from pyfix.maps.run_now import run_now
from pyfix.qmgr.resolve import Policy, resolve_message
from pyfix.queue.file import Envelope, Recipient


class Fixed:
    """Answers all questions the same."""

    def __init__(self, flags: int = CLASS_VIRTUAL) -> None:
        self.flags = flags

    async def resolve(self, sender: str, address: str) -> Resolved:
        domain = address.rpartition("@")[2]
        return Resolved("virtual", domain, address if "@" in address else f"{address}@me.test", self.flags)


def routes(resolver: Fixed, policy: Policy, *addresses: str, **envelope: str) -> list[tuple[str, str, list[str]]]:
    message = Envelope()
    message.recipients = [Recipient(at, address) for at, address in enumerate(addresses)]
    for name, value in envelope.items():
        setattr(message, name, value)
    found, _ = run_now(resolve_message(resolver, message, policy))
    return [(*where, [recipient.address for recipient in recipients]) for where, recipients in found.items()]


@pytest.mark.parametrize(
    ("flags", "address", "expected"),
    [
        (CLASS_VIRTUAL, "a@d.test", ("virtual", "d.test", ["a@d.test"])),
        (CLASS_VIRTUAL, "a", ("virtual", "a", ["a@me.test"])),
        (CLASS_VIRTUAL, "", ("error", "5.1.3 null recipient address", [""])),
        (FLAG_ERROR, "a@d.test", ("error", "5.1.3 bad address syntax", ["a@d.test"])),
        (FLAG_FAIL, "a@d.test", ("retry", "4.3.0 address resolver failure", ["a@d.test"])),
    ],
)
def test_one_recipient(flags: int, address: str, expected: tuple[str, str, list[str]]) -> None:
    assert routes(Fixed(flags), Policy(), address) == [expected]


def test_a_filter_takes_all(tmp_path: object) -> None:
    assert routes(Fixed(), Policy(), "a@d.test", "b@e.test", filter="scan:[127.0.0.1]:10025") == [
        ("scan", "[127.0.0.1]:10025", ["a@d.test", "b@e.test"])
    ]
    assert routes(Fixed(), Policy(), "a@d.test", filter="scan:") == [("scan", "d.test", ["a@d.test"])]


def test_a_redirect_replaces_all_recipients() -> None:
    found = routes(Fixed(), Policy(), "a@d.test", "b@e.test", redirect="x@f.test")
    assert found == [("virtual", "f.test", ["x@f.test", "x@f.test"])]


def test_defer_transports() -> None:
    policy = Policy(frozenset({"virtual"}))
    assert routes(Fixed(), policy, "a@d.test") == [("retry", "4.3.2 deferred transport", ["a@d.test"])]


@pytest.mark.parametrize(
    ("address", "flags", "gone"),
    [
        ("Double-Bounce@d.test", CLASS_LOCAL, True),
        ("double-bounce@d.test", CLASS_VIRTUAL, False),
        ("double-bounced@d.test", CLASS_LOCAL, False),
    ],
)
def test_local_double_bounces_are_discarded(address: str, flags: int, gone: bool) -> None:
    assert (routes(Fixed(flags), Policy(), address) == []) is gone
