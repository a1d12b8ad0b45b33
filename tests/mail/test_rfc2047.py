"""Encoded words as Postfix 3.11.7 makes them of full names."""

import pytest

from pyfix.mail.rfc2047 import encoded_words


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("Jörg", ["=?utf-8?Q?J=C3=B6rg?="]),
        ("a=b_c é?", ["=?utf-8?Q?a=3Db=5Fc_=C3=A9=3F?="]),
        ('Q "x" é', ["=?utf-8?Q?Q_=22x=22_=C3=A9?="]),
        ("é (x)", ["=?utf-8?Q?=C3=A9_=28x=29?="]),
        ("a  b é", ["=?utf-8?Q?a_b_=C3=A9?="]),
        (" é ", ["=?utf-8?Q?=C3=A9?="]),
        ("é\x01b", ["=?utf-8?Q?=C3=A9_b?="]),
        ("é" * 9, ["=?utf-8?Q?" + "=C3=A9" * 9 + "?="]),
        ("é" * 10, ["=?utf-8?B?w6nDqcOpw6nDqcOpw6nDqcOpw6k=?="]),
        ("é" * 6 + "a" * 6, ["=?utf-8?Q?" + "=C3=A9" * 6 + "aaaaaa?="]),
        ("é" * 6 + "a" * 8, ["=?utf-8?B?w6nDqcOpw6nDqcOpYWFhYWFhYWE=?="]),
        ("é" * 5 + "a" * 14, ["=?utf-8?Q?" + "=C3=A9" * 5 + "a" * 14 + "?="]),
        ("é" * 6 + "a" * 12, ["=?utf-8?B?w6nDqcOpw6nDqcOpYWFhYWFhYWFhYWFh?="]),
        ("a" * 62 + "éb", ["=?utf-8?Q?" + "a" * 62 + "?=", "=?utf-8?Q?=C3=A9b?="]),
        ("a" * 57 + "éb", ["=?utf-8?Q?" + "a" * 57 + "=C3=A9?=", "=?utf-8?Q?b?="]),
        ("a" * 60 + "日b", ["=?utf-8?Q?" + "a" * 60 + "=E6?=", "=?utf-8?Q?=97=A5b?="]),
        (
            "Jörg " * 8,
            ["=?utf-8?B?SsO2cmcgSsO2cmcgSsO2cmcgSsO2cmcgSsO2cmcgSsO2cmcgSsO2cmcgSsO2?=", "=?utf-8?B?cmc=?="],
        ),
    ],
)
def test_words_are_those_of_postfix(phrase: str, words: list[str]) -> None:
    assert encoded_words(phrase, "utf-8") == words


def test_the_character_set_is_named_and_takes_its_room() -> None:
    words = encoded_words("é" + "a" * 80, "iso-8859-15")
    assert words[0].startswith("=?iso-8859-15?Q?")
    assert max(map(len, words)) == 75
