"""simple - mechanisms that show the password, or nothing, or let others know who we are

| mechanism   | is sent                                                     | source                  |
|-------------|-------------------------------------------------------------|-------------------------|
| PLAIN       | user and password                                           | RFC 4616                |
| LOGIN       | user, then password, each when asked for whatever in words  | draft-murchison-sasl-login |
| ANONYMOUS   | this host's name                                            | RFC 4505                |
| EXTERNAL    | nothing: the connection would have to tell; ours tells none | RFC 4422 appendix A     |
| XOAUTH2     | user, and the password as a token                           | Google, Microsoft       |
| OAUTHBEARER | the same                                                    | RFC 7628                |
"""

import socket

from pyfix.sasl.login import NO_MECHANISM, Dialog, Login, LoginError, only


def plain(login: Login) -> Dialog:
    """PLAIN."""
    name = login.name
    return only(b"\0".join((name if login.as_self else b"", name, login.password)))


def in_turns(login: Login) -> Dialog:
    """LOGIN."""
    yield b""
    yield login.name
    return login.password


def anonymous(_: Login) -> Dialog:
    """ANONYMOUS."""
    return only(b"anonymous@" + socket.gethostname().encode())


def external(_: Login) -> Dialog:
    """EXTERNAL."""
    raise LoginError(NO_MECHANISM)


def xoauth2(login: Login) -> Dialog:
    """XOAUTH2. A challenge is the server's complaint: the answer to it is empty."""
    yield b"user=%s\x01auth=Bearer %s\x01\x01" % (login.name, login.password)
    return b""


def oauth_bearer(login: Login) -> Dialog:
    """OAUTHBEARER. A challenge is the server's complaint: there is one answer to it."""
    name = login.name.replace(b"=", b"=3D").replace(b",", b"=2C")
    yield b"n,a=%s,\x01auth=Bearer %s\x01\x01" % (name, login.password)
    return b"\x01"
