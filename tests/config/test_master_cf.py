import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.master_cf import Service, lines_of, load_services, parse_service

DEFAULT = Service("a", "unix", True, True, False, 0, False, None, "showq", (), (), 0, 1)


def parse(text: str) -> list[Service]:
    return [parse_service(line) for line in lines_of(text, "master.cf")]


@pytest.mark.parametrize(
    ("text", "service"),
    [
        pytest.param("a unix - - n - - showq", DEFAULT, id="defaults"),
        pytest.param("a\tunix  -\t- n -   -\tshowq  ", DEFAULT, id="white space"),
        pytest.param("a unix - - n - -\n# c\n\n  showq", DEFAULT, id="continued"),
        pytest.param("a unix y y n 0 - showq", DEFAULT, id="defaults spelled out"),
        pytest.param(
            "a unix n n y 60? 0 showq",
            DEFAULT._replace(
                private=False, unpriv=False, chroot=True, wakeup=60, wakeup_if_used=True, maxproc=0
            ),
            id="everything else",
        ),
        pytest.param("a fifo - - n - - showq", DEFAULT._replace(type="fifo"), id="fifo"),
        pytest.param("a pass - - n - - showq", DEFAULT._replace(type="pass"), id="pass"),
        pytest.param("a unix-dgram - - n - - showq", DEFAULT._replace(type="unix-dgram"), id="datagrams"),
        pytest.param(
            "smtp inet n - n - 5 smtpd",
            DEFAULT._replace(name="smtp", type="inet", private=False, maxproc=5, program="smtpd"),
            id="inet",
        ),
        pytest.param("a unix - - n - - {showq}", DEFAULT, id="braces around the command"),
        pytest.param(
            "a unix - - n - - showq -o a=b -oc=d -o { e = f g } -o{h=} -o {i = {j}}",
            DEFAULT._replace(
                overrides=(("a", "b"), ("c", "d"), ("e", "f g"), ("h", ""), ("i", "{j}")),
            ),
            id="-o",
        ),
        pytest.param("a unix - - n - - showq -v -vv", DEFAULT._replace(verbose=3), id="-v"),
        pytest.param(
            "a unix - - n - - pipe -v flags=F user={x y} argv=/bin/cat -o a=b",
            DEFAULT._replace(
                program="pipe", verbose=1, args=("flags=F", "user={x y}", "argv=/bin/cat", "-o", "a=b")
            ),
            id="the program's own",
        ),
        pytest.param(
            "a unix - - n - - pipe { argv = x }",
            DEFAULT._replace(program="pipe", args=("argv = x",)),
            id="braces",
        ),
        pytest.param(
            "a unix - - n - - showq -- -o a=b",
            DEFAULT._replace(args=("--", "-o", "a=b")),
            id="end of options",
        ),
    ],
)
def test_a_service_is_read(text: str, service: Service) -> None:
    assert parse(text) == [service]


@pytest.mark.parametrize("name", ["smtp", "25", "127.0.0.1:2525", "[::1]:smtp", ":25", "host.example:25"])
def test_places_of_inet_services(name: str) -> None:
    assert parse(f"{name} inet n - n - - smtpd")[0].name == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a", 'missing "transport type" field'),
        ("a unix", 'missing "private" field'),
        ("a unix -", 'missing "unprivileged" field'),
        ("a unix - -", 'missing "chroot" field'),
        ("a unix - - n", 'missing "wakeup_time" field'),
        ("a unix - - n -", 'missing "max_proc" field'),
        ("a unix - - n - -", 'missing "command" field'),
        ("a foo", "bad transport type: foo"),
        ("a unix x - n - - showq", 'field "private": bad value: "x"'),
        ("a unix Y - n - - showq", 'field "private": bad value: "Y"'),
        ("a unix - x n - - showq", 'field "unprivileged": bad value: "x"'),
        ("a unix - - x - - showq", 'field "chroot": bad value: "x"'),
        ("a unix - - n x - showq", 'field "wakeup_time": bad value: "x"'),
        ("a unix - - n -5 - showq", 'field "wakeup_time": bad value: "-5"'),
        ("a unix - - n - x showq", 'field "max_proc": bad value: "x"'),
        ("a unix - - n - -1 showq", 'field "max_proc": bad value: "-1"'),
        ("a unix - - n 5 - -", 'field "command" has no default value'),
        ("25 inet y - n - - smtpd", "inet service cannot be private"),
        ("25 inet - - n - - smtpd", "inet service cannot be private"),
        ("[::1] inet n - n - - smtpd", 'missing service information in "[::1]"'),
        ("[::1:25 inet n - n - - smtpd", 'missing "]" in "[::1:25"'),
        ("host: inet n - n - - smtpd", 'missing service information in "host:"'),
        ("a unix - - n - - showq -o { foo = a b", """missing '}' in "{ foo = a b\""""),
        ("a unix - - n - - showq -o {foo = a}b", """syntax error after '}' in "{foo = a}b\""""),
        ("a unix - - n - - showq -o foo", """missing '=' after attribute name: "foo\""""),
        ("a unix - - n - - showq -o =x", 'missing attribute name: "=x"'),
        ("a unix - - n - - showq -o", 'option requires an argument: "-o"'),
    ],
)
def test_a_bad_line_is_located(text: str, problem: str) -> None:
    with pytest.raises(BadConfig) as error:
        parse(f"# a comment\nb unix - - n - - showq\n  -v\n\n{text}\n")
    assert str(error.value) == f"master.cf: line 5: {problem}"


def test_white_space_at_the_very_beginning_is_warned_of_and_ignored(logged: list[str]) -> None:
    assert parse(" a unix - - n - - showq\nb unix - - n - - showq\n")[0].name == "b"
    assert logged == [
        'warning: master.cf: logical line must not start with whitespace: " a unix - - n - - showq"'
    ]


def write(folder, master_cf: str, main_cf: str = "compatibility_level = 3.6\n") -> None:
    (folder / "main.cf").write_text(main_cf)
    (folder / "master.cf").write_text(master_cf)


def test_services_keep_their_order_and_lines(tmp_path) -> None:
    write(tmp_path, "b unix - - n - - showq\n\na unix - - n - - showq\n")
    assert [(s.name, s.line) for s in load_services(tmp_path)] == [("b", 1), ("a", 3)]
    assert load_services(MainCf.load(tmp_path)) == load_services(str(tmp_path))


def test_of_two_at_one_address_the_last_counts(tmp_path, logged: list[str]) -> None:
    first = "a unix - - n - - showq\na unix - - n - 7 showq\n"
    write(tmp_path, f"{first}25 inet n - n - - x\n25 inet n - n - - y\n")
    assert [(s.name, s.maxproc, s.program) for s in load_services(tmp_path)] == [
        ("a", 7, "showq"),
        ("25", None, "y"),
    ]
    path, last = f"{tmp_path}/master.cf", "-- using the last entry"
    assert logged == [
        f'warning: {path}: line 2: duplicate master.cf entry for service "a" (private/a) {last}',
        f'warning: {path}: line 4: duplicate master.cf entry for service "25" (25) {last}',
    ]


def test_a_private_and_a_public_service_may_share_a_name(tmp_path) -> None:
    write(tmp_path, "a unix - - n - - showq\na unix n - n - - showq\n")
    assert [service.key for service in load_services(tmp_path)] == ["private/a", "public/a"]


@pytest.mark.parametrize(("level", "jail"), [("0", True), ("1", False), ("3.6", False)])
def test_the_default_of_chroot_follows_the_compatibility_level(tmp_path, level: str, jail: bool) -> None:
    write(tmp_path, "a unix - - - - - showq\n", f"compatibility_level = {level}\n")
    assert load_services(tmp_path)[0].chroot is jail


def test_a_missing_file_is_named(tmp_path) -> None:
    (tmp_path / "main.cf").write_text("")
    with pytest.raises(BadConfig, match=f"open {tmp_path}/master.cf: No such file or directory"):
        load_services(tmp_path)


@given(st.text(alphabet="ab -oyn5?{}=[]:,\n\tinetuix", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    for line in lines_of(text.lstrip(), "master.cf"):
        try:
            assert parse_service(line).line == line.number
        except BadConfig as e:
            assert str(e).startswith(f"master.cf: line {line.number}: ")  # noqa: PT017
