"""bounce - parameters of the bounce, defer and trace services.

Sources: bounce(8).
"""

from pyfix.config.param import Int, NBool, Params, Str


class BounceParams(Params):
    """What only the bounce program reads."""

    bounce_size_limit = Int("50000", min=1)
    bounce_template_file = Str("")
    bounce_notice_recipient = Str("postmaster", min=1)
    delay_notice_recipient = Str("postmaster", min=1)
    two_bounce_notice_recipient = Str("postmaster", name="2bounce_notice_recipient", min=1)
    notify_classes = Str("resource, software")
    enable_threaded_bounces = NBool("no")
    requiretls_enable = NBool("yes")
    requiretls_redact_dsn = NBool("yes")
    tls_required_enable = NBool("yes")
