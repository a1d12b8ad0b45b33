"""The concurrency window, by tables: what is reported and what the window is then."""

import pytest

from pyfix.qmgr.feedback import Feedback, Rules, Window, parse_feedback


@pytest.mark.parametrize(
    ("text", "window", "amount"),
    [
        ("1", 7, 1),
        ("0.5", 7, 0.5),
        ("1/8", 7, 0.125),
        ("1 / concurrency", 4, 0.25),
        (" .5 / sqrt_concurrency ", 4, 0.25),
        ("0", 3, 0),
        ("1.", 3, 1),
    ],
)
def test_feedback_amounts(text: str, window: int, amount: float) -> None:
    assert parse_feedback(text).at(window) == amount


@pytest.mark.parametrize("text", ["", "2", "-1", "1/0", "x", "1/window", "1 2", "1/2/3", "nan", "1e0"])
def test_other_feedback_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="feedback"):
        parse_feedback(text)


def run(window: Window, events: str, busy: int) -> list[int]:
    sizes = []
    for event in events:
        if event == "+":
            window.succeeded(busy)
        else:
            window.failed()
        sizes.append(window.size)
    return sizes


TENTH = Feedback(0.1)
PER_WINDOW = Feedback(1, 1)


@pytest.mark.parametrize(
    ("rules", "busy", "events", "sizes"),
    [
        pytest.param(Rules(), 5, "+++", [6, 7, 8], id="success opens by one each time"),
        pytest.param(Rules(), 1, "+++", [6, 6, 6], id="not further than busy plus initial"),
        pytest.param(Rules(limit=6), 9, "+++", [6, 6, 6], id="not further than the limit"),
        pytest.param(Rules(limit=0), 99, "+" * 30, list(range(6, 36)), id="no limit"),
        pytest.param(Rules(initial=5, limit=2), 2, "+", [2], id="the limit holds at the start"),
        pytest.param(Rules(), 5, "-----", [3, 2, 0, 0, 0], id="a whole cohort of failures kills"),
        pytest.param(Rules(cohort_limit=0), 5, "-" * 5, [3, 2, 1, 1, 1], id="no cohort limit, never dead"),
        pytest.param(Rules(initial=1), 1, "-", [0], id="one failure at window one kills"),
        pytest.param(Rules(cohort_limit=2), 5, "-+--", [3, 4, 2, 1], id="success clears the cohorts"),
        pytest.param(
            Rules(cohort_limit=0, negative=PER_WINDOW),
            5,
            "-" * 10,
            [4, 4, 4, 3, 3, 3, 2, 2, 1, 1],
            id="about one step per window of failures",
        ),
        pytest.param(
            Rules(positive=PER_WINDOW),
            9,
            "+" * 12,
            [5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7],
            id="about one step per window of successes",
        ),
        pytest.param(Rules(positive=TENTH), 9, "+" * 10, [5] * 9 + [6], id="ten tenths make one step"),
    ],
)
def test_window_after_each_report(rules: Rules, busy: int, events: str, sizes: list[int]) -> None:
    assert run(Window(rules), events, busy) == sizes


@pytest.mark.parametrize(("busy", "size"), [(0, 5), (3, 3)])
def test_a_dead_destination_comes_back_with_what_is_under_way(busy: int, size: int) -> None:
    window = Window(Rules())
    while not window.failed():
        pass
    window.revive(busy)
    assert window.size == size
