import pytest

from pyfix.mail.address import Extensions
from pyfix.maps.addresses import EXTERNAL, TRANSPORT, Keys, address_keys, find_address, keep_user, parents
from pyfix.maps.maps import Maps
from pyfix.maps.run_now import run_now
from pyfix.maps.table import TableError

PLUS = Extensions("+")


@pytest.mark.parametrize(
    ("address", "delimiter", "keys"),
    [
        ("u@d.test", "+", ["u@d.test", "@d.test"]),
        ("u+e@d.test", "+", ["u+e@d.test", "u@d.test", "@d.test"]),
        ("u+e@d.test", "", ["u+e@d.test", "@d.test"]),
        ("u-e+f@d.test", "+-", ["u-e+f@d.test", "u@d.test", "@d.test"]),
        ("+e@d.test", "+", ["+e@d.test", "@d.test"]),
        ("u+e@local.test", "+", ["u+e@local.test", "u@local.test", "u+e", "u", "@local.test"]),
        ("u+e", "+", ["u+e", "u"]),
        ("owner-l@d.test", "-", ["owner-l@d.test", "@d.test"]),
        ("l-request@d.test", "-", ["l-request@d.test", "@d.test"]),
        ("MAILER-DAEMON@d.test", "-", ["MAILER-DAEMON@d.test", "@d.test"]),
        ("a@b@d.test", "+", ['"a@b"@d.test', "a@b@d.test", "@d.test"]),
        ("a b+e@d.test", "+", ['"a b+e"@d.test', "a b+e@d.test", '"a b"@d.test', "a b@d.test", "@d.test"]),
        ("a..b@local.test", "+", ['"a..b"@local.test', "a..b@local.test", '"a..b"', "a..b", "@local.test"]),
        ("a@b@local.test", "+", ['"a@b"@local.test', "a@b@local.test", '"a@b"', "a@b", "@local.test"]),
        ("u@[1.2.3.4]", "+", ["u@[1.2.3.4]", "@[1.2.3.4]"]),
        ("@d.test", "+", ['""@d.test', "@d.test", "@d.test"]),
        ("", "+", ['""', ""]),
    ],
)
def test_keys_are_tried_in_this_order(address: str, delimiter: str, keys: list[str]) -> None:
    found = address_keys(address, Extensions(delimiter), local=address.endswith("@local.test"))
    assert [key for key, *_ in found] == keys


def test_some_tables_have_external_forms_only() -> None:
    found = [key for key, *_ in address_keys("a..b@local.test", PLUS, EXTERNAL, local=True)]
    assert found == ['"a..b"@local.test', '"a..b"', "@local.test"]


def test_transports_are_looked_up_by_domain_and_parents() -> None:
    found = [key for key, *_ in address_keys("u+e@a.b.test", PLUS, TRANSPORT)]
    assert found == ["u+e@a.b.test", "u@a.b.test", "a.b.test", ".b.test", ".test"]
    found = [key for key, *_ in address_keys("u@a.b.test", PLUS, keys=Keys.PARENTS, parent_style=True)]
    assert found == ["b.test", "test"]


@pytest.mark.parametrize("domain", ["test", "[1.2.3.4]", "a.", ""])
def test_some_domains_have_no_parents(domain: str) -> None:
    assert list(parents(domain, dot=True)) == []


def test_a_pattern_table_sees_the_whole_address_only() -> None:
    maps = Maps("regexp:{{/^@d/ domain}, {/^u@/ bare}, {/^u.x@/ whole}}", name="m")
    found = run_now(find_address(maps, "u+x@d.test", extensions=PLUS))
    assert found == ("whole", "")
    assert run_now(find_address(maps, "v@d.test", extensions=PLUS)) is None


def test_a_failing_table_ends_the_search(log: list[str]) -> None:
    with pytest.raises(TableError):
        run_now(find_address(Maps("fail:x", name="m"), "u@d.test"))


def test_keep_user_takes_the_whole_local_part() -> None:
    assert keep_user("@new.test", "a@b@old.test") == "a@b@new.test"
    assert keep_user("x@y", "a@old.test") == "x@y"
