import pytest

from pyfix.config.tcp_ports import parse


def test_several_names_may_stand_for_a_port() -> None:
    assert parse("lmtp=24, smtps = submissions=0465,,") == ({"lmtp": 24, "smtps": 465, "submissions": 465}, [])


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (" smtp", ' is not in "name = value" form'),
        ("smtp=", ': missing port value after "="'),
        ("=25", ': missing service name before "="'),
        ("smtp==25", ': missing service name before "="'),
        ("a b=25", ": whitespace in service name"),
        ("25=26", ": numerical service name"),
        ("x=26", ": duplicate service name"),
        ("smtp = lmtp = 2 5", ": whitespace in port number"),
        ("smtp=-1", ": non-numerical service port"),
        ("smtp=x25", ": non-numerical service port"),
    ],
)
def test_an_item_that_is_wrong_counts_for_nothing(item: str, problem: str) -> None:
    assert parse(f"x=1,{item},y=2") == ({"x": 1, "y": 2}, [f'in "{item}"{problem}'])
