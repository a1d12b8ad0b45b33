"""What master knows of a zygote that it did not start itself."""

from contextlib import closing

from pyfix.master.zygote import Zygote
from pyfix.server import control


def test_a_zygote_is_known_by_the_pid_that_it_says():
    ours, theirs = control.pair()
    with closing(ours), closing(theirs):
        zygote = Zygote(ours)
        assert not zygote.gone(7)
        control.say(theirs, control.pid_word(7))
        assert not zygote.gone(8)
        assert zygote.gone(7)


def test_a_zygote_that_never_said_its_pid_is_gone_with_its_end_of_the_channel():
    ours, theirs = control.pair()
    with closing(ours):
        zygote = Zygote(ours)
        theirs.close()
        assert zygote.gone(7)
