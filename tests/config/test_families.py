import pytest

from pyfix.config.families import member, suffixes, transport_parameter
from pyfix.config.main_cf import BadConfig, MainCf


@pytest.mark.parametrize(
    ("text", "transport", "value"),
    [
        ("", "smtp", "20"),
        ("default_destination_concurrency_limit = 7", "smtp", "7"),
        ("smtp_destination_concurrency_limit = 3", "smtp", "3"),
        ("smtp_destination_concurrency_limit = 3", "relay", "20"),
        ("x = 4\nother_destination_concurrency_limit = $x$x", "other", "44"),
        ("", "local", "2"),
    ],
)
def test_a_transport_has_its_own_or_the_default(text: str, transport: str, value: str) -> None:
    main = MainCf.from_text(text)
    assert transport_parameter(main, transport, "destination_concurrency_limit") == value


def test_the_initial_concurrency_has_no_default_prefix() -> None:
    main = MainCf.from_text("initial_destination_concurrency = 9")
    assert transport_parameter(main, "smtp", "initial_destination_concurrency") == "9"


def test_a_member_is_parsed_with_its_limits() -> None:
    main = MainCf.from_text("smtp_destination_rate_delay = 2m\nsmtp_recipient_refill_limit = 0\n")
    assert member("smtp", "destination_rate_delay").read(main) == 120
    with pytest.raises(BadConfig, match="line 2: invalid smtp_recipient_refill_limit parameter value 0 < 1"):
        member("smtp", "recipient_refill_limit").read(main)


@pytest.mark.parametrize(
    ("program", "count"), [("smtp", 16), ("virtual", 16), ("pipe", 17), ("spawn", 1), ("discard", 0)]
)
def test_a_service_brings_parameters_by_its_program(program: str, count: int) -> None:
    assert len(suffixes(program)) == count
