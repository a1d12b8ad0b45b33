"""sendopts - the bits of a message's sendopts, in its queue file and in what daemons ask of each other

Source: queue-file sheet section 4.
"""

from typing import Final

UTF8_REQUESTED: Final = 1
"""MAIL said SMTPUTF8, or would have."""
UTF8_HEADER: Final = 2
UTF8_SENDER: Final = 4
UTF8_RECIPIENT: Final = 8
"""In requests only, not in queue files."""
TLS_OPTIONAL: Final = 16
"""`TLS-Required: no` (RFC 8689)."""
REQUIRETLS: Final = 32
KNOWN: Final = 63
