import pytest

from pyfix.mail.headers import fold_addresses, header_name, header_value
from pyfix.mail.tokens import Address, external, header_text, internal, parse


# What real Postfix finds and writes back.
@pytest.mark.parametrize(
    ("header", "addresses", "written"),
    [
        ("a", ["a"], "a"),
        (
            'Foo Bar <a>, "B, C" <q@old.test> (comment), b',
            ["a", "q@old.test", "b"],
            'Foo Bar <a>,\n"B, C" <q@old.test>(comment),\nb',
        ),
        ("(c1) Joe (c2) Blow <a> (c3), b (c4)", ["a", "b"], "(c1) Joe (c2) Blow <a>(c3),\nb (c4)"),
        ("grp: a, b@c, d (x);, e", ["a", "b@c", "d", "e"], "grp: a,\nb@c,\nd (x);,\ne"),
        ("undisclosed:;", [], "undisclosed: ;"),
        ("a: b <c>, g: x;", ["c", "x"], "a: b <c>,\ng: x;"),
        ("g: a, h: b;", ["a", "b"], "g: a,\nh: b;"),
        ("a: b <c>", ["a", "c"], "a:b <c>"),
        ("a b c", ["a", "b", "c"], "a,\nb,\nc"),
        ("<a> <b>", ["a", "b"], "<a> <b>"),
        ("a;b:c", ["a", "b:c"], 'a;,\n"b:c"'),
        ("x <>", [], "x <>"),
        ("a,,b,", ["a", "b"], "a,\n,\nb,\n"),
        ("a <b", ["a <b"], '"a <b"'),
        ("a> b", ["a", "b"], "a>,\nb"),
        ("[x] y", ["[x]", "y"], '"[x]",\ny'),
        ("Joe <a>(c) b", ["a", "b"], "Joe <a>,\nb (c)"),
        ("John Q. Public <jq>", ["jq"], "John Q.Public <jq>"),
        ("a\\,b, c", ["a,b", "c"], '"a,b",\nc'),
        ("a (unclosed", ["a"], "a (unclosed"),
        ('"unclosed', ["unclosed"], "unclosed"),
        ("a@b.c (x (y) z) (w)", ["a@b.c"], "a@b.c (x (y) z) (w)"),
        ("joe@[1.2.3.4]", ["joe@[1.2.3.4]"], "joe@[1.2.3.4]"),
        ("", [], ""),
    ],
)
def test_addresses_are_found_in_headers_and_written_back(header, addresses, written):
    items = parse(header)
    assert [internal(item.tokens) for item in items if isinstance(item, Address)] == addresses
    assert header_text(items) == written


def test_an_absurdly_long_name_goes():
    assert header_text(parse("n" * 300 + " <a>, b")) == "<a>,\nb"


def test_quoted_words_keep_their_quotes():
    assert external(parse('"q\\"x" <l>')) == '"q\\"x" <l>'


def test_addresses_fold_where_lines_get_long():
    text = b"To: " + b",\n".join(b"user%d@example.com" % n for n in range(5))
    assert fold_addresses(text) == [
        b"To: user0@example.com, user1@example.com, user2@example.com,",
        b"\tuser3@example.com, user4@example.com",
    ]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"To: a", b"To"),
        (b"To : a", b"To"),
        (b"To:", b"To"),
        (b" To: a", None),
        (b"no header", None),
        (b"a b: c", None),
        (b"", None),
        (b": x", None),
    ],
)
def test_a_header_begins_with_a_name_and_a_colon(line, name):
    assert header_name(line) == name


def test_white_space_around_a_value_goes():
    assert header_value(b"Message-Id:  <a@b> \n\t") == b"<a@b>"
