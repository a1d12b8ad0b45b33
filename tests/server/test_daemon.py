"""When a worker is to leave."""

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.server import daemon
from pyfix.server.control import Start


@pytest.mark.parametrize(
    ("settings", "linger", "start", "expected"),
    [
        ({}, 1.0, 0.001, 1.0),
        ({}, 1.0, 0.02, 2.0),
        ({}, 8.0, 0.02, 8.0),
        ({}, 100.0, 0.02, 100.0),
        ({}, 1.0, 3.0, 100.0),
        ({}, None, 0.001, 100.0),
        ({"max_idle": "50s"}, 1.0, 0.001, 50.0),
        ({"max_idle": "100s"}, 1.0, 0.001, 100.0),
        ({"max_idle": "1s"}, 8.0, 3.0, 1.0),
    ],
    ids=["seldom", "tables", "often", "most", "slow", "not asked", "set", "set to the default", "set low"],
)
def test_a_worker_leaves_early_where_nobody_has_said_when(monkeypatch, settings, linger, start, expected):
    monkeypatch.setattr("time.process_time", lambda: start)
    order = Start("x", "unix", "cleanup", linger=linger)
    main = MainCf("", "", {}, {}).with_overrides(settings.items())
    assert daemon._max_idle(order, main, 100.0 if not settings else float(settings["max_idle"][:-1])) == expected


def test_qmgr_never_leaves():
    main = MainCf("", "", {}, {}).with_overrides([("max_idle", "1s")])
    assert daemon._max_idle(Start("qmgr", "unix", "qmgr", linger=1.0), main, 1.0) is None
