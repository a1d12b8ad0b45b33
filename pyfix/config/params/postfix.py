"""postfix - parameters that say where an installation has its commands and documents.

Sources: postfix(1), postfix-install.
"""

from pyfix.config.param import Params, Str


class PostfixParams(Params):
    """What only installing and the postfix command read."""

    html_directory = Str("no", min=1)
    mailq_path = Str("/usr/bin/mailq", min=1)
    manpage_directory = Str("/usr/local/man", min=1)
    newaliases_path = Str("/usr/bin/newaliases", min=1)
    readme_directory = Str("no", min=1)
    sample_directory = Str("/etc/postfix", min=1)
    sendmail_path = Str("/usr/sbin/sendmail", min=1)
