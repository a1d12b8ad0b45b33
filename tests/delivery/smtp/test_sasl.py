"""Logging in: what nobody gets to read, logins that failed, settings that can't be."""

import asyncio
import re

import pytest

from pyfix.delivery.smtp.sasl import Password
from pyfix.delivery.smtp.sasl_auth_cache import Failure, SaslAuthCache
from pyfix.maps.maps import Maps
from pyfix.maps.table import TableError
from pyfix.sasl.login import Login
from pyfix.unix import msg
from tests.delivery.smtp.broken import DEFAULTS, Broken
from tests.delivery.smtp.test_sasl_like_postfix import CHALLENGE, OK, PASSWORD_PROMPT, USERNAME, b64, ehlo, weak

SECRET = "Correct-Horse"
TABLE = weak(f"inline:{{127.0.0.1=user:{SECRET}}}")
ECHO = {"PLAIN": b64(f"\0user\0{SECRET}"), "LOGIN": b64(SECRET)}
DIALOGS = {
    "plain": ("PLAIN", [OK]),
    "login": ("LOGIN", [USERNAME, PASSWORD_PROMPT, OK]),
    "cram-md5": ("CRAM-MD5", [CHALLENGE, OK]),
    "plain, echoed": ("PLAIN", [f"500 5.5.2 what is AUTH PLAIN {ECHO['PLAIN']}?"]),
    "plain, echoed in lines": ("PLAIN", [f"500-5.5.2 what is\r\n500 5.5.2 {ECHO['PLAIN']}?"]),
    "plain, echoed as garbage": ("PLAIN", [f"{ECHO['PLAIN']}\r\n535 5.7.8 no"]),
    "plain, echoed at length": ("PLAIN", [f"535 {ECHO['PLAIN']}{'x' * 3000}"]),
    "login, echoed": ("LOGIN", [USERNAME, PASSWORD_PROMPT, f"535 5.7.8 {ECHO['LOGIN']} is wrong"]),
    "password echoed": ("PLAIN", [f"535 5.7.8 {SECRET} is wrong"]),
    "echoed in a challenge": ("LOGIN", [USERNAME, f"334 {ECHO['LOGIN']}", f"334 {ECHO['LOGIN']}", OK]),
}


def is_shown(text: str) -> bool:
    """Whether any form of the password is there, or most of it."""
    return any(word[:8] in text for word in (SECRET, b64(f"\0user\0{SECRET}")[8:], b64(SECRET)))


@pytest.fixture
def verbose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msg, "verbose", 2)


@pytest.mark.usefixtures("verbose")
@pytest.mark.parametrize("pipelining", ["PIPELINING", "X-NONE"])
@pytest.mark.parametrize("case", DIALOGS, ids=lambda case: case.replace(" ", "-"))
def test_passwords_are_in_no_log_line(client, store, logs, case: str, pipelining: str) -> None:
    mechanism, answers = DIALOGS[case]
    with Broken({"EHLO": ehlo(pipelining, f"AUTH {mechanism}"), "AUTH": answers}) as server:
        client.deliver(store.put("a@d.test"), f"[127.0.0.1]:{server.port}", main_cf=TABLE)
    assert any(is_shown(line) for line in server.sessions[0]) or mechanism == "CRAM-MD5"
    assert [line for line in store.lines if is_shown(line)] == []
    assert not is_shown(str(logs.entries))
    said = [line for line in store.lines if re.match(r"> 127.*: AUTH ", line)]
    assert said == [f"> 127.0.0.1[127.0.0.1]:{server.port}: AUTH {mechanism}{' (hidden)' * (mechanism == 'PLAIN')}"]
    assert "maps_find: smtp_sasl_password_maps: inline:(hidden): 127.0.0.1 = (hidden)" in store.lines


@pytest.mark.usefixtures("verbose")
def test_what_comes_after_is_shown(client, store) -> None:
    with Broken({"EHLO": ehlo("AUTH PLAIN"), "AUTH": OK}) as server:
        queue_id = store.put(f"{SECRET}@d.test")
        client.deliver(queue_id, f"[127.0.0.1]:{server.port}", main_cf=TABLE)
    assert f"> 127.0.0.1[127.0.0.1]:{server.port}: RCPT TO:<{SECRET}@d.test>" in store.lines


def test_passwords_are_in_no_exception_and_no_value(store) -> None:
    assert SECRET not in repr(Password("user", SECRET)) + str(Password("user", SECRET))
    assert SECRET not in repr(Login(b"user", SECRET.encode(), "smtp", "mx.test"))
    maps = Maps(f"static:user:{SECRET}\udcff", name="smtp_sasl_password_maps", secret=True)
    with pytest.raises(TableError):
        asyncio.run(maps.find("k"))
    assert [line for line in store.lines if "non-UTF-8" in line]
    assert not [line for line in store.lines if 'value "' in line and SECRET in line.partition("value")[2]]


class Table:
    """A cache. broken: it can't answer."""

    def __init__(self, **entries: str) -> None:
        self.entries = entries
        self.broken = False

    def _look(self) -> None:
        if self.broken:
            raise TableError("proxy:lmdb:c", "")

    async def lookup(self, key: str) -> str | None:
        self._look()
        return self.entries.get(key)

    async def put(self, key: str, value: str) -> None:
        self._look()
        self.entries[key] = value

    async def delete(self, key: str) -> bool:
        self._look()
        return self.entries.pop(key, None) is not None


NO = Failure("5.7.8", "535 5.7.8 no; never")
SHA1 = "5en6G6MezRroT3XKqkdPOmY/BfQ="


def cache(table: Table, now: float = 1000) -> SaslAuthCache:
    return SaslAuthCache(table, 10, "proxy:lmdb:c", lambda: now)


def test_a_login_that_failed_is_remembered_for_some_time() -> None:
    table = Table()
    asyncio.run(cache(table).store("mx.test", "user", b"secret", NO))
    assert table.entries == {"mx.test;user": f"1000;{SHA1};5.7.8;535 5.7.8 no; never"}
    assert asyncio.run(cache(table, 1010).find("mx.test", "user", b"secret")) == NO
    assert asyncio.run(cache(table).find("mx.test", "other", b"secret")) is None
    assert asyncio.run(cache(table, 1011).find("mx.test", "user", b"secret")) is None
    assert table.entries == {}


def test_another_password_is_tried() -> None:
    table = Table()
    asyncio.run(cache(table).store("mx.test", "user", b"secret", NO))
    assert asyncio.run(cache(table).find("mx.test", "user", b"other")) is None
    assert table.entries == {}


@pytest.mark.parametrize(
    "entry", ["", "x", f"x;{SHA1};5.7.8;no", f"1000;{SHA1};5.7.8;", f"1000;{SHA1};7.7.8;no", "1000;;5.7.8;no"]
)
def test_an_entry_that_is_none_is_removed(store, entry: str) -> None:
    table = Table(**{"mx.test;user": entry})
    assert asyncio.run(cache(table).find("mx.test", "user", b"secret")) is None
    assert table.entries == {}
    assert store.lines == [f"warning: bad smtp_sasl_auth_cache entry: {entry}"]


def test_a_cache_that_does_not_answer_is_done_without(store) -> None:
    table = Table()
    table.broken = True
    assert asyncio.run(cache(table).find("mx.test", "user", b"secret")) is None
    asyncio.run(cache(table).store("mx.test", "user", b"secret", NO))
    assert store.lines == ["warning: SASL auth failure map proxy:lmdb:c: lookup failed for mx.test;user"] * 2


WRONG = {
    "smtp_sasl_type = dovecot": [
        "warning: unsupported SASL client implementation: dovecot", "SASL library initialization",
    ],
    "smtp_sasl_security_options = NoPlaintext none": [
        'warning: unknown SASL security options value "NoPlaintext" in "NoPlaintext none"',
        "SASL per-connection initialization failed",
    ],
    "smtp_sasl_password_maps =": ["specify a password table via the `smtp_sasl_password_maps' configuration parameter"],
    "smtp_sasl_auth_cache_name = lmdb:c": ['SASL authentication cache name "lmdb:c" must start with "proxy:'],
    "smtp_sasl_auth_cache_name = proxy:lmdb:c, proxy:lmdb:d": [
        'SASL authentication cache name "proxy:lmdb:c, proxy:lmdb:d" contains multiple values'
    ],
}  # fmt: skip


@pytest.mark.parametrize("setting", WRONG)
def test_what_can_not_be_ends_the_program(client, store, setting: str) -> None:
    main_cf = "smtp_sasl_auth_enable = yes\n"
    if not setting.startswith("smtp_sasl_password"):
        main_cf += "smtp_sasl_password_maps = static:user:secret\n"
    with pytest.raises(msg.Fatal):
        client.deliver(store.put("a@d.test"), "[127.0.0.1]:1", main_cf=f"{main_cf}{setting}\n")
    said = [line.removeprefix("fatal: ") for line in store.lines]
    assert said == WRONG[setting]


def test_another_delimiter(client, store) -> None:
    settings = weak("static:us:er|sec|ret") + "smtp_sasl_password_result_delimiter = |\n"
    with Broken({"EHLO": ehlo("AUTH PLAIN"), "AUTH": OK}) as server:
        client.deliver(store.put("a@d.test"), f"[127.0.0.1]:{server.port}", main_cf=settings)
    assert server.sessions[0][1] == f"AUTH PLAIN {b64(chr(0) + 'us:er' + chr(0) + 'sec|ret')}"


def test_after_a_refusal_the_next_server_is_tried(client, store) -> None:
    with Broken({"EHLO": ehlo("AUTH PLAIN"), "AUTH": "535 5.7.8 no"}) as first, Broken() as second:
        queue_id = store.put("a@d.test")
        answer = client.deliver(queue_id, f"[127.0.0.1]:{first.port}, [127.0.0.1]:{second.port}", main_cf=TABLE)
    assert (answer.status, len(second.sessions)) == (0, 1)
    assert store.lines[0].startswith(f"{queue_id}: SASL authentication failed; server 127.0.0.1")


def test_a_refusal_is_told_to_the_queue_manager(client, store) -> None:
    with Broken({"EHLO": ehlo("AUTH PLAIN"), "AUTH": "535 5.7.8 no"}) as server:
        answer = client.deliver(store.put("a@d.test"), f"[127.0.0.1]:{server.port}", main_cf=TABLE)
    assert answer.site.status == "4.7.8"


def test_servers_that_know_us_already_are_not_told_again(client, store) -> None:
    assert "AUTH" not in DEFAULTS
    with Broken({"EHLO": ehlo("PIPELINING", "AUTH PLAIN"), "AUTH": OK}) as server:
        where = f"[127.0.0.1]:{server.port}"
        requests = [store.request(store.put(f"{n}@d.test"), where) for n in range(3)]
        settings = f"{TABLE}smtp_connection_cache_destinations = 127.0.0.1\n"
        client.deliver_all(requests, settings, "smtp", ())
    assert [line[:4] for session in server.sessions for line in session].count("AUTH") == 1
