"""What local does with one recipient, without a running mail system."""

import errno
import os
import pwd
import re
from pathlib import Path

import pytest

from pyfix.clients.rewrite import FLAG_ERROR, Resolved
from pyfix.config.main_cf import MainCf
from pyfix.delivery.agent import Delivery
from pyfix.delivery.local import forward
from pyfix.delivery.local.daemon import Local
from pyfix.delivery.local.state import rights_of
from pyfix.delivery.outcome import Fate, Settled
from pyfix.mail.error import Retry
from pyfix.server.context import Context

ROOT = os.getuid() == 0
USER = pwd.getpwnam("games") if ROOT else pwd.getpwuid(os.getuid())
ME = USER.pw_name
GROUPS = os.getgroups()
MAIN_CF = """
myhostname = mx.d.test
mail_owner = nobody
recipient_delimiter = +
mail_spool_directory = {root}/spool
forward_path = {root}/fwd/$user.forward${{recipient_delimiter}}${{extension}}, {root}/fwd/$user.forward
alias_maps = inline:{{ {aliases} }}
command_time_limit = 5s
mailbox_delivery_lock = flock
{more}
"""


class Rewriter:
    """d.test is here, everything else elsewhere."""

    async def rewrite(self, rule: str, address: str) -> str:
        return address if "@" in address else f"{address}@d.test"

    async def resolve(self, sender: str, address: str) -> Resolved:
        here = address.lower().endswith("@d.test")
        flags = FLAG_ERROR if address.startswith("-") else 0
        return Resolved("local" if here else "smtp", address.rpartition("@")[2], address, flags)


class Machine:
    """One local below a directory; posted: what it would hand to cleanup."""

    def __init__(self, store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.root = store, store.root
        self.posted: list[tuple[str, str, list[str], bytes]] = []
        self.notify = 0
        self.actions: list[str] = []
        monkeypatch.setattr(forward, "post", self._post)
        for name in ("spool", "fwd", "out"):
            (self.root / name).mkdir()
            (self.root / name).chmod(0o777)
        for directory in self.root.parents:
            if ROOT and directory.is_relative_to("/tmp"):
                directory.chmod(directory.stat().st_mode | 0o055)
        self.root.chmod(0o755)

    def _post(self, cleanup, flags: int, records) -> str:
        data = b"".join(records("QID2"))
        self.posted.append(data)
        return "QID2"

    def deliver(self, *recipients: str, aliases: dict[str, str] | None = None, more: str = "", **message):
        """(recipient, status, reason) of all parts."""
        pairs = ", ".join(f"{{{name} = {value}}}" for name, value in ({"x-y": "z"} | (aliases or {})).items())
        text = MAIN_CF.format(root=self.root, aliases=pairs, more=more)
        local = Local(Context("local", "local", MainCf.from_text(text), privileged=True))
        local.setup.rewriter = Rewriter()
        queue_id = self.store.put(*recipients, **message)
        fd = self.store.queue.open("active", queue_id, os.O_RDWR)
        request = self.store.request(queue_id, ret_flags=2, envelope_id="envid")
        for recipient in request.recipients:
            recipient.notify = self.notify
        delivery = Delivery(request, fd)
        try:
            return list(self._outcomes(local, delivery))
        finally:
            os.close(fd)
            if ROOT:
                os.seteuid(0)
                os.setegid(0)
                os.setgroups(GROUPS)

    def _outcomes(self, local: Local, delivery: Delivery):
        for outcome in local.deliver(delivery):
            if not isinstance(outcome, Settled):
                self.actions.append(outcome.dsn.action)
                if outcome.fate is Fate.DEFERRED:
                    delivery.wait_for(outcome.recipient)
                yield outcome.recipient.address, outcome.dsn.status, outcome.dsn.reason

    def forward(self, name: str, text: str, mode: int = 0o644, uid: int = USER.pw_uid) -> Path:
        path = self.root / "fwd" / name
        path.write_text(text)
        os.chown(path, uid, -1)
        path.chmod(mode)
        return path


@pytest.fixture
def machine(store, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(store, monkeypatch)


def test_a_mailbox_is_its_users(machine: Machine) -> None:
    assert machine.deliver(f"{ME}@d.test") == [(f"{ME}@d.test", "2.0.0", "delivered to mailbox")]
    path = machine.root / "spool" / ME
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (USER.pw_uid, 0o600)
    assert path.read_bytes().partition(b"\n")[2] == (
        f"Return-Path: <s@a.test>\nDelivered-To: {ME}@d.test\nSubject: test\n\nhello\n\n".encode()
    )


def test_an_alias_stands_for_all_that_it_names(machine: Machine) -> None:
    aliases = {"both": f"{machine.root}/out/file, {ME}, x@e.test"}
    assert machine.deliver("both@d.test", aliases=aliases) == [
        ("both@d.test", "2.0.0", f"delivered to file: {machine.root}/out/file"),
        (f"{ME}@d.test", "2.0.0", "delivered to mailbox"),
        ("both@d.test", "2.0.0", "forwarded as QID2"),
    ]
    (posted,) = machine.posted
    assert b"S\x08s@a.test" in posted
    assert b"R\x08x@e.test" in posted
    assert b"Received: by mx.d.test (Postfix)" in posted
    assert b"Delivered-To: both@d.test" in posted


def test_nothing_is_forwarded_when_a_part_is_deferred(machine: Machine) -> None:
    outcomes = machine.deliver("both@d.test", aliases={"both": 'x@e.test, "|exit 75"'})
    assert outcomes == [("both@d.test", "4.3.0", "temporary failure")]
    assert machine.posted == []


@pytest.mark.parametrize(
    "relay", ["$recipient", "nobody9", "NOBODY9+x", "al", "${extension?{nobody-knows}:{nobody-knows+x}}"]
)
def test_a_luser_relay_that_leads_back_bounces(machine: Machine, relay: str) -> None:
    outcomes = machine.deliver("nobody-knows@d.test", aliases={"al": "nobody8"}, more=f"luser_relay = {relay}")
    assert [(status, reason.partition(":")[0]) for _, status, reason in outcomes] == [("5.1.1", "unknown user")]


def test_each_recipient_has_duplicates_of_its_own(machine: Machine) -> None:
    outcomes = machine.deliver("both@d.test", f"{ME}@d.test", aliases={"both": f"{ME}, {ME}"})
    assert outcomes == [(f"{ME}@d.test", "2.0.0", "delivered to mailbox")] * 2


def test_a_list_ends_where_a_part_of_it_is_deferred(machine: Machine) -> None:
    out = machine.root / "out"
    (machine.root / "list").write_text(f'{out}/a\n{out}/b, "|exit 71", {out}/c\n{out}/d\n')
    aliases = {"all": f'"|exit 75", :include:{machine.root}/list, {out}/e'}
    more = "allow_mail_to_files = alias, include\nallow_mail_to_commands = alias, include"
    machine.deliver("all@d.test", aliases=aliases, more=more)
    assert sorted(path.name for path in out.iterdir()) == ["a", "b", "c", "e"]


def test_who_is_named_in_a_list_and_beside_it_gets_both(machine: Machine) -> None:
    (machine.root / "list").write_text(f"{ME}\n")
    outcomes = machine.deliver("all@d.test", aliases={"all": f"{ME}, :include:{machine.root}/list, {ME}"})
    assert [reason for _, _, reason in outcomes] == ["delivered to mailbox", "forwarded as QID2"]


def test_an_alias_that_is_named_in_a_list_and_beside_it_is_for_both(machine: Machine) -> None:
    """What it stands for is posted anew for the list, and delivered at once beside it, as Postfix does."""
    (machine.root / "list").write_text("sub\n")
    outcomes = machine.deliver("all@d.test", aliases={"all": f":include:{machine.root}/list, sub", "sub": ME})
    assert [reason for _, _, reason in outcomes] == ["delivered to mailbox", "forwarded as QID2"]


def test_a_list_has_an_owner(machine: Machine) -> None:
    aliases = {"list": f"{ME}, x@e.test", "owner-list": "boss"}
    assert machine.deliver("list@d.test", aliases=aliases, original="list@d.test") == [
        ("list@d.test", "2.0.0", "forwarded as QID2")
    ]
    (posted,) = machine.posted
    assert b"S\x11owner-list@d.test" in posted
    assert f"R{chr(len(ME) + 7)}{ME}@d.test".encode() in posted
    assert b"Olist" not in posted


NEVER, SUCCESS, FAILURE = 1, 2, 4


@pytest.mark.parametrize(
    ("notify", "inside"), [(0, 0), (NEVER, NEVER), (SUCCESS, NEVER), (FAILURE, FAILURE), (SUCCESS | FAILURE, FAILURE)]
)
@pytest.mark.parametrize("owner", [False, True])
def test_who_is_told_of_what_an_alias_stands_for(machine: Machine, owner: bool, notify: int, inside: int) -> None:
    machine.notify = notify
    machine.deliver("list@d.test", aliases={"list": "x@e.test", **({"owner-list": "boss"} if owner else {})})
    (posted,) = machine.posted
    for attribute in ("ret_flags=2", "envelope_id=envid"):
        assert attribute.encode() in posted
    assert re.findall(rb"notify_flags=(\d)", posted) == ([b"%d" % inside] if inside else [])
    told = ["delivered" if owner else "expanded"] if notify & SUCCESS else []
    assert machine.actions == [*told, "relayed"]


@pytest.mark.parametrize("shown", [True, False])
def test_the_original_recipient_is_shown_where_it_is_wanted(machine: Machine, shown: bool) -> None:
    aliases = {"a": f'{ME}, {machine.root}/out/file, "|cat >{machine.root}/out/cat"'}
    more = "" if shown else "enable_original_recipient = no"
    machine.deliver("a@d.test", aliases=aliases, original="was@d.test", more=more)
    for path in (machine.root / "spool" / ME, machine.root / "out/file", machine.root / "out/cat"):
        text = path.read_text()
        assert ("\nX-Original-To: was@d.test\n" in text, text.count("X-Original-To")) == (shown, int(shown))


@pytest.mark.parametrize(
    ("aliases", "address", "status", "reason"),
    [
        ({"a": "b", "b": "a"}, "b@d.test", "5.4.6", "recipient nesting limit exceeded"),
        ({"a": "nobody-knows"}, "nobody-knows@d.test", "5.1.1", 'unknown user: "nobody-knows"'),
        ({"a": "-b"}, "a@d.test", "5.1.3", "bad recipient address syntax: -b@d.test"),
        ({"a": "<>"}, "a@d.test", "4.3.0", "alias database unavailable"),
        ({"a": "~/x"}, "a@d.test", "5.3.5", "mail system configuration error"),
        ({"a": ":include:x"}, "a@d.test", "5.3.5", "mail system configuration error"),
        ({"a": "a"}, "a@d.test", "5.1.1", 'unknown user: "a"'),
    ],
)
def test_malformed_aliases(machine: Machine, aliases, address: str, status: str, reason: str) -> None:
    assert machine.deliver("a@d.test", aliases=aliases) == [(address, status, reason)]


@pytest.mark.parametrize("name", ["`id`", "a;b", "a|b", "../etc/passwd", "$HOME", "a b", "/etc/passwd", "|sh"])
def test_shell_characters_in_a_recipient_mean_nothing(machine: Machine, name: str) -> None:
    assert machine.deliver(f"{name}@d.test") == [(f"{name}@d.test", "5.1.1", f'unknown user: "{name.lower()}"')]


def test_shell_characters_do_not_reach_a_command(machine: Machine) -> None:
    more = f"mailbox_command = echo $EXTENSION >{machine.root}/out/ext"
    machine.deliver(f"{ME}+a;`id`$x@d.test", more=more)
    assert (machine.root / "out/ext").read_text() == "a__id__x\n"


def test_a_dotforward_is_used_and_an_extension_has_its_own(machine: Machine) -> None:
    machine.forward(f"{ME}.forward", f"# mine\n{ME}\nx@e.test\n")
    machine.forward(f"{ME}.forward+ext", f"{machine.root}/out/ext\n")
    assert [reason for _, _, reason in machine.deliver(f"{ME}@d.test")] == [
        "delivered to mailbox", "forwarded as QID2",
    ]  # fmt: skip
    assert [reason for _, _, reason in machine.deliver(f"{ME}+ext@d.test")] == [
        f"delivered to file: {machine.root}/out/ext"
    ]


def test_a_line_of_a_dotforward_ends_at_a_nul(machine: Machine) -> None:
    machine.forward(f"{ME}.forward", f"{ME}\0, x@e.test\n{machine.root}/out/x\0y\n")
    assert [reason for _, _, reason in machine.deliver(f"{ME}@d.test")] == [
        "delivered to mailbox", f"delivered to file: {machine.root}/out/x",
    ]  # fmt: skip


def test_the_end_of_a_line_within_quotes_is_a_space(machine: Machine) -> None:
    machine.forward(f"{ME}.forward", f'"|echo >{machine.root}/out/x\n')
    assert [reason for _, _, reason in machine.deliver(f"{ME}@d.test")] == [
        f"delivered to command: echo >{machine.root}/out/x "
    ]


@pytest.mark.skipif(not ROOT, reason="needs root: to give a file away")
def test_a_list_of_nobody_waits_for_its_owner(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = machine.root / "list"
    path.write_text("x@e.test\n")
    os.chown(path, 4242, -1)
    assert machine.deliver("a@d.test", aliases={"a": f":include:{path}"}) == [
        ("a@d.test", "4.3.5", "mail system configuration error")
    ]
    assert machine.store.lines == [
        "warning: cannot find username for uid 4242", f"warning: {path}: cannot find :include: file owner username",
    ]  # fmt: skip


@pytest.mark.parametrize("domain", ["d.test", "D.Test"])
def test_a_command_knows_the_domain_in_lower_case(machine: Machine, domain: str) -> None:
    machine.deliver(f"{ME}@{domain}", more=f"mailbox_command = echo $DOMAIN >{machine.root}/out/domain")
    assert (machine.root / "out/domain").read_text() == "d.test\n"


def test_a_user_without_shell_has_the_usual_one() -> None:
    assert rights_of(pwd.struct_passwd(("u", "x", 5, 6, "", "/home/u", ""))).shell == "/bin/sh"


def test_an_empty_dotforward_forwards_nothing(machine: Machine) -> None:
    machine.forward(f"{ME}.forward", "# nothing\n")
    assert [reason for _, _, reason in machine.deliver(f"{ME}@d.test")] == ["delivered to mailbox"]


@pytest.mark.parametrize(
    ("mode", "uid", "warning"),
    [
        (0o666, USER.pw_uid, "is world writable"),
        pytest.param(
            0o644, 1, "has bad owner uid 1", marks=pytest.mark.skipif(not ROOT, reason="needs root: to give it away")
        ),
    ],
)
def test_a_dotforward_that_others_could_have_written_is_ignored(machine: Machine, mode, uid, warning) -> None:
    path = machine.forward(f"{ME}.forward", "x@e.test\n", mode, uid)
    assert [reason for _, _, reason in machine.deliver(f"{ME}@d.test")] == ["delivered to mailbox"]
    assert machine.store.lines == [f"warning: file {path} {warning}"]
    assert machine.posted == []


@pytest.mark.skipif(not ROOT, reason="needs root: to be kept from reading")
def test_an_include_in_a_dotforward_is_read_as_the_user(machine: Machine) -> None:
    secret = machine.root / "secret"
    secret.write_text("x@e.test\n")
    secret.chmod(0o600)
    machine.forward(f"{ME}.forward", f":include:{secret}\n")
    assert [status for _, status, _ in machine.deliver(f"{ME}@d.test")] == ["5.3.5"]
    assert machine.store.lines == [f"warning: cannot open include file {secret}: Permission denied"]


@pytest.mark.skipif(not ROOT, reason="needs root: to be kept from writing")
def test_a_link_from_a_mailbox_to_anothers_file_is_not_followed(machine: Machine) -> None:
    victim = machine.root / "victim"
    victim.write_text("")
    victim.chmod(0o666)
    (machine.root / "spool" / ME).symlink_to(victim)
    assert machine.deliver(f"{ME}@d.test") == [
        (f"{ME}@d.test", "5.2.0",
         f"cannot update mailbox {machine.root}/spool/{ME} for user {ME}. file is a symbolic link")
    ]  # fmt: skip
    assert victim.read_text() == ""


def test_a_second_name_of_a_file_is_not_written_to(machine: Machine) -> None:
    path = machine.root / "out/file"
    path.write_text("")
    path.chmod(0o666)
    (machine.root / "out/other").hardlink_to(path)
    ((_, status, reason),) = machine.deliver("a@d.test", aliases={"a": str(path)})
    assert (status, reason) == ("5.2.0", f"cannot append message to file {path}: file has 2 hard links")


def test_mail_that_was_here_before_is_a_loop(machine: Machine) -> None:
    content = [b"Delivered-To: %b@D.test" % ME.encode(), b"", b"x"]
    assert machine.deliver(f"{ME}@d.test", content=content) == [
        (f"{ME}@d.test", "5.4.6", f"mail forwarding loop for {ME}@d.test")
    ]


def test_postmaster_without_alias_is_discarded_with_a_warning(machine: Machine) -> None:
    assert machine.deliver("Postmaster@d.test") == [("Postmaster@d.test", "2.0.0", "discarded")]
    assert machine.store.lines == ["warning: required alias not found: postmaster"]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("NoOne+Ext", ["noone+ext", "noone"]),
        ("a+b+c", ["a+b+c", "a"]),
        ("+x", ["+x"]),
        ("q uo+te", ["q uo+te", "q uo"]),
        ("owner-al", ["owner-al"]),
        ("al+x", ["al+x", "al", "owner-al"]),
        ("al+x/y", ["al+x/y", "al", "owner-al"]),
        ("foo+Bar", ["foo+bar", "owner-foo+bar"]),
    ],
)
def test_aliases_are_looked_up_as_3_11_does(machine: Machine, name: str, keys: list[str]) -> None:
    machine.deliver(f"{name}@d.test", more="alias_maps = debug:inline:{al=x@e.test, foo+bar=y@e.test}")
    assert [line.split('"')[1] for line in machine.store.lines if " lookup: " in line] == keys


def test_a_table_that_can_not_answer_defers(machine: Machine) -> None:
    ((_, status, reason),) = machine.deliver(f"{ME}@d.test", more="alias_maps = fail:x")
    assert (status, reason) == ("4.3.0", "alias database unavailable")


@pytest.mark.parametrize("call", ["stat", "open"])
@pytest.mark.parametrize(
    ("number", "status"), [(errno.EMFILE, "4.3.5"), (errno.ESTALE, "4.3.5"), (errno.EACCES, "5.3.5")]
)
def test_a_list_that_can_not_be_read_now_waits(
    machine: Machine, monkeypatch, call: str, number: int, status: str
) -> None:
    path = machine.root / "list"
    path.write_text("a@elsewhere.test\n")
    real = getattr(os, call)

    def away(name, *more, **others):
        if name == str(path):
            raise OSError(number, os.strerror(number))
        return real(name, *more, **others)

    monkeypatch.setattr(os, call, away)
    found = machine.deliver("all@d.test", aliases={"all": f":include:{path}"})
    assert [one[1] for one in found] == [status]


@pytest.mark.parametrize("address", ["someone@d.test", "\\someone@d.test"])
def test_a_user_who_can_not_be_looked_up_waits(machine: Machine, monkeypatch, address: str) -> None:
    """As when the process has no descriptors left, or a directory service is away."""

    def away(_: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("pyfix.unix.passwd.find_user", away)
    with pytest.raises(Retry, match="user lookup error"):
        machine.deliver(address)
    assert machine.store.lines == ["warning: error looking up passwd info for someone: Too many open files"]


def test_no_part_of_an_address_gets_into_a_command_by_a_pattern_table(machine: Machine) -> None:
    table = machine.root / "aliases.re"
    table.write_text('/^(.*)$/ "|echo $1"\n')
    ((_, status, reason),) = machine.deliver("x;id@d.test", more=f"alias_maps = unionmap:{{regexp:{table}}}")
    assert (status, reason) == ("5.1.1", 'unknown user: "x;id"')
    assert any("substitution is not allowed" in line for line in machine.store.lines)


def test_an_ordinary_user_delivers_to_himself_only(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    if ROOT:
        for name in ("getuid", "geteuid"):
            monkeypatch.setattr(os, name, lambda: 65534)
    ((_, status, reason),) = machine.deliver("daemon@d.test")
    assert (status, reason) == ("4.3.0", "cannot deliver to another user without root privileges")
