"""What the log says of TLS, of a connection that is new, that was kept, and that did not come to be."""

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.config.params.smtp import SmtpParams
from pyfix.delivery.smtp.tls_level import Levels
from pyfix.maps.maps import Maps
from pyfix.maps.run_now import run_now


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("none", (", tls=none", "", ", tls=none?")),
        ("may", (", tls=may:none", ", tls=may?", ", tls=may?")),
    ],
)
def test_tls_is_not_claimed_for_a_connection_that_was_kept(level: str, words: tuple[str, str, str]) -> None:
    cfg = SmtpParams(MainCf.from_text(f"smtp_tls_security_level = {level}\n"))
    found = run_now(Levels(cfg, Maps("", name="smtp_tls_policy_maps")).find("a.test"))
    assert (found.connected, found.reused, found.unconnected) == words
