"""Headers whose addresses nothing has to put right."""

import pytest

from pyfix.mail.headers import are_complete


@pytest.mark.parametrize(
    "text",
    [b" a@b.test", b" a@b.test,\n\tb.c@d.test ", b' A B <a@b.test>, "C, D" <c@d.test>', b"A. <a@b.test>,b@c.test"],
)
def test_complete_addresses_are_left_alone(text: bytes) -> None:
    assert are_complete(text)


@pytest.mark.parametrize(
    "text",
    [b"", b" a", b" a@b", b" a@b.test, g", b" A <a@b.test>, g", b" a@b.test, c@d.test,\n g", b" a@b.test,", b" A <a>",
     b" a@b.test c@d.test", b" a@b.test, B C", b" A B", b" <a@b.test", b" a@b.test, <c@d.test>, e@f"],
)  # fmt: skip
def test_others_have_to_be_looked_at(text: bytes) -> None:
    assert not are_complete(text)
