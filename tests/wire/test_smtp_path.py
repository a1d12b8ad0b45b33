import pytest

from pyfix.wire.smtp_path import Unclosed, parse_path, split_words

PATHS = {
    "<a@b>": "a@b",
    "<>": "",
    "< a@b >": "a@b",
    "a@b": "a@b",
    "a@b>": "a@b",
    "(c)a@b": "a@b",
    "<a@b>(c)": "a@b",
    "<(x)a@b>": "a@b",
    "<<a@b>>": "a@b",
    "<Foo <a@b>>": "a@b",
    '<"a b"@c>': "a b@c",
    '"a b"@c': "a b@c",
    '<"a\\"b"@c>': 'a"b@c',
    '<"a>b"@c>': "a>b@c",
    "<a\\@b@c>": "a@b@c",
    "<a@b@c>": "a@b@c",
    "<a:b@c>": "a:b@c",
    "<@b:a@c>": "a@c",
    "<@x,@y:a@b>": "a@b",
    "<@b:>": "",
    "<@b:joe>": "joe",
    "<b:a@c>": "b:a@c",
    '<"">': "",
    '<""@c>': "@c",
    "<@a>": "@a",
    "<a@[IPv6:::1]>": "a@[IPv6:::1]",
    "<a@[1.2.3.4]>": "a@[1.2.3.4]",
    "<a@[1.2.3.4>": "a@[1.2.3.4]",
    "<a@[IPv6:::1>": "a@[IPv6:::1]",
    '<"a.b"@c>': "a.b@c",
    "<a@b.>": "a@b.",
    "<.a@b>": ".a@b",
    "<a..b@c>": "a..b@c",
    '<a@"b">': "a@b",
    "<a . b@c>": "a.b@c",
    "<a@b;>": "a@b",
    "<a@b,>": "a@b",
    "<x:a@b;>": "a@b",
    "<ä@b>": "ä@b",
    "<a!b>": "a!b",
    "<a%b@c>": "a%b@c",
    "<a b@c>(x)": "ab@c",
    "(x)<a,b@c>": "a,b@c",
    "<<a b@c>>": "ab@c",
    "a,b@c>": "a,b@c",
    "@x.y,@z:a,b@c>": "a,b@c",
    "<(x)@b:a@c>": "@b:a@c",
    "<@x:@y:a@b>": "@y:a@b",
    "(x)<@b:a@c>": "@b:a@c",
    "a<b": "a<b",
    "<a[b]@c>(x)": "a[b]@c",
    '<a"b"c@d>': None,
    "<a>b@c>": None,
    "<a>b>": None,
    "<a b@c>": None,
    "<a;b@c>": None,
    "<a,b>": None,
    "<a[b]@c>": None,
    "<@b,@c>": None,
    "<a@b>x": None,
    "<a@b>@c": None,
    "<a><b>": None,
    "<x: a@b, c@d;>": None,
}
STRICT = {
    "<a@b>": "a@b",
    "<>": "",
    "<@x:a@b>": "a@b",
    '<"a b"@c>': "a b@c",
    "<<a@b>>": "a@b",
    "<@x:<a@b>>": "a@b",
    "<@x:<>>": "",
    "a@b": None,
    "<a@b>(c)": None,
    "<(x)a@b>": None,
    "<Foo <a@b>>": None,
    '<""@b>': None,
    '<"" @b>': None,
    '<"".""@b>': ".@b",
    '<"">': "",
}


@pytest.mark.parametrize(("text", "address"), PATHS.items(), ids=str)
def test_address_in_internal_form(text: str, address: str | None) -> None:
    assert parse_path(text) == address


@pytest.mark.parametrize(("text", "address"), STRICT.items(), ids=str)
def test_strict_address(text: str, address: str | None) -> None:
    assert parse_path(text, strict=True) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM:<a@b>", ["FROM:", "<a@b>"]),
        ("from: <a@b> X=y", ["from:", "<a@b>", "X=y"]),
        ("FROM:a@b  X", ["FROM:", "a@b", "X"]),
        ("FROM :<a>", ["FROM", ":<a>"]),
        ('FROM:<"a> b"@c>X Y', ["FROM:", '<"a> b"@c>X', "Y"]),
        ("FROM:<Foo <a@b>> Y", ["FROM:", "<Foo <a@b>>", "Y"]),
        ("FROM:<a@b c", ["FROM:", Unclosed("<a@b c")]),
        ('FROM:"a', ["FROM:", Unclosed('"a')]),
        ("TO:\\<a b", ["TO:", "\\<a", "b"]),
        ("", []),
        ("TO:\\", ["TO:", "\\"]),
        ("FROM:a@[b c] D", ["FROM:", "a@[b", "c]", "D"]),
    ],
)
def test_words_of_a_command(text: str, words: list[str]) -> None:
    found = split_words(text)
    assert found == words
    assert [type(word) for word in found] == [type(word) for word in words]
