"""rules - what main.cf says about messages

Parameters: message_size_limit cleanup_replace_stray_cr_lf header_size_limit delay_warning_time
queue_file_attribute_count_limit duplicate_filter_limit enable_original_recipient empty_address_recipient
always_bcc sender_bcc_maps recipient_bcc_maps
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyfix.maps.maps import Maps


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """What it says about headers. drop: names in lower case; remote_domain: for remote headers;
    charset: of full names; tls_required: `TLS-Required: no` is looked for; requiretls_header:
    `Require-TLS-ESMTP: yes` is looked for, and added; size_limit: bytes of one."""

    myhostname: str
    drop: frozenset[bytes] = frozenset({b"bcc", b"content-length", b"resent-bcc", b"return-path"})
    hopcount_limit: int = 50
    always_add_missing: bool = False
    undisclosed: bytes = b""
    remote_domain: str = ""
    token_limit: int = 10240
    line_limit: int = 2048
    long_ids: bool = False
    standard_from: bool = True
    charset: str = "utf-8"
    tls_required: bool = True
    requiretls_header: bool = True
    size_limit: int = 102400


@dataclass(frozen=True, slots=True)
class Rules:
    """What main.cf says about messages."""

    headers: HeaderRules
    size_limit: int = 10240000
    replace_stray_cr_lf: bool = True
    delay_warning: int = 0
    attribute_limit: int = 100
    duplicate_limit: int = 1000
    original_counts: bool = True
    empty_address: str = "MAILER-DAEMON"
    always_bcc: str = ""
    sender_bcc: Maps | None = field(default=None)
    recipient_bcc: Maps | None = field(default=None)
