"""answer - what comes back from a service that is asked, with a loop (stream.py) or without (serial.py)"""

from pyfix.mail.error import Retry

Answer = tuple[bytes, bytes]
"""Attribute list, body."""


class ServiceGone(Retry):
    """No connection, or the connection was lost before the answer came."""
