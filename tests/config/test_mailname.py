"""A file as myorigin."""

import pytest

from pyfix.config.mailname import read
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams


def test_its_first_line_counts_wherever_myorigin_does(tmp_path):
    (tmp_path / "mailname").write_text("  demo.test \nother\n")
    main = read(MainCf.from_text(f"myorigin = {tmp_path}/mailname\nmydestination = $myorigin\n"))
    cfg = MailParams(main)
    assert (cfg.myorigin, cfg.mydestination) == ("demo.test", "demo.test")


def test_a_name_is_a_name():
    main = MainCf.from_text("myhostname = a.test\n")
    assert read(main) is main


@pytest.mark.parametrize(
    ("text", "problem"), [(None, "open {}: No such file or directory"), (" \nx\n", "the first line of {} is empty")]
)
def test_a_file_that_says_nothing_is_an_error(tmp_path, text, problem):
    path = tmp_path / "mailname"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadConfig) as caught:
        read(MainCf.from_text(f"\nmyorigin = {path}\n"))
    assert str(caught.value) == f"main.cf, line 2: myorigin: {problem.format(path)}"
