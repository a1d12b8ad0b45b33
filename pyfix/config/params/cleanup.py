"""cleanup - parameters of the cleanup server.

Sources: cleanup(8), postconf(5).
"""

from pyfix.config.param import Bool, Int, Params, Str


class CleanupParams(Params):
    """Parameters that only cleanup reads."""

    cleanup_replace_stray_cr_lf = Bool("yes")

    # Headers.
    always_add_missing_headers = Bool("no")
    hopcount_limit = Int("50", min=1)
    undisclosed_recipients_header = Str("")

    # Addresses.
    canonical_classes = Str("envelope_sender, envelope_recipient, header_sender, header_recipient", min=1)
    sender_canonical_classes = Str("envelope_sender, header_sender", min=1)
    recipient_canonical_classes = Str("envelope_recipient, header_recipient", min=1)
    masquerade_classes = Str("envelope_sender, header_sender, header_recipient")
    masquerade_domains = Str("")
    masquerade_exceptions = Str("")
    virtual_alias_address_length_limit = Int("1000", min=1)
    virtual_alias_expansion_limit = Int("1000", min=1)
    virtual_alias_recursion_limit = Int("1000", min=1)

    # Copies.
    always_bcc = Str("")
    recipient_bcc_maps = Str("")
    sender_bcc_maps = Str("")

    # The queue file.
    queue_file_attribute_count_limit = Int("100", min=1)

    # Contents.
    body_checks = Str("")
    body_checks_size_limit = Int("51200")
    header_checks = Str("")
    milter_header_checks = Str("")
    mime_header_checks = Str("$header_checks")
    nested_header_checks = Str("$header_checks")

    # MIME and characters.
    detect_8bit_encoding_header = Bool("yes")
    force_mime_input_conversion = Bool("no")
    full_name_encoding_charset = Str("utf-8", min=1)
    message_reject_characters = Str("")
    message_strip_characters = Str("")
    non_empty_end_of_header_action = Str("fix_quietly", min=1)

    # Milters for mail that does not come by SMTP.
    non_smtpd_milters = Str("")
