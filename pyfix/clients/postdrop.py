"""postdrop - handing a submission to the postdrop service, what both ends say

The server speaks first, one attribute list: protocol=postdrop_protocol queue_id=ID; or, when it takes nothing from this
caller, status and reason. The client sends records from the envelope to E; the server answers status=0 reason=
when the submission is on disk, else bits of the cleanup service and a reason. A client that hangs up before E has
cancelled. The command postdrop says the same on its standard output.

Sources: ipc sheet section 3, postdrop.
"""

PROTOCOL = "postdrop_protocol"


def greeting(queue_id: str) -> bytes:
    """Go on."""
    return _list(protocol=PROTOCOL, queue_id=queue_id)


def verdict(status: int, reason: str = "") -> bytes:
    """The end. status: 0, or bits of the cleanup service."""
    return _list(status=str(status), reason=reason)


def _list(**attributes: str) -> bytes:
    words = [word for pair in attributes.items() for word in pair]
    return b"".join([word.replace("\0", "?").encode("utf-8", "surrogateescape") + b"\0" for word in words]) + b"\0"
