"""A domain that is completed only because of an old compatibility_level is logged."""

import pytest

from pyfix.clients.rewrite import RULE_LOCAL
from pyfix.config.main_cf import MainCf
from pyfix.trivial_rewrite.rewrite import rewrite_address
from pyfix.trivial_rewrite.setup import set_up
from pyfix.unix import msg

LINE = 'using backwards-compatible default setting append_dot_mydomain=yes to rewrite "y" to "y.example.com"'


@pytest.mark.parametrize(
    ("settings", "address", "lines"),
    [
        ("compatibility_level = 0\n", "a@y", [LINE]),
        ("compatibility_level = 0\n", "a@y.test", []),
        ("compatibility_level = 0\nappend_dot_mydomain = yes\n", "a@y", []),
        ("compatibility_level = 1\n", "a@y", []),
    ],
)
def test_completed_domain_is_told(settings, address, lines):
    said: list[str] = []
    main = MainCf.from_text(f"mydomain = example.com\nmyhostname = mx.example.com\n{settings}")
    rules = set_up(main).rules
    before = msg.to(lambda _, text: said.append(text))
    try:
        rewrite_address(rules[RULE_LOCAL], address)
    finally:
        msg.to(*before)
    assert said == lines
