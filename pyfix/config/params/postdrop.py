"""postdrop - parameters of local submission: postdrop and sendmail.

Sources: postdrop(1), sendmail(1).
"""

from pyfix.config.param import Params, Str


class PostdropParams(Params):
    """What only the submitting commands read."""

    empty_address_local_login_sender_maps_lookup_key = Str("<>")
    local_login_sender_maps = Str("static:*")
    sendmail_fix_line_endings = Str("always", min=1)
