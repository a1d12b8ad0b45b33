"""at_start - the parameters that every program reads at its start, whatever it needs

A bad value of one of them is fatal to each program of Postfix, as `message_size_limit = abc` is to postqueue.
pyfix.config.check reads them; commands that must start quickly ask plain() about each line of main.cf, and go to that
trouble only where it says no. Nothing is imported here.

Sources: seen of the programs of Postfix 3.11.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FLAGS = _names(
    "address_verify_negative_cache backwards_bounce_logfile_compatibility daemon_table_open_error_is_fatal "
    "disable_dns_lookups disable_mime_input_processing disable_mime_output_conversion dns_ncache_ttl_fix_enable "
    "enable_idna2003_compatibility enable_long_queue_ids enable_original_recipient helpful_warnings "
    "multi_instance_enable non_bdb_migration_log_redirect owner_request_special requiretls_enable respectful_logging "
    "send_cyrus_sasl_authzid smtputf8_enable soft_bounce strict_7bit_headers strict_8bitmime strict_8bitmime_body "
    "strict_mime_encoding_domain strict_smtputf8 tls_required_enable"
)
NUMBERS = _names(
    "berkeley_db_create_buffer_size berkeley_db_read_buffer_size debug_peer_level default_process_limit "
    "delay_logging_resolution_limit deliver_lock_attempts dont_remove fault_injection_code fork_attempts "
    "hash_queue_depth header_address_token_limit header_size_limit line_length_limit lmdb_map_size max_use "
    "message_size_limit mime_boundary_length_limit mime_nesting_limit socketmap_max_reply_size tcp_windowsize"
)
TIMES = _names(
    "application_event_drain_time daemon_timeout deliver_lock_delay fork_delay in_flow_delay ipc_idle ipc_timeout "
    "ipc_ttl max_idle stale_lock_time trigger_timeout"
)
WORDS = _names(
    "address_verify_service_name bounce_service_name cleanup_service_name command_directory config_directory "
    "daemon_directory data_directory default_cache_db_type default_database_type default_privs "
    "default_verp_delimiters defer_service_name double_bounce_sender error_service_name flush_service_name "
    "hash_queue_names info_log_address_format mail_name mail_owner mail_release_date mail_version "
    "maillog_file_compressor maillog_file_permissions maillog_file_prefixes maillog_file_rotate_suffix "
    "meta_directory mydomain myhostname mynetworks_style myorigin non_bdb_migration_level pickup_service_name "
    "postlog_service_name process_id_directory proxymap_service_name proxywrite_service_name queue_directory "
    "queue_service_name rewrite_service_name setgid_group shlib_directory showq_service_name "
    "smtputf8_autodetect_classes syslog_facility syslog_name trace_service_name verp_delimiter_filter"
)
"""Texts that may not be empty."""
TEXTS = _names(
    "alias_database alternate_config_directories compatibility_level debug_peer_list "
    "default_delivery_status_filter dnssec_probe export_environment fast_flush_domains import_environment "
    "inet_interfaces inet_protocols internal_mail_filter_classes known_tcp_ports maillog_file "
    "message_drop_headers multi_instance_directories multi_instance_group multi_instance_name "
    "multi_instance_wrapper mydestination mynetworks non_bdb_custom_mapping non_bdb_migration_service_name "
    "parent_domain_matches_subdomains proxy_interfaces recipient_delimiter relay_domains relayhost service_name"
)
READ = FLAGS | NUMBERS | TIMES | WORDS | TEXTS

# Texts of which more is asked, with values that are right anywhere.
USUAL = {
    "compatibility_level": {"2", "3.6", "3.8", "3.9", "3.10", "3.11"},
    "default_privs": {"nobody"},
    "default_verp_delimiters": {"+="},
    "inet_interfaces": {"all", "loopback-only"},
    "inet_protocols": {"all", "ipv4", "ipv6"},
    "known_tcp_ports": {""},
    "mail_owner": {"postfix"},
    "maillog_file_permissions": {"0600", "0640", "0644"},
    "mynetworks_style": {"host", "subnet", "class"},
    "non_bdb_migration_level": {"disable", "enable-redirect", "enable-reindex"},
    "setgid_group": {"postdrop"},
    "syslog_facility": {"mail"},
    "verp_delimiter_filter": {"-=+"},
}
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")
_UNITS = {"s": 5, "m": 5, "h": 5, "d": 3, "w": 3}  # with the digits that stay below 2**31 seconds
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def plain(name: str, settings: "Mapping[str, str]", *, root: bool) -> bool:
    """Whether the value of this name is right beyond doubt; settings: those of main.cf as written.

    root: whether it matters that users can be found.
    """
    value = settings[name]
    if name in FLAGS:
        return value.lower() in {"yes", "no"}
    if name in NUMBERS:
        return _is_number(value, 4, 9)  # digits: more than each one's minimum, less than 2**31
    if name in TIMES:
        unit = value[-1:] if value[-1:] in _UNITS else ""
        return name != "in_flow_delay" and _is_number(value.removesuffix(unit), 1, _UNITS.get(unit, 5))
    return name not in READ or _plain_text(name, value, settings, root=root)


def _is_number(value: str, least: int, most: int) -> bool:
    """Whether it is a number of so many digits."""
    return least <= len(value) <= most and value.isdecimal() and value.isascii() and value[0] != "0"


def _plain_text(name: str, value: str, settings: "Mapping[str, str]", *, root: bool) -> bool:
    if not value and name in WORDS:
        return False
    if name in {"mail_owner", "setgid_group", "default_privs"} and not root:
        return "$" not in value
    if name == "inet_interfaces" and value == "127.0.0.1":  # of every host that speaks IPv4 at all
        return settings.get("inet_protocols", "all") in {"all", "ipv4"}
    if name == "non_bdb_custom_mapping":
        return not value
    if name == "import_environment" and ("{" in value or "=" in value):
        return False
    if name in USUAL:
        return value in USUAL[name]
    if name == "maillog_file":
        prefixes = settings.get("maillog_file_prefixes", "/var, /dev/stdout").replace(",", " ")
        return not value or ("$" not in prefixes and any(_is_below(value, prefix) for prefix in prefixes.split()))
    if name in {"myhostname", "mydomain"}:
        return _LETTERS.issuperset(value) and all(_is_label(label) for label in value.split("."))
    if name == "myorigin" and any(char in value for char in ", \t"):
        return False
    return "$" not in value or all(_refers(piece, settings) for piece in value.split("$")[1:])


def _is_below(path: str, prefix: str) -> bool:
    """Whether it is this path, or one in it."""
    return "$" not in path and (path == prefix or path.startswith(prefix.rstrip("/") + "/"))


def _is_label(text: str) -> bool:
    """Whether it is a label of a host name that nothing speaks against: it begins with a letter."""
    return text[:1].isalpha() and text[-1] != "-" and len(text) < 64


def _refers(text: str, settings: "Mapping[str, str]") -> bool:
    """Whether the text after a "$" begins with a name, and one whose value refers to no other."""
    end = next((at for at, char in enumerate(text) if char not in _NAME), len(text))
    name = text[:end]
    return bool(name) and (name in {"myhostname", "mydomain"} or name in settings) and "$" not in settings.get(name, "")
