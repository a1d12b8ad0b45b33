"""Deliveries that go through their steps together."""

from pyfix.delivery.batch import take_turns
from pyfix.delivery.outcome import Turn

OWNER = (10, 10)


def run(*users, steps=2):
    """Each writes down what it does, as whom the process is."""
    done = []
    now = [OWNER]

    async def deliver(number, user):
        done.append((number, "opened", now[0]))
        for step in range(steps):
            await Turn(user)
            done.append((number, step, now[0]))
        await Turn(OWNER)
        done.append((number, "settled", now[0]))
        return b"%d" % number

    def become(*who):
        now[0] = who
        done.append(who)

    answers = take_turns([deliver(number, user) for number, user in enumerate(users)], OWNER, become)
    assert answers == [b"%d" % number for number in range(len(users))]
    assert now == [OWNER]
    return done


def test_every_step_is_done_by_all_before_the_next_and_as_who_it_wants_to_be():
    done = run((30, 1), (20, 1), (30, 1))
    assert done == [
        *[(number, "opened", OWNER) for number in range(3)],
        (20, 1), (1, 0, (20, 1)), (30, 1), (0, 0, (30, 1)), (2, 0, (30, 1)),
        (20, 1), (1, 1, (20, 1)), (30, 1), (0, 1, (30, 1)), (2, 1, (30, 1)),
        OWNER, *[(number, "settled", OWNER) for number in range(3)],
    ]


def test_nobody_is_changed_into_while_all_are_one_user():
    assert [step for step in run(OWNER, OWNER) if len(step) == 2] == []


def test_who_ends_as_somebody_else_leaves_the_owner_behind():
    async def deliver():
        await Turn((30, 1))
        return b""

    became = []
    take_turns([deliver()], OWNER, lambda *who: became.append(who))
    assert became == [(30, 1), OWNER]
