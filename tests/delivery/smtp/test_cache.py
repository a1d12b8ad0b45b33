"""Which kept connections serve what."""

import asyncio

import pytest

from pyfix.delivery.smtp.addresses import Server
from pyfix.delivery.smtp.cache import Cache
from pyfix.delivery.smtp.session import Key

MX = Server("mx.d.test", "192.0.2.1", 25)


class Session:
    """As much of one as counts."""

    server = MX
    alive = True
    key: Key


@pytest.mark.parametrize(
    ("made_for", "server", "key", "serves"),
    [
        pytest.param(Key("d.test"), MX, Key("other.test"), True, id="the same address"),
        pytest.param(Key("d.test"), MX._replace(host="mx.other.test"), Key("other.test"), True, id="another name"),
        pytest.param(Key("d.test"), MX._replace(address="192.0.2.2"), Key("d.test"), False, id="another address"),
        pytest.param(Key("d.test"), MX._replace(port=26), Key("d.test"), False, id="another port"),
        pytest.param(Key("d.test", "a@x.test"), MX, Key("d.test", "a@x.test"), True, id="the same sender"),
        pytest.param(Key("d.test", "a@x.test"), MX, Key("d.test", "b@x.test"), False, id="another sender"),
        pytest.param(Key("d.test", exact=True), MX, Key("d.test", exact=True), True, id="exactly that"),
        pytest.param(Key("d.test", exact=True), MX, Key("other.test", exact=True), False, id="not exactly that"),
        pytest.param(
            Key("d.test", exact=True), MX._replace(host="b.d.test"), Key("d.test", exact=True), False, id="not its name"
        ),
    ],
)  # fmt: skip
def test_a_connection_to_an_address_serves(made_for: Key, server: Server, key: Key, serves: bool) -> None:
    async def run() -> bool:
        cache = Cache(60)
        session = Session()
        session.key = made_for
        cache.put(session)
        found = cache.take_server(server, key)
        for timer in cache._kept.values():
            timer.cancel()
        return found is session

    assert asyncio.run(run()) is serves
