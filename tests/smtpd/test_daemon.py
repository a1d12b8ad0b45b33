"""The worker's side of smtpd."""

from pyfix.config.main_cf import MainCf
from pyfix.server.context import Context
from pyfix.smtpd.daemon import Smtpd

MAIN_CF = """\
compatibility_level = 3.6
myhostname = mx.example
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps =
"""


def test_stress_changes_what_asks_for_it_and_ends_again() -> None:
    context = Context(service="smtp", program="smtpd", main=MainCf.from_text(MAIN_CF), args=(), limit=1)
    smtpd = Smtpd(context)
    assert smtpd.site.cfg.smtpd_timeout == 300
    smtpd.stress(True)
    assert (smtpd.site.cfg.smtpd_timeout, smtpd.site.cfg.smtpd_hard_error_limit) == (10, 1)
    smtpd.stress(False)
    assert smtpd.site.cfg.smtpd_timeout == 300
