"""smtp_forward - XFORWARD, by which a client tells a content filter where a message came from

Sent in two commands before MAIL, each with the attributes that the server knows and we do.

Source: XFORWARD_README.
"""

from __future__ import annotations

from pyfix.mail.dsn import xtext_encode
from pyfix.wire.smtp_client import Stage

NAMES = {
    Stage.XFORWARD_NAME: ("NAME", "ADDR", "PORT"),
    Stage.XFORWARD_HELO: ("PROTO", "HELO", "IDENT", "SOURCE"),
}


def forward_commands(features: dict[str, str], known: dict[str, str]) -> list[tuple[Stage, bytes]]:
    """What to send. features: of EHLO; known: values by attribute, empty or "unknown" when they are not known."""
    offered = features.get("XFORWARD", "").upper().split()
    commands = []
    for stage, names in NAMES.items():
        words = [_word(name, known.get(name, "")) for name in names if name in offered and _is_known(known.get(name))]
        if words:
            commands.append((stage, b" ".join([b"XFORWARD", *words])))
    return commands


def _is_known(value: str | None) -> bool:
    return bool(value) and value != "unknown"


def _word(name: str, value: str) -> bytes:
    if name == "ADDR" and ":" in value:
        value = f"IPV6:{value}"
    return name.encode() + b"=" + xtext_encode(value.encode("utf-8", "surrogateescape"))
