from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyfix.maps.network import BadNetworkError, parse_address, parse_network
from pyfix.maps.open import open_or_fail

RULES = """1.2.3.4/33 x
1.2.3 x
1.2.3.4
192.168.2.5/24 y
10.0.0.0/8 ten
[2001:db8::]/32 six
if 1.2.3.0/24
1.2.3.4 in if
! 1.2.3.5 not five
endif
!11.0.0.0/8 not eleven
if 1.1.1.1 text
endif x
endif
[1.2.3.4 x
[1.2.3.4]x b
1.2.3.4/x b
!
if 1.1.1.1
endif x
"""

COMPLAINTS = """line 1: bad mask length in "1.2.3.4/33"
line 2: bad address pattern: "1.2.3"
line 3: no lookup result
line 4: non-null host address bits in "192.168.2.5/24", perhaps you should use "192.168.2.0/24" instead
line 12: bad address pattern: "1.1.1.1 text"
line 13: ENDIF without IF
line 14: ENDIF without IF
line 15: missing ']' character after "[1.2.3.4"
line 16: garbage after "[1.2.3.4]"
line 17: bad mask value in "1.2.3.4/x"
line 18: no address pattern
line 20: garbage after ENDIF
"""


def test_each_bad_line_is_reported_and_the_others_work(here: Path, log: list[str]) -> None:
    (here / "ci").write_text(RULES)
    table = open_or_fail("cidr:ci")
    assert log == [
        *[f"warning: cidr map ci, {line}: skipping this rule" for line in COMPLAINTS.splitlines()],
        "warning: cidr map ci, line 19: IF has no matching ENDIF",
    ]
    found = {
        key: table.lookup_now(key)
        for key in ["10.9.8.7", "2001:db8::1", "1.2.3.4", "1.2.3.5", "1.2.3.6", "11.1.1.1", "::1", "x", ""]
    }
    assert found == {
        "10.9.8.7": "ten",
        "2001:db8::1": "six",
        "1.2.3.4": "in if",
        "1.2.3.5": "not eleven",
        "1.2.3.6": "not five",
        "11.1.1.1": None,
        "::1": None,
        "x": None,
        "": None,
    }


@pytest.mark.parametrize(
    "pattern", ["", "1.2.3.4/", "1.2.3.4/-1", "010.0.0.1", "::1/129", "[::1", "::g", "1.2.3.4/8", "a"]
)
def test_what_is_no_network_is_refused(pattern: str) -> None:
    with pytest.raises(BadNetworkError):
        parse_network(pattern)


@settings(max_examples=100, deadline=None)
@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_holds_its_addresses(address: object, width: int) -> None:
    parsed = parse_address(str(address))
    assert parsed is not None
    bits = 32 if parsed.version == 4 else 128
    width = min(width, bits)
    mask = (1 << bits) - (1 << (bits - width))
    network = parse_network(f"{address}/{bits}")._replace(number=parsed.number & mask, mask=mask)
    assert network.contains(parsed)
    if width:
        assert not network.contains(parsed._replace(number=parsed.number ^ (1 << (bits - width))))


def nested(rules: list[tuple[str, str, str]]) -> str:
    """Rules in braces; each is what it begins with, its network, its value."""
    return "cidr:{" + " ".join([f"{{{word}{net} {value}}}" for word, net, value in rules]) + "}"


def slow_lookup(rules: list[tuple[str, str, str]], key: str) -> str | None:
    """Rule by rule."""
    address = parse_address(key)
    assert address is not None
    skipping = depth = 0
    for word, net, value in rules:
        if word == "endif":
            if depth:
                skipping -= skipping == depth and depth
                depth -= 1
            continue
        network = parse_network(net)
        applies = network.version == address.version and network.contains(address) is not ("!" in word)
        if word.startswith("if"):
            depth += 1
            if not skipping and not applies:
                skipping = depth
        elif not skipping and applies:
            return value
    return None


FEW = st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "0.0.0.0/0", "11.0.0.0/8",
                       "255.255.255.255", "0.0.0.0", "::/0", "2001:db8::/32", "2001:db8::1"])  # fmt: skip
NESTED = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["", "!"]), FEW, st.sampled_from("abc")),
        st.tuples(st.sampled_from(["if ", "if !"]), FEW, st.just("")),
        st.just(("endif", "", "")),
    ),
    min_size=1,
    max_size=12,
)
SOUGHT = ["10.1.2.3", "10.1.2.4", "10.1.3.1", "10.2.0.1", "11.1.1.1", "9.9.9.9", "0.0.0.0", "255.255.255.255",
          "::", "2001:db8::1", "2001:db8::2", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(NESTED)
def test_compiled_rules_answer_as_rules_tried_in_order(rules: list[tuple[str, str, str]]) -> None:
    table = open_or_fail(nested(rules))
    assert [table.lookup_now(key) for key in SOUGHT] == [slow_lookup(rules, key) for key in SOUGHT]
