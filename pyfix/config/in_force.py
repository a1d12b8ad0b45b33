"""in_force - the configuration of this process: main.cf, and what the line of its service adds

A daemon leaves here what it was started with. Others have the main.cf of their directory.
"""

import os

from pyfix.config.main_cf import MainCf

main: MainCf | None = None
"""What this daemon goes by."""


def main_cf(config_dir: str = "") -> MainCf:
    """The configuration. config_dir: "" for -c's or MAIL_CONFIG's, else /etc/postfix. BadConfig."""
    if main is not None and config_dir in ("", main.config_dir):
        return main
    return MainCf.load(config_dir or os.environ.get("MAIL_CONFIG") or "/etc/postfix")
