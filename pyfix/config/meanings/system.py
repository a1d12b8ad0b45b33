"""system - this system: who it is, where its files are, its processes and its log"""

MEANINGS = {
    # Names and addresses.
    "compatibility_level": "The release whose defaults are wanted where later ones changed them.",
    "myhostname": "The name of this host, as it introduces itself and as others see it in headers.",
    "mydomain": "The domain of this host; what follows the first dot of myhostname.",
    "myorigin": "The domain that a bare user name gets, in mail that is sent from here.",
    "mydestination": "The domains whose users have their mailboxes here, as accounts of this system.",
    "mynetworks": "Whom smtpd trusts by address: these may send mail to anywhere.",
    "mynetworks_style": "How mynetworks follows from this host's addresses when it is not set.",
    "inet_interfaces": "The addresses on which mail is taken, and which are this host itself.",
    "inet_protocols": "The internet protocols that are used, for listening and for connecting.",
    "proxy_interfaces": "Addresses at which this host is reached through a NAT or a proxy.",
    "mail_name": "What this mail system calls itself in greetings and Received headers.",
    "mail_version": "The release of Postfix that this system stands in for.",
    "mail_release_date": "The day of the release that mail_version names.",
    "known_tcp_ports": "Names that may stand for TCP ports, asked before the system's own list of services.",
    "stress": "Not empty while a service has more clients than it can serve; defaults look at it.",
    "soft_bounce": "Every refusal becomes temporary, so that a mistake in the configuration loses no mail.",
    "helpful_warnings": "Whether the log warns about settings that work and yet are most likely mistakes.",
    "respectful_logging": "Whether log lines say allowlist and denylist where older releases used other words.",
    # Several instances.
    "multi_instance_name": "The name of this instance among several.",
    "multi_instance_directories": "The configuration directories of the further instances that postmulti looks after.",
    "multi_instance_enable": "Whether postmulti starts this instance along with the others.",
    "multi_instance_group": (
        "The group of instances that this one belongs to, by which postmulti can address them together."
    ),
    "multi_instance_wrapper": (
        "The command that the postfix command hands over to where multi_instance_directories names further instances."
    ),
    "alternate_config_directories": (
        "Other configuration directories that ordinary users may name to commands which act with more rights than "
        "theirs."
    ),
    # Files, users and processes.
    "queue_directory": "Where the queue is.",
    "data_directory": "Where daemons keep what they may write, such as caches.",
    "config_directory": "Where main.cf and master.cf are.",
    "meta_directory": "Where the lists are that came with the installation, such as postfix-files.",
    "daemon_directory": "Where the daemons are.",
    "command_directory": "Where the commands are.",
    "process_id_directory": "Where running services keep their lock files, below queue_directory.",
    "shlib_directory": "Where shared libraries and table plug-ins would be; no: there are none.",
    "html_directory": "Where the documentation in HTML is; no: it is not installed.",
    "manpage_directory": "Where the manual pages are.",
    "readme_directory": "Where the README files are; no: they are not installed.",
    "sample_directory": "Where sample configuration files were once installed.",
    "mailq_path": "Where the mailq command is installed.",
    "newaliases_path": "Where the newaliases command is installed.",
    "sendmail_path": "Where the sendmail command is installed.",
    "openssl_path": "The openssl program that postfix tls runs.",
    "mail_owner": "The user that owns the queue, and as whom most daemons run. Nobody else may have this account.",
    "setgid_group": "The group of the commands that submit mail. Nobody else may have this group.",
    "default_privs": "As whom local runs commands and writes files where no recipient's rights are known.",
    "default_process_limit": "How many sessions a service serves at once, unless master.cf says otherwise.",
    "process_id": "The number of the running process; it can be used in other settings, not set.",
    "process_name": "The name of the running program; it can be used in other settings, not set.",
    "service_name": (
        "The name of the service in master.cf as which a program runs; it can be used in other settings, not set."
    ),
    "master_service_disable": "Services of master.cf that do not run.",
    "service_throttle_time": (
        "How long master waits before it starts a service again whose process ended badly at once."
    ),
    "max_idle": (
        "How long a process without work waits before it ends. Where nobody sets it, one of a service that is"
        " seldom wanted ends sooner."
    ),
    "max_use": "How many sessions a process serves before it ends.",
    "daemon_timeout": "How long a daemon may take over one request before it is taken for stuck.",
    "fork_attempts": "How many times a process is tried to be made before that counts as failed.",
    "fork_delay": "The pause between two attempts to make a process.",
    "import_environment": "What is taken over from the environment, and what is set in it.",
    "export_environment": "What commands that are run for mail find in their environment.",
    "debugger_command": "The command that is run beside a daemon which master.cf starts with -D.",
    # How the programs talk to one another.
    "ipc_timeout": "How long one daemon waits for another.",
    "ipc_idle": "How long a connection to another daemon is kept open without being used.",
    "ipc_ttl": "How long a connection to another daemon is kept open at most.",
    "trigger_timeout": "How long a daemon may take to notice that it is wanted.",
    "application_event_drain_time": "How long postkick waits for a service to take a request in.",
    "in_flow_delay": "The pause that is made for each new message while more mail comes in than is delivered; 0: none.",
    "tcp_windowsize": "The size of TCP's send and receive buffers, in bytes; 0: what the system thinks best.",
    "address_verify_service_name": "The service in master.cf that knows which addresses can be delivered to.",
    "bounce_service_name": "The service in master.cf that records failed deliveries and reports them.",
    "cleanup_service_name": "The service in master.cf that takes all new mail into the queue.",
    "connection_cache_service_name": "The service in master.cf that keeps connections for the next message.",
    "defer_service_name": "The service in master.cf that records deliveries which are tried again.",
    "dnsblog_service_name": "The service in master.cf that asks DNS lists for postscreen.",
    "error_service_name": "The service in master.cf that fails or defers deliveries without trying them.",
    "flush_service_name": "The service in master.cf that knows which mail waits for which domain.",
    "pickup_service_name": "The service in master.cf that takes locally submitted mail.",
    "postlog_service_name": "The service in master.cf that writes maillog_file for the others.",
    "proxymap_service_name": "The service in master.cf that reads tables for others.",
    "proxywrite_service_name": "The service in master.cf that changes tables for others.",
    "queue_service_name": "The service in master.cf that manages the queue.",
    "rewrite_service_name": "The service in master.cf that rewrites addresses and finds out where they lead.",
    "showq_service_name": "The service in master.cf that lists the queue.",
    "smtpd_service_name": "The service in master.cf that postscreen passes its clients to.",
    "tlsmgr_service_name": "The service in master.cf that keeps TLS sessions and ticket keys.",
    "tlsproxy_service_name": "The service in master.cf that encrypts connections for postscreen and the SMTP client.",
    "trace_service_name": "The service in master.cf that records and reports deliveries somebody asked about.",
    "non_bdb_migration_service_name": (
        "The service in master.cf that makes the new index when non_bdb_migration_level is enable-reindex."
    ),
    # Host names in DNS.
    "pyfix_dns_nameservers": "The name servers that are asked instead of those in resolv.conf.",
    "dns_ncache_ttl_fix_enable": (
        "Whether the lifetime of a negative answer is taken from DNS by a way around the system's resolver library."
    ),
    "dnssec_probe": "What DNS is asked, as type:name, to see whether the resolver validates; empty: nothing.",
    "enable_idna2003_compatibility": (
        "Whether names with non-ASCII letters go to DNS by the rules of IDNA 2003, not those of 2008."
    ),
    # Locks.
    "deliver_lock_attempts": "How many times a lock on a mailbox or bounce log is tried for.",
    "deliver_lock_delay": "The pause between two attempts to get a lock.",
    "stale_lock_time": "The age from which a lock file is taken for forgotten and removed.",
    # For tests of the mail system itself.
    "dont_remove": "Whether finished queue files go to the saved queue instead of being removed; 1: yes.",
    "fault_injection_code": "Which fault is made on purpose, to test how that is coped with; 0: none.",
    # The log.
    "maillog_file": "The file that all programs log to; empty: syslog does it.",
    "maillog_file_permissions": "The mode that a new maillog_file gets.",
    "maillog_file_compressor": "The program that postfix logrotate compresses the old file with.",
    "maillog_file_prefixes": "The directories and files that maillog_file may lie in or be.",
    "maillog_file_rotate_suffix": "What postfix logrotate adds to the name of the old file, as for strftime.",
    "postlogd_watchdog_timeout": "How long postlogd may take over one request before it is taken for stuck.",
    "syslog_facility": "The facility under which syslog gets the lines.",
    "syslog_name": "What stands in front of the program's name in the log.",
    "delay_logging_resolution_limit": "How many digits after the point the delays in the log have at most.",
    "info_log_address_format": (
        "Whether addresses are logged with the quotes they need in mail (external) or without (internal)."
    ),
    "debug_peer_list": "Remote hosts whose sessions are logged in detail.",
    "debug_peer_level": "How much more is logged for debug_peer_list.",
    "notify_classes": "The kinds of trouble that the postmaster gets mail about.",
    "error_notice_recipient": (
        "Who is told about trouble with software, resources, policy or protocol, as notify_classes says."
    ),
    # Commands.
    "authorized_submit_users": "Who may submit mail with sendmail.",
    "authorized_flush_users": "Who may flush the queue.",
    "authorized_mailq_users": "Who may see the queue.",
    "local_login_sender_maps": "The sender addresses that each login may use with sendmail and postdrop; * allows any.",
    "empty_address_local_login_sender_maps_lookup_key": (
        "What a null sender is called in the values of local_login_sender_maps."
    ),
    "sendmail_fix_line_endings": (
        "For which lines sendmail takes CR LF for LF: always, only when the first line has it (strict), or never."
    ),
    "postmulti_control_commands": (
        "The commands for running instances: postmulti leaves out those that are not enabled."
    ),
    "postmulti_start_commands": (
        "The commands at which postmulti starts instances: those that are not enabled are only checked."
    ),
    "postmulti_stop_commands": (
        "The commands at which postmulti stops instances: the last one comes first, and those that are not "
        "enabled are left out."
    ),
}
