import pytest

from pyfix.mail.address import Extensions, quote, split_address, unquote


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("user@example.com", ("user", "example.com")),
        ("a@b@c", ("a@b", "c")),
        ("user", ("user", None)),
        ("user@", ("user", "")),
        ("", ("", None)),
    ],
)
def test_the_domain_begins_after_the_last_at(address, parts):
    assert split_address(address) == parts


@pytest.mark.parametrize(
    ("internal", "external"),
    [
        ("user@example.com", "user@example.com"),
        ("first last@example.com", '"first last"@example.com'),
        ("a@b@c", '"a@b"@c'),
        ('say "hi"@x', '"say \\"hi\\""@x'),
        ("back\\slash@x", '"back\\\\slash"@x'),
        (".dot@x", '".dot"@x'),
        ("two..dots@x", '"two..dots"@x'),
        ("@domain", '""@domain'),
        ("@one,@two:u v@x", '@one,@two:"u v"@x'),
        ("é@x", "é@x"),
        ("", ""),
    ],
)
def test_internal_and_external_form_translate_into_each_other(internal, external):
    assert quote(internal) == external
    assert unquote(external) == internal


@pytest.mark.parametrize(
    ("local", "delimiters", "parts"),
    [
        ("user+ext", "+", ("user", "+ext")),
        ("user+a+b", "+", ("user", "+a+b")),
        ("user-a+b", "+-", ("user", "-a+b")),
        ("+ext", "+", ("+ext", "")),
        ("user+", "+", ("user", "+")),
        ("user+ext", "", ("user+ext", "")),
        ("owner-list", "-", ("owner-list", "")),
        ("list-request", "-", ("list-request", "")),
        ("-request", "-", ("-request", "")),
        ("owner+list", "+", ("owner", "+list")),
        ("MAILER-DAEMON", "-", ("MAILER-DAEMON", "")),
        ("double-bounce", "-", ("double-bounce", "")),
        ("Postmaster", "m", ("Postmaster", "")),
    ],
)
def test_extensions_split_at_the_first_delimiter_but_not_in_names_of_the_system(local, delimiters, parts):
    assert Extensions(delimiters).split(local) == parts


@pytest.mark.parametrize(
    ("local", "parts"),
    [
        ("owner-list", ("owner", "-list")),
        ("list-request", ("list", "-request")),
        ("MAILER-DAEMON", ("MAILER-DAEMON", "")),
        ("double-bounce", ("double", "-bounce")),
        ("DB-B", ("DB-B", "")),
    ],
)
def test_main_cf_says_whose_names_are_not_split(local, parts):
    assert Extensions("-", double_bounce="db-b", owner_request_special=False).split(local) == parts
