"""deliver_pass - hand one recipient on to another delivery agent

The other agent does all that there is to do, except marking the recipient in the queue file: that
is left to the one who asked. A transport is `name` or `name:nexthop`.
"""

from __future__ import annotations

from pyfix.clients.answer import ServiceGone
from pyfix.clients.deliver import DEFERRED, NORMAL, PROTOCOL, Answer, Request, decode_answer
from pyfix.clients.serial import SerialChannel
from pyfix.mail.address import quote
from pyfix.queue.file import Recipient
from pyfix.unix import msg
from pyfix.wire.attr import AttrError


class NoTransportError(Exception):
    """There is no such agent, or it does not answer."""


def deliver_pass(transport: str, request: Request, recipient: Recipient, sender: str, timeout: float) -> Answer:
    """The other agent's answer. timeout: ipc_timeout, seconds. NoTransportError."""
    name, attrs, body = asked(transport, request, recipient, sender)
    channel = SerialChannel(f"private/{name}", PROTOCOL, timeout=timeout)
    try:
        return decode_answer(channel.request_now(attrs, body)[0])
    except (ServiceGone, AttrError) as error:
        msg.warning(no_agent(request.queue_id, name, str(error)))
        raise NoTransportError(name) from error
    finally:
        channel.close()


def asked(transport: str, request: Request, recipient: Recipient, sender: str) -> tuple[str, bytes, bytes]:
    """The agent's name, and the frame for it."""
    name, _, nexthop = transport.partition(":")
    msg.info(passing(request.queue_id, recipient.address, name))
    copy = request._replace(
        nexthop=nexthop or request.nexthop, sender=sender, recipients=[recipient], flags=request.flags & ~NORMAL
    )
    return name, *copy.encode()


def deferred(answer: Answer) -> bool:
    """Whether the recipient is still to do."""
    return answer.status == DEFERRED


def passing(queue_id: str, address: str, name: str) -> str:
    """Log line: another agent is to deliver."""
    return f"{queue_id}: passing <{quote(address)}> to transport={name}"


def no_agent(queue_id: str, name: str, reason: str) -> str:
    """Log line: a transport can't be asked."""
    return f"{queue_id}: transport {name}: {reason}"
