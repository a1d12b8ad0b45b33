"""content - what is in a message: headers, MIME, checks of content, filters and milters"""

MEANINGS = {
    # Headers.
    "always_add_missing_headers": (
        "Whether From, To, Date and Message-Id are added to mail from strangers too, not only to our own."
    ),
    "undisclosed_recipients_header": "The header that mail gets which has no To and no Cc; empty: none.",
    "header_from_format": (
        'How a From header that is made here is written: "name" <address> (standard) or address (name) (obsolete).'
    ),
    "full_name_encoding_charset": (
        "The character set that is named when a full name in From has other letters than ASCII."
    ),
    "enable_original_recipient": (
        "Whether it is kept to which address a recipient was written before rewriting, for X-Original-To and for "
        "telling duplicates."
    ),
    "message_drop_headers": "The headers that are taken out of mail when it enters the queue.",
    "header_size_limit": "The largest header that is kept, in bytes; what is beyond is cut off.",
    "header_address_token_limit": "How many parts of addresses are read from one header; what is beyond is dropped.",
    "line_length_limit": (
        "The longest line that is handled in one piece, in bytes; longer ones are cut up and put together again."
    ),
    "hopcount_limit": "How many Received headers a message may have before it is taken for one that loops.",
    "queue_file_attribute_count_limit": "How many named attributes of a message are kept in its queue file.",
    "duplicate_filter_limit": (
        "How many recipients are remembered to leave out the same one later in the list; 0: any number."
    ),
    "message_reject_characters": "Characters that make a message be refused, written as in C, such as \\0.",
    "message_strip_characters": "Characters that are taken out of messages, written as in C, such as \\0.",
    "cleanup_replace_stray_cr_lf": (
        "Whether a CR or LF that is not part of a line's end becomes a space, so that no receiver takes it for one."
    ),
    # MIME and UTF-8.
    "disable_mime_input_processing": "Whether new mail is taken as text only, without a look at its MIME structure.",
    "detect_8bit_encoding_header": "Whether the Content-Transfer-Encoding header decides if the text counts as 8-bit.",
    "force_mime_input_conversion": (
        "Whether text of 8 bits is turned into quoted-printable when mail comes in, so that no later hop breaks "
        "its signature."
    ),
    "mime_boundary_length_limit": "How much of a MIME boundary is compared, in bytes.",
    "mime_nesting_limit": "How deep MIME parts may lie within one another; deeper ones are refused.",
    "non_empty_end_of_header_action": "What happens to a message whose header does not end with an empty line.",
    "strict_7bit_headers": "Whether mail is refused that has 8-bit characters in its headers.",
    "strict_8bitmime": "Both strict_7bit_headers and strict_8bitmime_body.",
    "strict_8bitmime_body": "Whether mail is refused that has 8-bit text without saying so in its MIME headers.",
    "strict_mime_encoding_domain": (
        "Whether mail is refused whose attached messages or multiparts have an encoding that is not allowed for them."
    ),
    "smtputf8_enable": "Whether addresses and headers in UTF-8 are taken.",
    "strict_smtputf8": "Whether a client may use UTF-8 only after it has asked for SMTPUTF8.",
    "smtputf8_autodetect_classes": (
        "The ways in for which it is found out from headers and addresses that a message needs SMTPUTF8."
    ),
    # Patterns.
    "header_checks": "Patterns for header lines, and what to do with a message that has one.",
    "mime_header_checks": "Patterns for the MIME headers of a message and of its parts, in place of header_checks.",
    "nested_header_checks": (
        "Patterns for the headers of attached messages other than their MIME headers, in place of header_checks."
    ),
    "body_checks": "Patterns for lines of the body, and what to do with a message that has one.",
    "body_checks_size_limit": "How much of each MIME part body_checks sees, in bytes.",
    "milter_header_checks": "Patterns for the headers that milters add or change, as in header_checks.",
    "internal_mail_filter_classes": (
        "The kinds of mail made here (bounce, notify) that header_checks, body_checks and non_smtpd_milters see "
        "as well."
    ),
    # Filters.
    "content_filter": "Where all new mail goes first, to come back afterwards, as transport:nexthop.",
    "receive_override_options": "What is left out for mail that a content filter gives back.",
    # Milters.
    "smtpd_milters": "The milters that see mail which comes by SMTP.",
    "smtpd_milter_maps": "Other milters than smtpd_milters for some clients, by address; DISABLE means none.",
    "non_smtpd_milters": "The milters that see mail which comes from this system.",
    "milter_default_action": "What happens to mail while a milter does not work.",
    "milter_protocol": "The version of the milter protocol, as the milters expect it.",
    "milter_connect_timeout": (
        "How long a connection to a milter may take to come about, with what is agreed at its beginning."
    ),
    "milter_command_timeout": "How long sending a command to a milter and its answer may take.",
    "milter_content_timeout": "How long sending the message to a milter and its last answer may take.",
    "milter_connect_macros": "The macros that milters get with the connection of a client.",
    "milter_helo_macros": "The macros that milters get after HELO or EHLO.",
    "milter_mail_macros": "The macros that milters get after MAIL.",
    "milter_rcpt_macros": "The macros that milters get after RCPT.",
    "milter_data_macros": "The macros that milters get after DATA.",
    "milter_end_of_header_macros": "The macros that milters get at the end of the header.",
    "milter_end_of_data_macros": "The macros that milters get at the end of the message.",
    "milter_unknown_command_macros": "The macros that milters get after a command that does not exist.",
    "milter_macro_daemon_name": "What milters get for {daemon_name}.",
    "milter_macro_v": "What milters get for v, the name and version of the mail system.",
    "milter_macro_defaults": "Macros, as name=value, for milters when nothing better is known.",
    # Variable envelope return paths.
    "default_verp_delimiters": "The two characters that a VERP sender is made with, as in list+user=example.com@here.",
    "verp_delimiter_filter": "The characters that may be delimiters of VERP senders.",
    # REQUIRETLS.
    "requiretls_enable": "Whether mail can ask for TLS on its whole way (RFC 8689).",
    "requiretls_esmtp_header": (
        "Whether a header notes that a message came with REQUIRETLS, so that this is not lost on the way through "
        "a content filter."
    ),
    "tls_required_enable": (
        "Whether mail with the header TLS-Required: no is delivered even where a TLS policy can't be met."
    ),
}
