import pytest

from pyfix.wire.policy import Answer, BadAnswer, request

ANSWER = b"x=y\naction=DEFER_IF_PERMIT try later\n\n"


def test_a_request_is_lines_and_an_empty_line() -> None:
    assert request([("request", "smtpd_access_policy"), ("size", "0")]) == b"request=smtpd_access_policy\nsize=0\n\n"


def test_a_value_can_t_begin_another_line() -> None:
    assert request([("sender", "a\nrequest=x\0")]) == b"sender=a?request=x?\n\n"


@pytest.mark.parametrize("cut", range(len(ANSWER)))
def test_an_answer_may_come_in_pieces(cut: int) -> None:
    answer = Answer()
    assert [answer.receive(ANSWER[:cut]), answer.receive(ANSWER[cut:])] == [None, "DEFER_IF_PERMIT try later"]


def test_an_answer_may_come_byte_by_byte() -> None:
    answer = Answer()
    *before, last = [answer.receive(ANSWER[at : at + 1]) for at in range(len(ANSWER))]
    assert set(before) == {None}
    assert last == "DEFER_IF_PERMIT try later"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\n", "missing attribute action in input"),
        (b"x=y\n\n", "missing attribute action in input"),
        (b"action\n\n", "missing value for string attribute action"),
        (b"action=OK\n\naction=OK\n\n", "unexpected data after the end of input"),
        (b"x" * 200_000, "unreasonable attribute length"),
    ],
)
def test_what_is_no_answer(data: bytes, problem: str) -> None:
    with pytest.raises(BadAnswer, match=problem):
        Answer().receive(data)
