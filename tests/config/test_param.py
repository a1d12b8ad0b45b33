import pytest

from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.param import Bool, Int, Long, NBool, NInt, Params, Raw, Str, Time
from pyfix.config.params.mail import MailParams


class Demo(Params):
    a_string = Str("$a_word and more", min=1, max=30)
    a_word = Str("word")
    a_raw = Raw("$a_word")
    a_number = Int("10", min=1, max=20)
    a_free_number = Int("0")
    a_long = Long("9000000000")
    a_switch = Bool("no")
    a_clever_switch = NBool("${{$a_word} == {word} ? {yes} : {no}}")
    a_clever_number = NInt("${a_word?{1}:{100}}", min=1)
    a_time = Time("300s", min=1, max=1000)
    a_long_time = Time("5d")
    a_stressed_time = Time("${stress?{10}:{300}}s", min=1)
    computed = Str(lambda main: main.value("mail_name").lower())
    the_2nd = Str("x", name="2nd")


def demo(text: str = "") -> Demo:
    return Demo(MainCf.from_text(text))


def test_defaults_are_expanded_and_parsed() -> None:
    cfg = demo()
    assert (cfg.a_raw, cfg.a_word) == ("$a_word", "word")
    assert (cfg.a_number, cfg.a_long, cfg.a_clever_number) == (10, 9_000_000_000, 100)
    assert (cfg.a_switch, cfg.a_clever_switch) == (False, False)  # Demo is no group: $a_word is unknown
    assert (cfg.a_time, cfg.a_long_time, cfg.a_stressed_time) == (300, 432_000, 300)
    assert cfg.computed == "postfix"
    assert cfg.the_2nd == "x"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a_string = $x$x\nx = y", "a_string", "yy"),
        ("a_raw = $x ${y", "a_raw", "$x ${y"),
        ("a_number = +7", "a_number", 7),
        ("a_number = 007", "a_number", 7),
        ("a_free_number = -7", "a_free_number", -7),
        ("a_long = 9223372036854775807", "a_long", 2**63 - 1),
        ("a_switch = YeS", "a_switch", True),
        ("a_switch = NO", "a_switch", False),
        ("a_clever_switch = yes", "a_clever_switch", True),
        ("a_time = 5", "a_time", 5),
        ("a_time = 5m", "a_time", 300),
        ("a_time = 5sxyz", "a_time", 5),
        ("a_long_time = 2", "a_long_time", 172_800),
        ("a_long_time = 2w", "a_long_time", 1_209_600),
        ("a_long_time = h", "a_long_time", 0),
        ("a_time = ${x}m\nx = 3", "a_time", 180),
        ("stress = yes", "a_stressed_time", 10),
        ("2nd = y", "the_2nd", "y"),
    ],
)
def test_a_setting_is_parsed(text: str, name: str, value: object) -> None:
    assert getattr(demo(text), name) == value


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("a_string =", "bad string length 0 < 1: a_string = "),
        (f"a_string = {'x' * 31}", f"bad string length 31 > 30: a_string = {'x' * 31}"),
        ("a_number = 0", "invalid a_number parameter value 0 < 1"),
        ("a_number = 21", "invalid a_number parameter value 21 > 20"),
        ("a_number = 0x1", "bad numerical configuration: a_number = 0x1"),
        ("a_number =", "bad numerical configuration: a_number = "),
        ("a_number = 1.5", "bad numerical configuration: a_number = 1.5"),
        ("a_number = 1 2", "bad numerical configuration: a_number = 1 2"),
        ("a_number = \u0663", "bad numerical configuration: a_number = \u0663"),
        ("a_free_number = 2147483648", "bad numerical configuration: a_free_number = 2147483648"),
        (f"a_number = {'9' * 5000}", f"bad numerical configuration: a_number = {'9' * 5000}"),
        ("a_long = 9223372036854775808", "bad numerical configuration: a_long = 9223372036854775808"),
        ("a_switch = maybe", "bad boolean configuration: a_switch = maybe"),
        ("a_switch =", "bad boolean configuration: a_switch = "),
        ("a_switch = $mail_name", "bad boolean configuration: a_switch = Postfix"),
        ("a_time = 5x", "parameter a_time: bad time value or unit: 5x"),
        ("a_time = 5S", "parameter a_time: bad time value or unit: 5S"),
        ("a_time = 5 s", "parameter a_time: bad time value or unit: 5 s"),
        ("a_time = -5", "parameter a_time: bad time value or unit: -5"),
        ("a_time =", "parameter a_time: bad time value or unit: "),
        ("a_time = 99999999w", "parameter a_time: bad time value or unit: 99999999w"),
        ("a_time = 0", "invalid a_time: 0 (min 1)"),
        ("a_time = s", "invalid a_time: 0 (min 1)"),
        ("a_time = 1h", "invalid a_time: 3600 (max 1000)"),
    ],
)
def test_a_bad_value_is_located(setting: str, problem: str) -> None:
    cfg = demo(f"# a comment\n{setting}\n")
    with pytest.raises(BadConfig) as error:
        getattr(cfg, setting.partition(" ")[0])
    assert str(error.value) == f"main.cf, line 2: {problem}"


def test_a_bad_override_says_where_it_comes_from() -> None:
    main = MainCf.from_text("").with_overrides([("a_switch", "x")], "/etc/postfix/master.cf: line 7")
    with pytest.raises(BadConfig) as error:
        _ = Demo(main).a_switch
    assert str(error.value) == "/etc/postfix/master.cf: line 7: bad boolean configuration: a_switch = x"


def test_a_value_is_read_once_and_kept_for_the_object() -> None:
    cfg = demo("a_number = 5")
    assert "a_number" not in vars(cfg)
    assert cfg.a_number == 5
    assert vars(cfg)["a_number"] == 5
    assert demo("a_number = 6").a_number == 6


def test_check_reads_everything() -> None:
    demo().check()
    with pytest.raises(BadConfig, match="a_long_time"):
        demo("a_long_time = never").check()


def test_the_class_gives_the_declaration() -> None:
    assert Demo.a_number.default == "10"
    assert [parameter.name for parameter in Demo.declared()][:2] == ["a_string", "a_word"]


def test_the_host_names_each_other() -> None:
    cfg = MailParams(MainCf.from_text("myhostname = mail.Sub.example\n"))
    assert (cfg.mydomain, cfg.myorigin) == ("sub.example", "mail.Sub.example")
    assert cfg.mydestination == "mail.Sub.example, localhost.sub.example, localhost"


def test_a_host_name_without_dots_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Uname:
        nodename = "vm"

    monkeypatch.setattr("os.uname", Uname)
    assert MailParams(MainCf.from_text("")).myhostname == "vm.localdomain"
    assert MailParams(MainCf.from_text("")).mydomain == "localdomain"
    assert MailParams(MainCf.from_text("mydomain = d.example")).myhostname == "vm.d.example"
    Uname.nodename = "vm.example"
    assert MailParams(MainCf.from_text("")).myhostname == "vm.example"


@pytest.mark.parametrize(
    ("setting", "problem", "warning"),
    [
        ("myhostname = foo..bar", "bad parameter value: foo..bar", "misplaced delimiter: foo..bar"),
        ("myhostname = -foo", "bad parameter value: -foo", "misplaced hyphen: -foo"),
        ("myhostname = 1.2.3.4", "bad parameter value: 1.2.3.4", "numeric hostname: 1.2.3.4"),
        ("myhostname = a b", "bad parameter value: a b", "invalid character 32(decimal): a b"),
        ("mydomain = x_y..z", "bad parameter value: x_y..z", "misplaced delimiter: x_y..z"),
    ],
)
def test_a_bad_host_name_is_refused(setting: str, problem: str, warning: str, logged: list[str]) -> None:
    name = setting.partition(" ")[0]
    with pytest.raises(BadConfig) as error:
        getattr(MailParams(MainCf.from_text(setting)), name)
    assert str(error.value) == f"main.cf, line 1: parameter {name}: {problem}"
    assert logged == [f"warning: valid_hostname: {warning}"]


@pytest.mark.parametrize("name", ["foo", "foo_bar.com", "a-b.c", "1.a"])
def test_a_good_host_name_is_taken(name: str) -> None:
    assert MailParams(MainCf.from_text(f"myhostname = {name}")).myhostname == name


def test_myorigin_is_no_list() -> None:
    with pytest.raises(BadConfig, match="myorigin parameter setting must not contain multiple values: a, b"):
        _ = MailParams(MainCf.from_text("myorigin = a, b")).myorigin


@pytest.mark.parametrize("level", ["0", "2", "3.6", "3.11", "99", "3.6.1"])
def test_compatibility_levels(level: str) -> None:
    assert MailParams(MainCf.from_text(f"compatibility_level = {level}")).compatibility_level == level


def test_a_malformed_compatibility_level_is_refused() -> None:
    with pytest.raises(BadConfig, match='malformed compatibility level syntax: "x"'):
        _ = MailParams(MainCf.from_text("compatibility_level = x")).compatibility_level


def test_defaults_follow_the_compatibility_level() -> None:
    old, new = (MailParams(MainCf.from_text(f"compatibility_level = {level}")) for level in ("0", "3.6"))
    assert (old.mynetworks_style, new.mynetworks_style) == ("subnet", "host")
    assert (old.smtputf8_enable, new.smtputf8_enable) == (False, True)
