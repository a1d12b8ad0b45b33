"""mail - parameters that several programs read.

Those of one program are in the file of its name.

Sources: postconf(5).
"""

import os
import sys

from pyfix.config.expand import ExpandError, parse_level
from pyfix.config.hosts import (
    SEPARATORS,
    default_mydomain,
    default_myhostname,
    default_mynetworks,
    name_problem,
)
from pyfix.config.param import Bool, Int, Long, NBool, Params, Str, Time
from pyfix.unix import msg

VERSION = "3.11.6"  # the Postfix that we stand in for
RELEASE_DATE = "20260809"


class HostName(Str):
    """A valid host name."""

    def parse(self, text: str) -> str:
        text = super().parse(text)
        if problem := name_problem(text):
            msg.warning(f"valid_hostname: {problem}")
            raise ValueError(f"parameter {self.name}: bad parameter value: {text}")
        return text


class OneWord(Str):
    """Text that is no list."""

    def parse(self, text: str) -> str:
        text = super().parse(text)
        if SEPARATORS.search(text):
            raise ValueError(f"{self.name} parameter setting must not contain multiple values: {text}")
        return text


class Level(Str):
    """A compatibility level."""

    def parse(self, text: str) -> str:
        try:
            parse_level(text)
        except ExpandError as e:
            raise ValueError(str(e)) from None
        return text


class MailParams(Params):
    """Parameters of no one program."""

    # This system.
    compatibility_level = Level("0")
    mail_name = Str("Postfix", min=1)
    mail_version = Str(VERSION, min=1)
    mail_release_date = Str(RELEASE_DATE, min=1)
    myhostname = HostName(default_myhostname, min=1)
    mydomain = HostName(default_mydomain, min=1)
    myorigin = OneWord("$myhostname", min=1)
    mydestination = Str("$myhostname, localhost.$mydomain, localhost")
    mynetworks_style = Str("${{$compatibility_level} <level {2} ? {subnet} : {host}}", min=1)
    mynetworks = Str(default_mynetworks)
    inet_interfaces = Str("all")
    inet_protocols = Str("all")
    proxy_interfaces = Str("")
    known_tcp_ports = Str("lmtp=24, smtp=25, smtps=submissions=465, submission=587")
    multi_instance_directories = Str("")
    multi_instance_enable = Bool("no")
    multi_instance_group = Str("")
    multi_instance_name = Str("")
    multi_instance_wrapper = Str("")

    # Files, users and processes.
    alternate_config_directories = Str("")
    command_directory = Str("/usr/sbin", min=1)
    config_directory = Str("/etc/postfix", min=1)
    daemon_directory = Str("/usr/libexec/postfix", min=1)
    data_directory = Str("/var/lib/postfix", min=1)
    queue_directory = Str("/var/spool/postfix", min=1)
    process_id_directory = Str("pid", min=1)
    meta_directory = Str("/etc/postfix", min=1)
    mail_owner = Str("postfix", min=1)
    setgid_group = Str("postdrop", min=1)
    default_privs = Str("nobody", min=1)
    command_time_limit = Time("1000s", min=1)
    default_process_limit = Int("100", min=1)
    export_environment = Str("TZ MAIL_CONFIG LANG")
    import_environment = Str(
        "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C POSTLOG_SERVICE "
        "POSTLOG_HOSTNAME XDG_RUNTIME_DIR"
    )
    process_id = Int(lambda _: str(os.getpid()))
    process_name = Str(lambda _: os.path.basename(sys.argv[0] or "pyfix"))
    service_name = Str("amnesiac")
    max_idle = Time("100s", min=1)
    max_use = Int("100", min=1)
    daemon_timeout = Time("18000s", min=1)
    debug_peer_level = Int("2", min=1)
    debug_peer_list = Str("")
    debugger_command = Str("", min=1)
    application_event_drain_time = Time("100s", min=1)
    fork_attempts = Int("5", min=1)
    fork_delay = Time("1s", min=1)
    ipc_idle = Time("5s", min=1)
    ipc_timeout = Time("3600s", min=1)
    ipc_ttl = Time("1000s", min=1)
    trigger_timeout = Time("10s", min=1)
    tcp_windowsize = Int("0")
    pyfix_dns_nameservers = Str("")
    dns_ncache_ttl_fix_enable = Bool("no")
    dnssec_probe = Str("ns:.")
    enable_idna2003_compatibility = NBool("no")
    deliver_lock_attempts = Int("20", min=1)
    deliver_lock_delay = Time("1s", min=1)
    stale_lock_time = Time("500s", min=1)
    dont_remove = Int("0")
    fault_injection_code = Int("0")
    shlib_directory = Str("no", min=1)

    # Who may submit, flush and look, wherever it is asked.
    authorized_flush_users = Str("static:anyone")
    authorized_mailq_users = Str("static:anyone")
    authorized_submit_users = Str("static:anyone")

    # The log.
    syslog_facility = Str("mail", min=1)
    syslog_name = Str("${multi_instance_name?{$multi_instance_name}:{postfix}}", min=1)
    maillog_file = Str("")
    maillog_file_compressor = Str("gzip", min=1)
    maillog_file_permissions = Str("0600", min=1)
    maillog_file_prefixes = Str("/var, /dev/stdout", min=1)
    maillog_file_rotate_suffix = Str("%Y%m%d-%H%M%S", min=1)
    delay_logging_resolution_limit = Int("2", max=6)
    info_log_address_format = Str("external", min=1)
    helpful_warnings = Bool("yes")
    respectful_logging = NBool("${{$compatibility_level} <level {3.6} ? {no} : {yes}}")

    # Services by name.
    address_verify_service_name = Str("verify", min=1)
    bounce_service_name = Str("bounce", min=1)
    cleanup_service_name = Str("cleanup", min=1)
    defer_service_name = Str("defer", min=1)
    error_service_name = Str("error", min=1)
    flush_service_name = Str("flush", min=1)
    pickup_service_name = Str("pickup", min=1)
    postlog_service_name = Str("postlog", min=1)
    proxymap_service_name = Str("proxymap", min=1)
    proxywrite_service_name = Str("proxywrite", min=1)
    queue_service_name = Str("qmgr", min=1)
    rewrite_service_name = Str("rewrite", min=1)
    showq_service_name = Str("showq", min=1)
    trace_service_name = Str("trace", min=1)

    # The queue.
    enable_long_queue_ids = Bool("no")
    hash_queue_depth = Int("1", min=1)
    hash_queue_names = Str("deferred, defer", min=1)
    in_flow_delay = Time("1s", max=10)
    bounce_queue_lifetime = Time("5d", max=8640000)
    maximal_queue_lifetime = Time("5d", max=8640000)
    maximal_backoff_time = Time("4000s", min=1)
    minimal_backoff_time = Time("300s", min=1)
    queue_run_delay = Time("300s", min=1)
    delay_warning_time = Time("0h")
    duplicate_filter_limit = Int("1000")
    soft_bounce = Bool("no")
    backwards_bounce_logfile_compatibility = Bool("yes")

    # Messages.
    double_bounce_sender = Str("double-bounce", min=1)
    empty_address_recipient = Str("MAILER-DAEMON", min=1)
    disable_mime_input_processing = Bool("no")
    enable_original_recipient = Bool("yes")
    error_notice_recipient = Str("postmaster", min=1)
    header_address_token_limit = Int("10240", min=1)
    header_from_format = Str("standard", min=1)
    header_size_limit = Int("102400", min=1)
    internal_mail_filter_classes = Str("")
    line_length_limit = Int("2048", min=512)
    message_drop_headers = Str("bcc, content-length, resent-bcc, return-path")
    message_size_limit = Long("10240000")
    mime_boundary_length_limit = Int("2048", min=1)
    mime_nesting_limit = Int("100", min=1)
    requiretls_esmtp_header = NBool("yes")
    smtputf8_autodetect_classes = Str("sendmail, verify", min=1)
    smtputf8_enable = NBool("${{$compatibility_level} <level {1} ? {no} : {yes}}")
    strict_smtputf8 = Bool("no")
    strict_7bit_headers = Bool("no")
    strict_8bitmime = Bool("no")
    strict_8bitmime_body = Bool("no")
    strict_mime_encoding_domain = Bool("no")
    default_verp_delimiters = Str("+=", min=2, max=2)
    verp_delimiter_filter = Str("-=+", min=1)

    # Addresses, their rewriting and their classes.
    owner_request_special = Bool("yes")
    parent_domain_matches_subdomains = Str(
        "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,"
        "qmqpd_authorized_clients,relay_domains,smtpd_access_maps"
    )
    propagate_unmatched_extensions = Str("canonical, virtual")
    recipient_delimiter = Str("")
    relay_domains = Str("${{$compatibility_level} <level {2} ? {$mydestination} : {}}")
    relayhost = Str("")
    remote_header_rewrite_domain = Str("")
    show_user_unknown_table_name = Bool("yes")
    address_verify_negative_cache = Bool("yes")
    address_verify_sender = Str("$double_bounce_sender")
    address_verify_sender_ttl = Time("0s")
    virtual_alias_domains = Str("$virtual_alias_maps")
    virtual_mailbox_domains = Str("$virtual_mailbox_maps")

    # Tables that several programs search.
    alias_database = Str("$default_database_type:/etc/aliases")
    alias_maps = Str("$default_database_type:/etc/aliases")
    berkeley_db_create_buffer_size = Int("16777216", min=1)
    berkeley_db_read_buffer_size = Int("131072", min=1)
    canonical_maps = Str("")
    daemon_table_open_error_is_fatal = Bool("no")
    default_cache_db_type = Str("btree", min=1)
    default_database_type = Str("hash", min=1)
    local_recipient_maps = Str("proxy:unix:passwd.byname $alias_maps")
    lmdb_map_size = Long("16777216", min=1)
    recipient_canonical_maps = Str("")
    relay_recipient_maps = Str("")
    sender_canonical_maps = Str("")
    socketmap_max_reply_size = Int("100000", min=1)
    transport_maps = Str("")
    virtual_alias_maps = Str("$virtual_maps")
    virtual_mailbox_maps = Str("")

    # Mail that comes in.
    content_filter = Str("")
    receive_override_options = Str("")
    default_delivery_status_filter = Str("")

    # Delivery to mailboxes.
    mail_spool_directory = Str("/var/mail")
    strict_mailbox_ownership = Bool("yes")

    # Passwords.
    cyrus_sasl_config_path = Str("")
    send_cyrus_sasl_authzid = Bool("no")
