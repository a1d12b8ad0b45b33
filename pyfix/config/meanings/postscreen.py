"""postscreen - the ways in other than smtpd: postscreen and qmqpd"""

MEANINGS = {
    "postscreen_access_list": "Who passes postscreen's tests unseen, and who fails them.",
    "postscreen_allowlist_interfaces": (
        "The addresses of this host at which clients can pass for the first time; at others they have to be known "
        "already."
    ),
    "postscreen_denylist_action": "What happens to a client that postscreen_access_list refuses.",
    "postscreen_upstream_proxy_protocol": "How a load balancer in front says who the client is.",
    "postscreen_upstream_proxy_timeout": "How long the load balancer may take to say who the client is.",
    # Before the greeting.
    "postscreen_greet_wait": "How long the second half of the greeting is held back.",
    "postscreen_greet_banner": "The words of the first half of the greeting; empty: no first half.",
    "postscreen_greet_action": "What happens to a client that speaks before the greeting.",
    "postscreen_greet_ttl": "How long a client counts as one that waits for the greeting.",
    "postscreen_dnsbl_sites": "DNS lists that are asked about a client, with how much each counts.",
    "postscreen_dnsbl_threshold": "The sum of counts at which a client is on the lists.",
    "postscreen_dnsbl_allowlist_threshold": (
        "The sum of counts, below 0, from which on a client needs no other test; 0: no sum is low enough."
    ),
    "postscreen_dnsbl_action": "What happens to a client that is on the lists.",
    "postscreen_dnsbl_reply_map": (
        "The names under which DNS lists are told to clients, where the real ones hold a password."
    ),
    "postscreen_dnsbl_timeout": "How long the answers of DNS lists are waited for.",
    "postscreen_dnsbl_min_ttl": "How long a client that is on no list counts as such at least, whatever DNS says.",
    "postscreen_dnsbl_max_ttl": "How long a client that is on no list counts as such at most, whatever DNS says.",
    "dnsblog_reply_delay": "How long dnsblog holds its answers back, for tests.",
    # After the greeting.
    "postscreen_pipelining_enable": "Whether clients are tested for sending commands without waiting for replies.",
    "postscreen_pipelining_action": "What happens to a client that sends commands without waiting for replies.",
    "postscreen_pipelining_ttl": "How long a client counts as one that waits for replies.",
    "postscreen_non_smtp_command_enable": "Whether clients are tested for commands in postscreen_forbidden_commands.",
    "postscreen_non_smtp_command_action": (
        "What happens to a client that sends a command in postscreen_forbidden_commands."
    ),
    "postscreen_non_smtp_command_ttl": "How long a client counts as one that sends mail commands only.",
    "postscreen_forbidden_commands": "Commands that no mail client sends.",
    "postscreen_bare_newline_enable": "Whether clients are tested for lines that end without CR.",
    "postscreen_bare_newline_action": "What happens to a client that ends lines without CR.",
    "postscreen_bare_newline_ttl": "How long a client counts as one that ends its lines with CR LF.",
    # The dialog of postscreen itself.
    "postscreen_helo_required": "Whether a client has to introduce itself to postscreen.",
    "postscreen_command_count_limit": "How many commands a client may send to postscreen.",
    "postscreen_command_time_limit": "How long a client may take to send a command to postscreen.",
    "postscreen_command_filter": "A table that replaces commands of clients before postscreen looks at them.",
    "postscreen_disable_vrfy_command": "Whether postscreen refuses VRFY.",
    "postscreen_discard_ehlo_keywords": "Extensions that postscreen does not offer.",
    "postscreen_discard_ehlo_keyword_address_maps": (
        "The extensions that postscreen does not offer some clients, by address."
    ),
    "postscreen_expansion_filter": (
        "The characters that data from outside may bring into postscreen_reject_footer; others become _."
    ),
    "postscreen_reject_footer": "What is added to every refusal by postscreen.",
    "postscreen_reject_footer_maps": "Other texts than postscreen_reject_footer, by the reply that they are added to.",
    "postscreen_tls_security_level": "Whether postscreen offers TLS (may) or requires it (encrypt).",
    "postscreen_use_tls": "Whether postscreen offers TLS; postscreen_tls_security_level has taken its place.",
    "postscreen_enforce_tls": "Whether postscreen requires TLS; postscreen_tls_security_level has taken its place.",
    # How many, and what is remembered.
    "postscreen_client_connection_count_limit": (
        "How many connections one client may have to postscreen at once; 0: any number."
    ),
    "postscreen_pre_queue_limit": "How many clients may be under test at once; more get 421.",
    "postscreen_post_queue_limit": "How many clients that have passed may wait for smtpd at once; more get 421.",
    "postscreen_cache_map": "Where it is kept which clients have passed.",
    "postscreen_cache_retention_time": "How long a client is kept whose results have expired.",
    "postscreen_cache_cleanup_interval": "How often clients that have been away too long are removed; 0: never.",
    "postscreen_watchdog_timeout": "How long postscreen may take over one request before it is taken for stuck.",
    # qmqpd.
    "qmqpd_authorized_clients": "Who may send mail by QMQP.",
    "qmqpd_client_port_logging": "Whether the log has the port of a QMQP client as well.",
    "qmqpd_error_delay": "How long qmqpd holds back a negative answer.",
    "qmqpd_timeout": "How long a QMQP client may send nothing, or take nothing in.",
}
