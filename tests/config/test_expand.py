import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyfix.config.expand import Expander, ExpandError, references
from pyfix.config.main_cf import BadConfig, MainCf

MAIN_CF = """
a = A
e =
n9 = 9
n10 = 10
sp = a b
re = $e
round = ${round?$a}
compatibility_level = 3.6
"""

VALUES = [
    ("$a", "A"),
    ("${a}", "A"),
    ("$(a)", "A"),
    ("${ a }", "A"),
    ("$a.b", "A.b"),
    ("$a-b", "A-b"),
    ("$nosuch_", ""),
    ("x${nosuch}y", "xy"),
    ("$$a", "$a"),
    ("$$", "$"),
    ("$a$$b", "A$b"),
    ("\xe9$a\xe9", "\xe9A\xe9"),
    ("${a?b}", "b"),
    ("${e?b}", ""),
    ("${e:c}", "c"),
    ("${a:c}", ""),
    ("${a?}", ""),
    ("${re?b}$re", "b"),
    ("${re:b}", ""),
    ("${re?{b}:{c}}", "b"),
    ("$round", "A"),
    ("${a?b:c}", "b:c"),
    ("${e?b:c}", ""),
    ("${a? b }", " b "),
    ("${a ? b }", " b "),
    ("${e:  b }", "  b "),
    ("${a?{b}}", "b"),
    ("${a? {b} }", "b"),
    ("${a?{ b }}", " b "),
    ("${e:{ b }}", " b "),
    ("${a?{b}:{c}}", "b"),
    ("${e?{b}:{c}}", "c"),
    ("${e? {b}: c }", " c "),
    ("${e? {b}:c:d}", "c:d"),
    ("${e?{b}:  {c} }", "c"),
    ("${nosuch?{a}:{b}}", "b"),
    ("${a?{$nosuch}:{b}}", ""),
    ("${a?{${n9}}:{b}}", "9"),
    ("${a?{{x}}:{b}}", "{x}"),
    ("${a?(}", "("),
    ("${a?$e$a}", "A"),
    ("${a?${e:x}}", "x"),
    ("${a?$$}", "$"),
    ("$(a?{b}:{c})", "b"),
    ("$(e:{x})", "x"),
    ("$(a)$(a?(x))", "A(x)"),
    ("${{a}=={a}?{y}:{n}}", "y"),
    ("${{a}=={b}?{y}}", ""),
    ("${{a}=={b}:n}", "n"),
    ("${{a}=={b}? x : y}", ""),
    ("${{ a }=={a}?{y}:{n}}", "n"),
    ("${{a} ==\t{a} ?\t{y} :\t{n}}", "y"),
    ("$({a}=={a}?{y}:{n})", "y"),
    ("${{{a}}=={{a}}?y}", "y"),
    ("${{a}=={a}}", "true"),
    ("${{a}>{a}}", ""),
    ("x${{a}!={a}}y", "xy"),
    ("${{$n9}<{$n10}?{y}:{n}}", "y"),
    ("${{$n9$e}=={9}?{y}:{n}}", "y"),
    ("${{9x} < {10}?{y}:{n}}", "n"),
    ("${{09}=={9}?{y}:{n}}", "y"),
    ("${{+1}=={1}?{y}:{n}}", "n"),
    ("${{1}<{-1}?{y}:{n}}", "n"),
    ("${{} < {10}?{y}:{n}}", "y"),
    ("${{b} < {a}?{y}:{n}}", "n"),
    ("${{b} <= {b}?{y}:{n}}", "y"),
    ("${{b} >= {a}?{y}:{n}}", "y"),
    ("${{x$sp}=={xa b}?{y}:{n}}", "y"),
    ("${{2147483648}>{1}?{y}:{n}}", "y"),
    ("${{$compatibility_level} <level {2}?{y}:{n}}", "n"),
    ("${{$compatibility_level} ==level {3.6}?{y}:{n}}", "y"),
    ("${{3.6}==level{3.6.0}?{y}:{n}}", "y"),
    ("${{3.6} !=level {3.6.1}?{y}:{n}}", "y"),
    ("${{3.10} >level {3.9}?{y}:{n}}", "y"),
    ("${{3} >=level {3.0.0}?{y}:{n}}", "y"),
    ("${{3.5.99} <=level {3.6}?{y}:{n}}", "y"),
    ("${{03.6} ==level {3.6}?{y}:{n}}", "y"),
    ("${{+3} ==level {3}?{y}:{n}}", "y"),
]

OPERATOR = '"==" or "!=" or "<" or "<=" or ">=" or ">" expected'

ERRORS = [
    ("${a", 'truncated macro reference: "${a"'),
    ("$(a", 'truncated macro reference: "$(a"'),
    ("$(a}", 'truncated macro reference: "$(a}"'),
    ("${a?{b}", 'truncated macro reference: "${a?{b}"'),
    ("${{a}", 'truncated macro reference: "${{a}"'),
    ("$", 'empty macro name: "$"'),
    ("$a$", 'empty macro name: "$a$"'),
    ("$-", 'empty macro name: "$-"'),
    ("${}", 'empty macro name: "${}"'),
    ("$()", 'empty macro name: "$()"'),
    ("${a!b}", 'attribute name syntax error at: "...a>>>!b"'),
    ("${a b}", 'attribute name syntax error at: "...a>>> b"'),
    ("${a b?c}", 'attribute name syntax error at: "...a>>> b?c"'),
    ("${a.b}", 'attribute name syntax error at: "...a>>>.b"'),
    ("${a{b}}", 'attribute name syntax error at: "...a>>>{b}"'),
    ("${e:{c}?{b}}", 'unexpected input at: "...c}>>>?{b}"'),
    ("${a?{b}:{c}x}", 'unexpected input at: "...c}>>>x"'),
    ("${a?{b}x}", '":" expected at: "...b}>>>x"'),
    ("${a?{b} {c}}", '":" expected at: "...b}>>>{c}"'),
    ("${{a}={a}}", f'{OPERATOR} at: "...a}}>>>={{a}}"'),
    ("${{a}<>{a}?{y}}", f'{OPERATOR} at: "...a}}>>><>{{a}}?{{y}}"'),
    ("${{a}}", f'{OPERATOR} at: "...a}}>>>"'),
    ("${{a} {b}}", f'{OPERATOR} at: "...a}}>>>{{b}}"'),
    ("${{a} == }", '"{expression}" expected at: "...{a} ==>>> "'),
    ("${{a} == b?{y}}", '"{expression}" expected at: "...{a} ==>>> b?{y}"'),
    ("${{3} >= level {3}?{y}}", '"{expression}" expected at: "...{3} >=>>> level {3}?{y}"'),
    ("${{a}==lev{b}}", 'bad operator suffix at: "...==>>>lev"'),
    ("${{a}=={b}x}", '"?" or ":" expected at: "...}>>>x"'),
    ("${{a}=={b} abcdefghijklmnopqrstuvwxyz}", '"?" or ":" expected at: "...}>>>abcdefghijklmnopqrst"'),
    ("$(a?{)}b)", 'unbalanced {} in attribute expression: "{"'),
    ("${{x} <=level {3.6}?y}", 'malformed compatibility level syntax: "x"'),
    ("${{3} <level {3.}?y}", 'malformed compatibility level syntax: "3."'),
    ("${{3.1.2.3} <level {3}?y}", 'malformed compatibility level syntax: "3.1.2.3"'),
    ("${{} <level {3}?y}", 'malformed compatibility level syntax: ""'),
    ("${{99999999999999999999999} > {1}?y}", "bad conversion: 99999999999999999999999"),
    ("${{ 3.6 } <level {3}?y}", 'malformed compatibility level syntax: " 3.6 "'),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_a_reference_has_its_value(text: str, value: str) -> None:
    assert MainCf.from_text(MAIN_CF).expand(text) == value


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_bad_syntax_is_located(text: str, message: str) -> None:
    main = MainCf.from_text(f"a = A\ne =\nbar = {text}\nfoo = $bar\n")
    for name in ("bar", "foo"):  # the blame stays with bar
        with pytest.raises(BadConfig) as error:
            main.value(name)
        assert str(error.value) == f"main.cf, line 3: parameter bar: {message}"


def test_a_bad_text_that_stands_nowhere_has_its_message_only() -> None:
    with pytest.raises(BadConfig) as error:
        MainCf.from_text("").expand("${a")
    assert str(error.value) == 'truncated macro reference: "${a"'


def test_a_name_within_itself_is_found_out() -> None:
    main = MainCf.from_text("self = $self\nfoo = $bar\nbar = x $foo\n")
    with pytest.raises(BadConfig, match='line 1: parameter self: unreasonable macro call nesting: "self"'):
        main.value("self")
    with pytest.raises(BadConfig, match="unreasonable macro call nesting"):
        main.value("foo")


def test_names_nest_deeply_but_not_too_deeply() -> None:
    chain = "".join(f"v{i} = $v{i + 1}\n" for i in range(98))
    assert MainCf.from_text(f"{chain}v98 = end\n").value("v0") == "end"


def test_only_the_branch_taken_is_expanded() -> None:
    main = MainCf.from_text("a = A\nself = $self\n")
    assert main.expand("${a?{x}:{$self}}") == "x"


def test_a_name_that_is_set_nowhere_has_its_default() -> None:
    assert MainCf.from_text("").expand("$mail_name") == "Postfix"
    assert MainCf.from_text("").value("max_use") == "100"
    assert MainCf.from_text("").value("nosuch_name") == ""


def test_domain_to_ascii_gives_a_labels() -> None:
    main = MainCf.from_text("u = \u4f8b.example\n")
    assert main.expand("${domain_to_ascii{x.$u}}") == "x.xn--fsq.example"
    assert main.expand("${domain_to_ascii{plain.example}}") == "plain.example"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("$a ${b} $(c) $$d", {"a", "b", "c"}),
        ("${a?{$b}:{$c}}", {"a", "b", "c"}),
        ("${{$a} == {b}?{$c}}", {"a", "c"}),
        ("${ a ?x}", {"a"}),
        ("${a", set()),
        ("none", set()),
    ],
)
def test_references_are_found_in_every_branch(text: str, names: set[str]) -> None:
    assert references(text) == names


def test_postconf_agrees_on_every_value(real_postconf) -> None:
    names = [f"v{i}" for i in range(len(VALUES))]
    main_cf = MAIN_CF + f"smtpd_restriction_classes = {' '.join(names)}\n"
    # Marks at both ends keep the white space that postconf would trim.
    main_cf += "".join(f"{name} = [{text}]\n" for name, (text, _) in zip(names, VALUES, strict=True))
    shown = real_postconf(main_cf, "-hx", *names).stdout.splitlines()
    assert shown == [" ".join(f"[{value}]".split()) for _, value in VALUES]


NAMES = st.sampled_from(["a", "e", "n9", "n10", "sp", "nosuch"])
WORDS = st.sampled_from(["", "x", "10", "9", "09", "b c", "3.6", " y "])
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
SPACES = st.sampled_from(["", " "])


def compose(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def build(form: str, *parts: str) -> str:
        return form.format(*parts)

    both = st.sampled_from(["${{{0}?{{{1}}}:{{{2}}}}}", "$({0}?{{{1}}}:{{{2}}})"])
    one = st.sampled_from(["${{{0}?{{{1}}}}}", "${{{0}:{{{1}}}}}", "${{{0} ? {{{1}}} }}"])
    return st.one_of(
        st.builds(build, both, NAMES, texts, texts),
        st.builds(build, one, NAMES, texts),
        st.builds(
            build,
            st.just("${{{{{0}}}{3}{1}{3}{{{2}}}?{{{4}}}:{{{5}}}}}"),
            texts, OPERATORS, texts, SPACES, texts, texts,
        ),
        st.builds(build, st.just("{0}{1}"), texts, texts),
    )  # fmt: skip


LEAVES = st.one_of(WORDS, NAMES.map("${}".format), NAMES.map("${{{}}}".format))
TEXTS = st.recursive(LEAVES, compose, max_leaves=6)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS.filter(lambda text: len(text) < 500), min_size=40, max_size=80))
def test_postconf_agrees_on_generated_expressions(real_postconf, texts: list[str]) -> None:
    names = [f"v{i}" for i in range(len(texts))]
    main_cf = MAIN_CF + f"smtpd_restriction_classes = {' '.join(names)}\n"
    main_cf += "".join(f"{name} = [{text}]\n" for name, text in zip(names, texts, strict=True))
    result = real_postconf(main_cf, "-hx", *names)
    main = MainCf.from_text(main_cf)
    assert result.stdout.splitlines() == [" ".join(main.value(name).split()) for name in names]


@given(text=st.text(alphabet="${}()?:ab=<> level", max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_expands_or_is_refused(text: str) -> None:
    with contextlib.suppress(ExpandError):
        assert isinstance(Expander({"a": "A"}.get).text(text), str)
