"""A connection's waits share a timer; each still ends in its own time."""

import asyncio

import pytest

from pyfix.delivery.smtp.connection import Connection, Lost, Silent

LONG = 3600.0


def run(main):
    async def with_connection():
        connection = Connection()
        try:
            await main(connection, asyncio.get_running_loop())
        finally:
            connection.connection_lost(None)
        assert connection._timer is None

    asyncio.run(with_connection())


def test_a_short_wait_after_a_long_one_is_short():
    async def main(connection, loop):
        loop.call_soon(connection.data_received, b"first")
        assert await connection.read(LONG) == b"first"
        with pytest.raises(Silent):
            await connection.read(0.01)

    run(main)


def test_a_long_wait_after_a_short_one_is_not_cut_off():
    async def main(connection, loop):
        loop.call_soon(connection.data_received, b"first")
        assert await connection.read(0.01) == b"first"
        loop.call_later(0.05, connection.data_received, b"second")
        assert await connection.read(LONG) == b"second"

    run(main)


def test_a_timer_that_finds_nobody_waiting_is_set_again_by_the_next_wait():
    async def main(connection, loop):
        loop.call_soon(connection.data_received, b"first")
        assert await connection.read(0.01) == b"first"
        while connection._timer is not None:
            await asyncio.sleep(0.005)
        with pytest.raises(Silent):
            await connection.read(0.01)

    run(main)


def test_who_waits_hears_that_the_server_has_gone():
    async def main(connection, loop):
        loop.call_soon(connection.eof_received)
        with pytest.raises(Lost):
            await connection.read(LONG)

    run(main)
