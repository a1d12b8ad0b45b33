import pytest

from pyfix.config import master_edit
from pyfix.config.edit import Action
from pyfix.config.main_cf import BadConfig
from pyfix.config.master_cf import lines_of
from pyfix.config.master_edit import Request, parse_entry
from pyfix.config.master_entry import Entry

MASTER_CF = """\
# top
smtp inet n - n - - smtpd
  # inner
   -o a=b
   -o foo=1 -o { bar=c d }
# mid
s2 inet n - n - - smtpd -v

    # after
pi unix - n n - - pipe user=a
  argv=/x"""


def entry(text: str) -> Entry:
    return Entry(next(lines_of(text, "master.cf")))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("smtp inet n - n - - smtpd", "smtp       inet  n       -       n       -       -       smtpd"),
        ("a-long-name unix-dgram - - n 1000? 0 x", "a-long-name unix-dgram - -       n       1000?   0       x"),
        ("a unix - - - - - x -oa=b -o { c = d  e } -o {f=}", "… x -o a=b -o {c=d  e} -o f="),
        ("a unix - - - - - x {b c} {} -o { x = y }", "… x {b c} {} -o {x = y}"),
        ("a unix - - - - - x -- -o", "… x -- -o"),
        ("a unix - - - - - x user={b c} user={d e}", "… x user={b c} {user={d e}}"),
        ("a unix - - - - - x -v {user={b c}} {d}", "… x -v user={b c} d"),
        ("a unix - - - - - x -o", "… x -o"),
    ],
)
def test_an_entry_is_laid_out_in_columns(text: str, shown: str) -> None:
    assert entry(text).text().replace("a          unix  -       -       -       -       -       ", "… ") == shown


def test_a_folded_entry_has_each_setting_on_its_own_line() -> None:
    path = f"/{'a' * 60}"
    lines = entry(f"a unix - - - - - x -v -o b=c -D d {{e f}} -o g argv={path} h").text(fold=True).splitlines()
    assert lines[0].endswith(" x -v")
    assert lines[1:] == [
        "    -o b=c",
        "    -D d {e f} -o g",
        f"    argv={path} h",
    ]


def test_what_is_shown_reads_as_the_same_entry() -> None:
    for arguments in ("-o { b = c  d } -o e= -v {f g} {} h -o i", "f={g h} i={j k}", "{{a b}} {c d}{e f}", "{}"):
        first = entry(f"a unix - - - - - x {arguments}")
        for fold in (False, True):
            again = entry(first.text(fold=fold))
            assert (again.fields, again.arguments) == (first.fields, first.arguments)


def test_of_two_settings_the_last_counts() -> None:
    assert entry("a unix - - - - - x -o b=1 -o c=2 -o b=3 d -o e=4").overrides == (("b", "3"), ("c", "2"))


@pytest.mark.parametrize(
    ("arguments", "shown", "problems"),
    [
        ("-o { a = b -v x", "-o {a=b -v x}", ["missing '}' in \"{ a = b -v x\""]),
        ("-o{a=b", "-o a=b", ["missing '}' in \"{a=b\""]),
        ("-o {a=b}c", "-o a=b", ["syntax error after '}' in \"{a=b}c\""]),
        ("-o a=b {x y", "-o a=b {x y}", ["missing '}' in \"{x y\""]),
        ("-o {c} -o a=b", "-o c -o a=b", ["missing '=' after attribute name: \"c\""]),
        ("-o {=x y} -o a=b", "-o {=x y} -o a=b", ['missing attribute name: "=x y"']),
        ("-o =x -o c -o a=b", "-o =x -o c -o a=b", []),
    ],
)
def test_braces_that_are_not_right_are_told_and_shown_all_the_same(
    arguments: str, shown: str, problems: list[str], logged: list[str]
) -> None:
    it = entry(f"a unix - - - - - x {arguments}")
    assert it.command() == f"x {shown}"
    assert [name for name, _ in it.overrides] == ["a"]
    assert logged == [f"warning: master.cf: {problem}" for problem in problems]


def set_entries(text: str, pattern: str, line: str) -> str:
    return master_edit.set_entries(text, {pattern: parse_entry(line, line)}, "master.cf")


def test_a_new_line_takes_the_place_of_the_old() -> None:
    after = set_entries(MASTER_CF, "smtp/inet", "smtp inet n - y - - smtpd -o x=y")
    new = "smtp       inet  n       -       y       -       -       smtpd\n    -o x=y\n"
    old = MASTER_CF[MASTER_CF.index("smtp inet") : MASTER_CF.index("# mid")]
    assert after == MASTER_CF.replace(old, f"{new}  # inner\n")


def test_a_new_service_goes_to_the_end() -> None:
    after = set_entries(MASTER_CF, "new/unix", "new unix - - n - - smtp")
    assert after == f"{MASTER_CF}\nnew        unix  -       -       n       -       -       smtp\n"


@pytest.mark.parametrize("pattern", ["smtp/inet", "smtp/*", "*/inet", "*/*", "no/unix"])
def test_dropped_services_leave_the_comments(pattern: str) -> None:
    after = master_edit.drop_entries(MASTER_CF, [pattern], Action.REMOVE, "master.cf")
    assert [line for line in after.splitlines() if line.strip()[:1] in {"", "#"}] == [
        "# top", "  # inner", "# mid", "", "    # after",
    ]  # fmt: skip
    left = [one.name for one in map(Entry, lines_of(after, ""))]
    gone = {"smtp/inet": {"smtp"}, "smtp/*": {"smtp"}, "*/inet": {"smtp", "s2"}, "*/*": {"smtp", "s2", "pi"}}
    assert {*left} == {"smtp", "s2", "pi"} - gone.get(pattern, set())


def test_services_become_comments_with_all_their_lines() -> None:
    after = master_edit.drop_entries(MASTER_CF, ["smtp/inet", "pi/unix"], Action.COMMENT, "master.cf")
    assert [one.name for one in map(Entry, lines_of(after, ""))] == ["s2"]
    assert after.replace("\n#", "\n") == MASTER_CF.replace("\n#", "\n")


def test_a_changed_service_is_laid_out_anew_behind_its_comments() -> None:
    request = Request("smtp/inet", master_edit.set_field("chroot", "y"), "smtp/inet/chroot=y")
    after = master_edit.change_entries(MASTER_CF, [request], "master.cf")
    assert after[: after.index("s2")] == (
        "# top\n  # inner\n# mid\nsmtp       inet  n       -       y       -       -       smtpd\n"
        "    -o a=b\n    -o foo=1\n    -o {bar=c d}\n"
    )
    assert after[after.index("s2") :] == MASTER_CF[MASTER_CF.index("s2") :]


def test_settings_are_added_changed_and_taken_away() -> None:
    requests = [
        Request("smtp/inet", master_edit.set_override("a", "new"), ""),
        Request("smtp/inet", master_edit.set_override("z", "1"), ""),
        Request("smtp/inet", master_edit.remove_override("bar"), ""),
        Request("pi/unix", master_edit.set_override("z", ""), ""),
    ]
    after = master_edit.change_entries(MASTER_CF, requests, "master.cf")
    entries = {one.name: one for one in map(Entry, lines_of(after, ""))}
    assert entries["smtp"].overrides == (("a", "new"), ("foo", "1"), ("z", "1"))
    assert entries["pi"].overrides == (("z", ""),)
    assert entries["pi"].arguments[2:] == ["user=a", "argv=/x"]


def test_a_request_that_means_no_service_is_told(logged: list[str]) -> None:
    request = Request("no/inet", master_edit.set_override("a", "b"), "no/inet/a=b")
    assert master_edit.change_entries(MASTER_CF, [request], "") == MASTER_CF
    assert logged == ['warning: unmatched service_name/type: "no/inet/a=b"']


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("chroot", "q", 'invalid chroot field "q" in "q"'),
        ("wakeup", "", 'invalid wakeup field "" in ""'),
        ("type", "a b", "-Fe does not accept whitespace in non-command field"),
        ("nosuch", "x", 'invalid service attribute name: "nosuch"'),
        ("command", "", 'bad field count: ""'),
    ],
)
def test_a_field_takes_only_what_it_can_be(field: str, value: str, problem: str) -> None:
    with pytest.raises(BadConfig) as error:
        master_edit.set_field(field, value)
    assert str(error.value) == problem
