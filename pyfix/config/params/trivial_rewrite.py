"""trivial_rewrite - parameters of address rewriting and resolving.

Sources: trivial-rewrite(8), postconf(5).
"""

from pyfix.config.param import Bool, NBool, Params, Str


class TrivialRewriteParams(Params):
    """Parameters that only trivial-rewrite reads."""

    # How addresses are completed.
    append_at_myorigin = Bool("yes")
    append_dot_mydomain = NBool("${{$compatibility_level} <level {1} ? {yes} : {no}}")
    swap_bangpath = Bool("yes")
    allow_percent_hack = Bool("yes")

    # What is an address.
    allow_min_user = Bool("no")
    resolve_dequoted_address = Bool("yes")
    resolve_null_domain = Bool("no")
    resolve_numeric_domain = Bool("no")

    # Where mail goes.
    default_transport = Str("smtp", min=1)
    local_transport = Str("local:$myhostname", min=1)
    relay_transport = Str("relay", min=1)
    virtual_transport = Str("virtual", min=1)
    sender_dependent_default_transport_maps = Str("")
    sender_dependent_relayhost_maps = Str("")
    empty_address_default_transport_maps_lookup_key = Str("<>", min=1)
    empty_address_relayhost_maps_lookup_key = Str("<>", min=1)
    relocated_maps = Str("")
    relocated_prefix_enable = NBool("yes")

    # The same for address probes.
    address_verify_default_transport = Str("$default_transport", min=1)
    address_verify_local_transport = Str("$local_transport", min=1)
    address_verify_relay_transport = Str("$relay_transport", min=1)
    address_verify_virtual_transport = Str("$virtual_transport", min=1)
    address_verify_relayhost = Str("$relayhost")
    address_verify_transport_maps = Str("$transport_maps")
    address_verify_sender_dependent_default_transport_maps = Str("$sender_dependent_default_transport_maps")
    address_verify_sender_dependent_relayhost_maps = Str("$sender_dependent_relayhost_maps")
