"""Servers that want to know who we are, met by real Postfix and by our client: same outcome, words, commands."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator

import pytest

from tests.delivery.smtp import beside
from tests.delivery.smtp.beside import Case, Real
from tests.delivery.smtp.broken import HANG_UP, STALL

ON = "smtp_sasl_auth_enable = yes\n"
PASSWORD = f"{ON}smtp_sasl_password_maps = static:user:secret\n"


def weak(table: str) -> str:
    """Any mechanism will do, but for ANONYMOUS."""
    return f"{ON}smtp_sasl_password_maps = {table}\nsmtp_sasl_security_options = noanonymous\n"


WEAK = weak("static:user:secret")
ANY = f"{PASSWORD}smtp_sasl_security_options =\n"


def ehlo(*lines: str) -> str:
    """The answer to EHLO, with these keywords."""
    return "\r\n".join(["250-broken.test", *[f"250-{line}" for line in lines], "250 8BITMIME"])


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


OK = "235 2.7.0 in"
CHANCE = r'(?<=cnonce=")[^"]*|(?<=response=)\w+|(?<=,r=)[\w+/]+|(?<=,p=).*'
GOOD = {"EHLO": ehlo("AUTH PLAIN LOGIN CRAM-MD5"), "AUTH": OK}
USERNAME, PASSWORD_PROMPT = f"334 {b64('Username:')}", f"334 {b64('Password:')}"
CHALLENGE = f"334 {b64('<1.2@broken.test>')}"


def login(last: str) -> dict:
    return {"EHLO": ehlo("AUTH LOGIN"), "AUTH": [USERNAME, PASSWORD_PROMPT, last]}


def plain(*answers) -> dict:
    return {"EHLO": ehlo("AUTH PLAIN"), "AUTH": list(answers)}


def cram(*answers) -> dict:
    return {"EHLO": ehlo("AUTH CRAM-MD5"), "AUTH": list(answers)}


def offer(*lines: str) -> dict:
    return {"EHLO": ehlo(*lines), "AUTH": [OK]}


def digest(challenge: str, *answers) -> dict:
    return {"EHLO": ehlo("AUTH DIGEST-MD5"), "AUTH": [f"334 {b64(challenge)}", *answers, OK]}


def rspauth(commands: list[str]) -> str:
    """What a server that knows the password answers."""
    said = base64.b64decode(commands[-1]).decode()
    own = re.findall(r'cnonce="(.*?)"', said)[0]
    secret = hashlib.md5(b"user:broken.test:secret").digest()
    session = hashlib.md5(secret + f":N1:{own}".encode()).hexdigest()
    uri = hashlib.md5(b":smtp/127.0.0.1").hexdigest()
    proof = hashlib.md5(f"{session}:N1:00000001:{own}:auth:{uri}".encode()).hexdigest()
    return f"334 {b64(f'rspauth={proof}')}"


def scram(*answers, name: str = "SCRAM-SHA-256") -> dict:
    return {"EHLO": ehlo(f"AUTH {name}"), "AUTH": [*answers, OK]}


def server_first(commands: list[str]) -> str:
    nonce = base64.b64decode(commands[-1].split()[-1]).decode().split(",r=")[1]
    return f"334 {b64(f'r={nonce}SERVER,s=c2FsdA==,i=4096')}"


def server_final(commands: list[str]) -> str:
    first = base64.b64decode(commands[-2].split()[-1]).decode()
    nonce = first.split(",r=")[1]
    bare = first.replace("n,,", "", 1)
    signed = f"{bare},r={nonce}SERVER,s=c2FsdA==,i=4096,c=biws,r={nonce}SERVER"
    salted = hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 4096)
    key = hmac.digest(salted, b"Server Key", "sha256")
    proof = base64.b64encode(hmac.digest(key, signed.encode(), "sha256")).decode()
    return f"334 {b64(f'v={proof}')}"


CHALLENGE_MD5 = 'realm="broken.test",nonce="N1",qop="auth",algorithm=md5-sess,charset=utf-8'
PROVING = {
    "digest-md5": (PASSWORD, digest(CHALLENGE_MD5, rspauth)),
    "digest-md5, authzid": (f"{PASSWORD}send_cyrus_sasl_authzid = yes", digest(CHALLENGE_MD5, rspauth)),
    "digest-md5, no realm": (PASSWORD, digest('nonce="N1",algorithm=md5-sess')),
    "digest-md5, two realms": (PASSWORD, digest('realm="a",realm="b",nonce="N1",algorithm=md5-sess')),
    "digest-md5, 8bit": (weak("static:usér:sécret"), digest(CHALLENGE_MD5)),
    "digest-md5, wide": (weak("static:usér:łodz"), digest(CHALLENGE_MD5)),
    "digest-md5, no proof": (PASSWORD, digest(CHALLENGE_MD5)),
    "digest-md5, bad proof": (PASSWORD, digest(CHALLENGE_MD5, f"334 {b64('rspauth=0123')}")),
    "digest-md5, empty proof": (PASSWORD, digest(CHALLENGE_MD5, "334 ")),
    "digest-md5, other proof": (PASSWORD, digest(CHALLENGE_MD5, f"334 {b64('hello')}")),
    "digest-md5, no challenge": (PASSWORD, digest("")),
    "digest-md5, bad challenge": (PASSWORD, digest("hello")),
    "digest-md5, no algorithm": (PASSWORD, digest('nonce="N1"')),
    "digest-md5, integrity only": (PASSWORD, digest('nonce="N1",algorithm=md5-sess,qop="auth-int"')),
    "digest-md5, empty name": (weak("static::secret"), digest(CHALLENGE_MD5)),
    "scram": (PASSWORD, scram(server_first, server_final)),
    "scram sha-1": (PASSWORD, scram(server_first, name="SCRAM-SHA-1")),
    "scram sha-512": (PASSWORD, scram(server_first, name="PLAIN SCRAM-SHA-1 SCRAM-SHA-512")),
    "scram, authzid": (f"{PASSWORD}send_cyrus_sasl_authzid = yes", scram(server_first)),
    "scram, odd name": (weak("static:a=b:x"), scram(server_first)),
    "scram, no proof": (PASSWORD, scram(server_first)),
    "scram, bad proof": (PASSWORD, scram(server_first, f"334 {b64('v=AAAA')}")),
    "scram, complaint": (PASSWORD, scram(server_first, f"334 {b64('e=invalid-proof')}")),
    "scram, empty": (PASSWORD, scram("334 ")),
    "scram, garbage": (PASSWORD, scram(f"334 {b64('hello')}")),
    "scram, its own nonce": (PASSWORD, scram(f"334 {b64('r=N,s=QUJD,i=4096')}")),
    "scram, empty name": (weak("static::secret"), scram(server_first)),
    "scram, the best": (WEAK, scram(server_first, name="DIGEST-MD5 CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN")),
}
CASES = {
    **PROVING,
    # What is offered.
    "plain": (WEAK, plain(OK)),
    "login": (WEAK, login(OK)),
    "cram-md5": (PASSWORD, cram(CHALLENGE, OK)),
    "the best of many": (WEAK, {"EHLO": ehlo("AUTH ANONYMOUS LOGIN PLAIN CRAM-MD5 XYZZY"), "AUTH": [CHALLENGE, OK]}),
    "anonymous": (ANY, offer("AUTH ANONYMOUS")),
    "anonymous last": (ANY, {"EHLO": ehlo("AUTH ANONYMOUS LOGIN"), "AUTH": [USERNAME, PASSWORD_PROMPT, OK]}),
    "external": (ANY, offer("AUTH EXTERNAL")),
    "external and plain": (ANY, offer("AUTH EXTERNAL PLAIN")),
    "external filtered": (f"{ANY}smtp_sasl_mechanism_filter = !external, static:rest", offer("AUTH EXTERNAL PLAIN")),
    "not offered": (WEAK, {}),
    "old form": (WEAK, offer("AUTH=PLAIN LOGIN")),
    "both forms": (WEAK, offer("AUTH LOGIN", "AUTH=PLAIN")),
    "several lines": (WEAK, offer("AUTH LOGIN", "AUTH PLAIN", "AUTH XYZZY")),
    "the same twice": (WEAK, offer("AUTH PLAIN", "AUTH=PLAIN")),
    "many blanks": (WEAK, offer("AUTH   PLAIN\t LOGIN  ")),
    "commas": (WEAK, offer("AUTH PLAIN,LOGIN")),
    "small letters": (WEAK, offer("auth plain login")),
    "nothing offered": (WEAK, offer("AUTH")),
    "nothing offered, old form": (WEAK, offer("AUTH=")),
    "AUTHX": (WEAK, offer("AUTHX PLAIN")),
    "equals and blank": (WEAK, offer("AUTH = PLAIN")),
    "two equals": (WEAK, offer("AUTH==PLAIN")),
    "unknown only": (WEAK, offer("AUTH XYZZY")),
    "plus only": (WEAK, offer("AUTH SCRAM-SHA-256-PLUS")),
    "plus and plain": (WEAK, offer("AUTH SCRAM-SHA-256-PLUS PLAIN")),
    "discarded": (f"{WEAK}smtp_discard_ehlo_keywords = auth", offer("AUTH PLAIN")),
    "HELO only": (WEAK, {"EHLO": "502 5.5.1 no"}),
    "other punctuation": (WEAK, offer("AUTH PLAIN/LOGIN;XYZZY")),
    "old form, the second one": (WEAK, {"EHLO": ehlo("AUTH=LOGIN PLAIN"), "AUTH": [OK]}),
    "old form, blank": (f"{WEAK}smtp_sasl_mechanism_filter = gssapi", offer("AUTH= PLAIN  LOGIN")),
    "blank and equals": (f"{WEAK}smtp_sasl_mechanism_filter = gssapi", offer("AUTH =PLAIN  LOGIN")),
    "equals twice, filtered": (f"{WEAK}smtp_sasl_mechanism_filter = gssapi", offer("AUTH==PLAIN\tLOGIN ")),
    "commas, filtered": (f"{WEAK}smtp_sasl_mechanism_filter = plain", offer("AUTH PLAIN,LOGIN")),
    "equals, filtered": (f"{WEAK}smtp_sasl_mechanism_filter = plain", offer("AUTH==PLAIN=LOGIN")),
    "a blank after AUTH": (WEAK, offer("AUTH ")),
    "nothing, then something": (WEAK, offer("AUTH", "AUTH PLAIN")),
    "something, then nothing": (WEAK, offer("AUTH PLAIN", "AUTH")),
    "nothing twice": (WEAK, offer("AUTH", "AUTH=")),
    "in the first line": (WEAK, {"EHLO": "250-AUTH PLAIN\r\n250 8BITMIME", "AUTH": [OK]}),
    # What is allowed.
    "noplaintext": (PASSWORD, offer("AUTH PLAIN LOGIN")),
    "noplaintext and anonymous": (PASSWORD, offer("AUTH PLAIN LOGIN ANONYMOUS")),
    "noactive": (f"{PASSWORD}smtp_sasl_security_options = noactive", offer("AUTH PLAIN CRAM-MD5")),
    "nodictionary": (f"{PASSWORD}smtp_sasl_security_options = nodictionary", offer("AUTH PLAIN CRAM-MD5")),
    "mutual_auth": (f"{PASSWORD}smtp_sasl_security_options = mutual_auth", offer("AUTH PLAIN CRAM-MD5")),
    "forward_secrecy": (f"{PASSWORD}smtp_sasl_security_options = forward_secrecy", offer("AUTH PLAIN CRAM-MD5")),
    "filter": (f"{WEAK}smtp_sasl_mechanism_filter = plain", offer("AUTH LOGIN CRAM-MD5 PLAIN")),
    "filter: login": (
        f"{WEAK}smtp_sasl_mechanism_filter = LOGIN",
        {"EHLO": ehlo("AUTH PLAIN LOGIN"), "AUTH": [USERNAME, PASSWORD_PROMPT, OK]},
    ),
    "filter: none is left": (f"{WEAK}smtp_sasl_mechanism_filter = gssapi", offer("AUTH PLAIN LOGIN")),
    "filter: none is left, twice": (f"{WEAK}smtp_sasl_mechanism_filter = gssapi", offer("AUTH PLAIN", "AUTH=LOGIN")),
    "filter: not": (f"{WEAK}smtp_sasl_mechanism_filter = !cram-md5, !login, static:rest",
                    offer("AUTH LOGIN CRAM-MD5 PLAIN")),
    "filter: table": (f"{WEAK}smtp_sasl_mechanism_filter = inline:{{plain=x}}", offer("AUTH CRAM-MD5 PLAIN")),
    # The names and passwords.
    "no password": (f"{ON}smtp_sasl_password_maps = inline:{{nobody=x:y}}", offer("AUTH PLAIN")),
    "no password, nothing offered": (f"{ON}smtp_sasl_password_maps = inline:{{nobody=x:y}}", {}),
    "no colon": (weak("static:user"), offer("AUTH PLAIN")),
    "empty password": (weak("static:user:"), offer("AUTH PLAIN")),
    "empty name": (weak("static::secret"), offer("AUTH PLAIN")),
    "only a colon": (weak("static::"), offer("AUTH PLAIN")),
    "two colons": (weak("static:user:sec:ret"), offer("AUTH PLAIN")),
    "blanks": (weak("inline:{ {127.0.0.1 = us er : sec ret } }"), offer("AUTH PLAIN")),
    "8bit": (weak("static:usér:sécret"), offer("AUTH PLAIN")),
    "8bit, login": (weak("static:usér:sécret"), login(OK)),
    "8bit, cram-md5": (weak("static:usér:sécret"), cram(CHALLENGE, OK)),
    "long, asked for": (weak(f"static:user:{'x' * 600}"), plain("334 ", OK)),
    "long, asked for in words": (weak(f"static:user:{'x' * 600}"), plain(USERNAME, OK)),
    "long, asked for twice": (weak(f"static:user:{'x' * 600}"), plain("334 ", "334 ", OK)),
    "long, refused": (weak(f"static:user:{'x' * 600}"), plain("501 5.5.4 no")),
    "long, not base64": (weak(f"static:user:{'x' * 600}"), plain("334 !", OK)),
    **{f"{n} letters": (weak(f"static:user:{'x' * n}"), plain("334 ", OK)) for n in (363, 364, 366, 367, 369, 370)},
    "long": (weak(f"static:user:{'x' * 600}"), offer("AUTH PLAIN")),
    "long, cram-md5": (weak(f"static:user:{'x' * 600}"), cram(CHALLENGE, OK)),
    "empty password, login": (weak("static:user:"), login(OK)),
    "empty name, login": (weak("static::secret"), login(OK)),
    "empty password, cram-md5": (weak("static:user:"), cram(CHALLENGE, OK)),
    "empty name, cram-md5": (weak("static::secret"), cram(CHALLENGE, OK)),
    "empty name, anonymous": (ANY.replace("user", ""), offer("AUTH ANONYMOUS")),
    "authzid": (f"{WEAK}send_cyrus_sasl_authzid = yes", offer("AUTH PLAIN")),
    "authzid, login": (f"{WEAK}send_cyrus_sasl_authzid = yes", login(OK)),
    "authzid, cram-md5": (f"{WEAK}send_cyrus_sasl_authzid = yes", cram(CHALLENGE, OK)),
    "table fails": (weak("fail:1"), offer("AUTH PLAIN")),
    "table fails, not offered": (weak("fail:1"), {}),
    "table fails, nothing offered": (weak("fail:1"), offer("AUTH")),
    "not enabled": ("smtp_sasl_password_maps = static:user:secret", offer("AUTH PLAIN")),
    # What is answered.
    "refused 535": (WEAK, plain("535 5.7.8 bad password")),
    "refused 534": (WEAK, plain("534 5.7.9 too weak")),
    "refused 454": (WEAK, plain("454 4.7.0 not now")),
    "refused 421": (WEAK, plain("421 4.7.0 bye")),
    "refused 500": (WEAK, plain("500 5.5.2 what")),
    "refused 503": (WEAK, plain("503 5.5.1 not now")),
    "refused without status": (WEAK, plain("535 no")),
    "refused with an odd status": (WEAK, plain("535 4.7.8 no")),
    "refused in lines": (WEAK, plain("535-5.7.8 bad\r\n535 5.7.8 password")),
    "refused hard": (f"{WEAK}smtp_sasl_auth_soft_bounce = no", plain("535 5.7.8 bad password")),
    "refused hard 454": (f"{WEAK}smtp_sasl_auth_soft_bounce = no", plain("454 4.7.0 not now")),
    "refused hard 500": (f"{WEAK}smtp_sasl_auth_soft_bounce = no", plain("500 5.5.2 what")),
    "refused hard, no status": (f"{WEAK}smtp_sasl_auth_soft_bounce = no", plain("535 no")),
    "refused hard, odd status": (f"{WEAK}smtp_sasl_auth_soft_bounce = no", plain("535 4.7.8 no")),
    "accepted with 250": (WEAK, plain("250 fine")),
    "accepted with 354": (WEAK, plain("354 go on", OK)),
    "100": (WEAK, plain("100 wait")),
    "600": (WEAK, plain("600 what")),
    "garbage before": (WEAK, plain("hello\r\n235 in")),
    "hang up": (WEAK, plain(HANG_UP)),
    "stall": (WEAK, plain(STALL)),
    "hang up in the dialog": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": [USERNAME, HANG_UP]}),
    "refused in the dialog": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": [USERNAME, "535 5.7.8 no user"]}),
    "refused at its end": (WEAK, login("535 5.7.8 bad password")),
    "login, other prompts": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": [f"334 {b64('a')}", f"334 {b64('b')}", OK]}),
    "login, empty prompts": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": ["334 ", "334", OK]}),
    "login, one prompt": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": [USERNAME, OK]}),
    "login, no prompt": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": [OK]}),
    "login, three prompts": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": [USERNAME, PASSWORD_PROMPT, USERNAME, OK]}),
    "plain, prompt": (WEAK, plain("334 ", OK)),
    "plain, prompt with text": (WEAK, plain(USERNAME, OK)),
    "not base64": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": ["334 !!!", OK]}),
    "half base64": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": ["334 QQ", OK]}),
    "base64 with text behind": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": ["334 QQ== x", OK]}),
    "prompt of many lines": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": ["334-QQ==\r\n334 QQ==", OK]}),
    "prompt with a hyphen": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": ["334  - QQ==", OK]}),
    "prompt with a status": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": ["334 3.0.0 QQ==", OK]}),
    "endless": (WEAK, {"EHLO": ehlo("AUTH LOGIN"), "AUTH": [USERNAME]}),
    "cram-md5, no challenge": (PASSWORD, cram(OK)),
    "cram-md5, empty challenge": (PASSWORD, cram("334 ", OK)),
    "cram-md5, odd challenge": (PASSWORD, cram(f"334 {b64('x')}", OK)),
    "cram-md5, long challenge": (PASSWORD, cram(f"334 {b64('x' * 1000)}", OK)),
    "cram-md5, two challenges": (PASSWORD, cram(CHALLENGE, CHALLENGE, OK)),
    "anonymous, prompt": (ANY, {"EHLO": ehlo("AUTH ANONYMOUS"), "AUTH": ["334 ", OK]}),
    # MAIL.
    "AUTH=<>": (f"{WEAK}smtp_send_dummy_mail_auth = yes", offer("AUTH PLAIN", "SIZE 10000", "DSN")),
    "AUTH=<>, not offered": (f"{WEAK}smtp_send_dummy_mail_auth = yes", {}),
    "AUTH=<>, no password": (
        f"{ON}smtp_sasl_password_maps = inline:{{nobody=x:y}}\nsmtp_send_dummy_mail_auth = yes", offer("AUTH PLAIN"),
    ),
    "AUTH=<>, not enabled": ("smtp_send_dummy_mail_auth = yes", offer("AUTH PLAIN")),
    "refused later": (WEAK, {**offer("AUTH PLAIN"), "MAIL": "530 5.7.0 Authentication required"}),
}  # fmt: skip
LMTP_CASES = {
    "LMTP": (WEAK, {"LHLO": ehlo("AUTH PLAIN"), "AUTH": [OK]}),
    "LMTP, refused": (WEAK, {"LHLO": ehlo("AUTH PLAIN"), "AUTH": "535 5.7.8 bad password"}),
    "LMTP, not offered": (WEAK, {}),
    "LMTP, filter": (f"{WEAK}smtp_sasl_mechanism_filter = gssapi", {"LHLO": ehlo("AUTH PLAIN")}),
}
ALL = {case: Case(answers, settings=settings) for case, (settings, answers) in CASES.items()} | {
    case: Case(answers, program="lmtp", settings=settings.replace("smtp_", "lmtp_"))
    for case, (settings, answers) in LMTP_CASES.items()
}


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    yield from beside.real(ALL)


def comparable(line: str) -> str:
    """A line without what is chance in it; real Postfix shows our own response where it should show the server's."""
    line = re.sub(r"(non-empty initial \w+ challenge from server [^:]*: ).*", r"\1", line)
    words, _, last = line.rpartition(" ")
    try:
        said = base64.b64decode(last, validate=True).decode()
    except ValueError:
        return line
    return f"{words} {re.sub(CHANCE, '...', said)}"


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.replace(" ", "-"))
def test_it_does_and_says_what_postfix_does_and_says(case: str, client, store, real) -> None:
    beside.compare(case, ALL[case], client, store, real, comparable)
    logged = "\n".join(store.lines).replace("knows shared secret", "")
    assert not [word for word in ("secret", "xxx", "c2VjcmV0", "AHVz") if word in logged]
