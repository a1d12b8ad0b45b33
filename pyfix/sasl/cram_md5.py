"""cram_md5 - show that we know the password, by a hash of it and the server's challenge

Source: RFC 2195.
"""

import hmac

from pyfix.sasl.login import Dialog, Login


def cram_md5(login: Login) -> Dialog:
    """CRAM-MD5."""
    challenge = yield b""
    return login.name + b" " + hmac.new(login.password, challenge, "md5").hexdigest().encode()
