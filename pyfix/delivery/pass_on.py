"""pass_on - deliver_pass from an event loop"""

from pyfix.clients.answer import ServiceGone
from pyfix.clients.deliver import PROTOCOL, Answer, Request, decode_answer
from pyfix.clients.stream import Channel
from pyfix.delivery.deliver_pass import NoTransportError, asked, no_agent
from pyfix.queue.file import Recipient
from pyfix.unix import msg
from pyfix.wire.attr import AttrError


async def pass_on(transport: str, request: Request, recipient: Recipient, *, seconds: float) -> Answer:
    """The same on an event loop. seconds: what Channel calls timeout."""
    name, attrs, body = asked(transport, request, recipient, request.sender)
    channel = Channel(f"private/{name}", PROTOCOL, timeout=seconds)
    try:
        return decode_answer((await channel.request(attrs, body))[0])
    except (ServiceGone, AttrError) as error:
        msg.warning(no_agent(request.queue_id, name, str(error)))
        raise NoTransportError(name) from error
    finally:
        channel.close()
