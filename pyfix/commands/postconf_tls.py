"""postconf_tls - what the TLS library is

Sources: postconf(1) -T.
"""

import ssl

from pyfix.unix import msg

MODES = {
    "compile-version": [ssl.OPENSSL_VERSION],  # there is one library, and it is not linked here
    "run-version": [ssl.OPENSSL_VERSION],
    "public-key-algorithms": ["dsa", "ecdsa", "rsa"],
}


def show(mode: str) -> None:
    """What the mode asks for, a line each. A mode that is none ends the command with status 1."""
    if mode not in MODES:
        msg.warning(f"unknown 'postconf -T' mode: {mode}")
        raise SystemExit(1)
    print("\n".join(MODES[mode]))
