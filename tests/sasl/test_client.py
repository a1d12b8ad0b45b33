"""Which mechanism is taken, and what each says."""

import hashlib
import socket
from base64 import b64encode

import pytest

from pyfix.sasl import client
from pyfix.sasl.digest_md5 import Answer, Challenge, digest_md5
from pyfix.sasl.login import Login, LoginError
from pyfix.sasl.scram import Scram

TIM = Login(b"tim", b"tanstaaftanstaaf", "smtp", "postoffice.reston.mci.net")
USER = Login(b"user", b"pencil", "smtp", "mx.test")
NONE = frozenset[str]()
EVERY = " ".join(client.MECHANISMS)


def test_the_password_is_not_shown() -> None:
    assert "pencil" not in repr(USER)


def test_they_are_taken_in_cyrus_order() -> None:
    left, taken = set(client.MECHANISMS), []
    while left:
        try:
            taken.append(client.begin(" ".join(left), USER, NONE).mechanism)
        except LoginError:
            taken.append("EXTERNAL")
        left.discard(taken[-1])
    assert taken[:12] == [
        "SCRAM-SHA-512", "SCRAM-SHA-384", "SCRAM-SHA-256", "SCRAM-SHA-224", "SCRAM-SHA-1", "DIGEST-MD5", "EXTERNAL",
        "CRAM-MD5", "PLAIN", "LOGIN", "ANONYMOUS", "OAUTHBEARER",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "offered", "taken"),
    [
        ("", "PLAIN LOGIN", "PLAIN"),
        ("noplaintext", "PLAIN LOGIN ANONYMOUS", "ANONYMOUS"),
        ("noplaintext, noanonymous", "PLAIN CRAM-MD5 ANONYMOUS", "CRAM-MD5"),
        ("noactive", "DIGEST-MD5 SCRAM-SHA-1", "SCRAM-SHA-1"),
        ("mutual_auth", "CRAM-MD5 DIGEST-MD5", "DIGEST-MD5"),
        ("", "plain,login;(cram-md5)", "CRAM-MD5"),
        ("", "SCRAM-SHA-256-PLUS XPLAIN LOGIN", "LOGIN"),
    ],
)
def test_the_best_allowed_one_is_taken(options: str, offered: str, taken: str) -> None:
    assert client.begin(offered, USER, client.properties(options)).mechanism == taken


@pytest.mark.parametrize(
    ("options", "offered"),
    [("forward_secrecy", EVERY), ("noplaintext noanonymous", "PLAIN LOGIN ANONYMOUS XOAUTH2"), ("", "GSSAPI NTLM")],
)
def test_there_may_be_none(options: str, offered: str) -> None:
    with pytest.raises(LoginError, match="no mechanism available") as caught:
        client.begin(offered, USER, client.properties(options))
    assert caught.value.log == "SASL authentication failure: No worthy mechs found"


def test_an_unknown_property_is_named() -> None:
    with pytest.raises(ValueError, match="NoPlaintext"):
        client.properties("noanonymous NoPlaintext")


def b64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


ONE_WORD = {
    "PLAIN": "\0user\0pencil",
    "ANONYMOUS": f"anonymous@{socket.gethostname()}",
    "XOAUTH2": "user=user\1auth=Bearer pencil\1\1",
    "OAUTHBEARER": "n,a=user,\1auth=Bearer pencil\1\1",
}


@pytest.mark.parametrize("name", ONE_WORD)
def test_some_say_all_at_once(name: str) -> None:
    assert client.begin(name, USER, NONE).first == b64(ONE_WORD[name])


def test_tokens_that_are_not_taken_end_with_an_answer_to_the_complaint() -> None:
    assert client.begin("XOAUTH2", USER, NONE).answer(b64('{"status":"401"}')) == ""
    assert client.begin("OAUTHBEARER", USER, NONE).answer(b64('{"status":"invalid"}')) == b64("\1")


def test_a_dialog_that_is_over_goes_no_further() -> None:
    exchange = client.begin("PLAIN", USER, NONE)
    with pytest.raises(LoginError, match="generic failure") as caught:
        exchange.answer("")
    assert caught.value.log == "SASL authentication problem: attempting client step after doneflag"


def test_cram_md5_of_its_document() -> None:
    exchange = client.begin("CRAM-MD5", TIM, NONE)
    assert exchange.first == ""
    challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
    assert exchange.answer(challenge) == "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", b""), ("QQ==", b"A"), ("QUI=", b"AB"), ("QUJD", b"ABC"), ("QR==", b"A"),
        ("QQ=", "another step is needed"), ("QUJDQ", "another step is needed"), ("!", "another step is needed"),
        ("====", "bad protocol"), ("Q===", "bad protocol"), ("QQ=A", "bad protocol"), ("QUI=QUI=", "bad protocol"),
        ("QUI==", "bad protocol"), ("QQQ!", "bad protocol"), ("QQ==\r", "bad protocol"),
    ],
)  # fmt: skip
def test_base64_is_read_strictly(text: str, found: bytes | str) -> None:
    if isinstance(found, bytes):
        assert client.decode(text) == found
    else:
        with pytest.raises(LoginError, match=found):
            client.decode(text)


def scram(name: str, hash_name: str, login: Login, nonce: bytes, *server: bytes) -> list[bytes]:
    dialog = Scram(name, hash_name).dialog(login, nonce)
    said = [next(dialog)]
    for words in server:
        try:
            said += [dialog.send(words)]
        except StopIteration as end:
            said += [end.value]
    return said


def test_scram_of_its_documents() -> None:
    first = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
    assert scram(
        "SCRAM-SHA-1", "sha1", USER, b"fyko+d2lbbFgONRv9qkxdawL", first, b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="
    ) == [
        b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"",
    ]
    first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert scram("SCRAM-SHA-256", "sha256", USER, b"rOprNGfwEbeRWgbNEkqO", first, final) == [
        b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        b"c=biws," + first.split(b",")[0] + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"",
    ]


def test_scram_hides_what_would_end_a_name() -> None:
    login = Login(b" a=b,c ", b"x", "smtp", "mx.test", as_self=True)
    assert scram("SCRAM-SHA-1", "sha1", login, b"N") == [b"n,a=a=3Db=2Cc,n=a=3Db=2Cc,r=N"]


GOOD = b"r=NX,s=QUJD,i=2"
SCRAM_TROUBLE = {
    "nothing": (b"", "X input expected"),
    "no message": (b"hello", "Invalid X input"),
    "an extension that must be known": (b"m=x," + GOOD, "Unsupported mandatory extension to X"),
    "no nonce": (b"s=QUJD,i=2", "Nonce (r=) expected in X input"),
    "no salt": (b"r=NX,i=2", "Salt expected after the nonce in X input"),
    "no count": (b"r=NX,s=QUJD", "iteration-count expected after the salt in X input"),
    "bad salt": (b"r=NX,s=!!!,i=2", "Invalid base64 encoding of the salt"),
    "empty salt": (b"r=NX,s=,i=2", "The salt can't be empty"),
    "a nonce of its own": (
        b"r=MX,s=QUJD,i=2", "The nonce received from the server doesn't start from the nonce sent by the client",
    ),
    "our nonce": (
        b"r=N,s=QUJD,i=2", "The nonce received from the server doesn't start from the nonce sent by the client",
    ),
    "bad count": (b"r=NX,s=QUJD,i=x", "Invalid iteration-count in X input"),
    "too much to do": (b"r=NX,s=QUJD,i=65537", "iteration-count is too big, refusing to compute"),
}  # fmt: skip


@pytest.mark.parametrize("case", SCRAM_TROUBLE, ids=lambda case: case.replace(" ", "-"))
def test_scram_does_not_go_on_with(case: str) -> None:
    text, complaint = SCRAM_TROUBLE[case]
    with pytest.raises(LoginError, match="bad protocol / cancel") as caught:
        scram("X", "sha1", USER, b"N", text)
    assert caught.value.log == f"SASL authentication failure: {complaint}"


@pytest.mark.parametrize(
    ("final", "complaint"),
    [
        (b"", "Invalid X input expected"),
        (b"e=invalid-proof", "ServerSignature expected in X input"),
        (b"v=AAAA", "Invalid server proof (truncated) in X input"),
        (b"v=!!!!", "Invalid base64 encoding of the server proof in X input"),
        (b"v=" + b64encode(bytes(20)), "Invalid server proof in X input"),
    ],
)
def test_scram_wants_the_server_to_know_the_password(final: bytes, complaint: str) -> None:
    with pytest.raises(LoginError, match="bad protocol / cancel") as caught:
        scram("X", "sha1", USER, b"N", GOOD, final)
    assert caught.value.log == f"SASL authentication failure: {complaint}"


DIGEST = b'realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8'


def test_digest_md5_of_its_document() -> None:
    chris = Login(b"chris", b"secret", "imap", "elwood.innosoft.com")
    answer = Answer(chris, Challenge(b"elwood.innosoft.com", b"OA6MG9tEQGm2hh", utf8=True), b"OA6MHXh6VqTrRk")
    assert answer.text == (
        b'username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",cnonce="OA6MHXh6VqTrRk",nc=00000001,'
        b'qop=auth,digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7'
    )
    assert answer.proof(b"") == b"ea40f60335c427b5527b84dbabcdfffd"


def test_digest_md5_hashes_latin_names_as_such() -> None:
    challenge = Challenge(b"r", b"N", utf8=True)
    login = Login("é".encode(), "ü".encode(), "smtp", "h")
    wide = Login("é".encode(), "ł".encode(), "smtp", "h")
    assert Answer(login, challenge, b"O").text.startswith('username="é",'.encode())
    for one, secret in (login, b"\xe9:r:\xfc"), (wide, b"\xe9:r:" + "ł".encode()):
        assert Answer(one, challenge, b"O").proof(b"") == _proof(hashlib.md5(secret).digest())


def _proof(secret: bytes) -> bytes:
    session = hashlib.md5(secret + b":N:O").hexdigest()
    uri = hashlib.md5(b":smtp/h").hexdigest()
    return hashlib.md5(f"{session}:N:00000001:O:auth:{uri}".encode()).hexdigest().encode()


@pytest.mark.parametrize(
    ("text", "realm", "nonce"),
    [
        (b'realm="r.test",nonce="N1",qop="auth"', "r.test", "N1"),
        (b'nonce="N1"', "mx.test", "N1"),
        (b'realm="a",realm="b",nonce="N1"', "mx.test", "N1"),
        (b'realm="",nonce="N1"', "", "N1"),
        (b'realm="r\\"x\\\\.test",nonce="N\\"1"', 'r\\"x\\\\.test', 'N\\"1'),
        (b'nonce=N1,realm=r.test,qop="auth-int, auth",foo=bar,baz="q,x",', "r.test", "N1"),
        (b' realm = "r.test" , nonce = "N1" ,,', "r.test", "N1"),
    ],
)
def test_digest_md5_reads_challenges(text: bytes, realm: str, nonce: str) -> None:
    dialog = digest_md5(USER)
    next(dialog)
    said = dialog.send(text + b",algorithm=md5-sess")
    assert said.startswith(f'username="user",realm="{realm}",nonce="{nonce}",cnonce="'.encode())


DIGEST_TROUBLE = {
    b"": "no server challenge",
    b"hello": "Parse error",
    b'realm="r.test",nonce="N1,qop=auth': "Parse error",
    b'nonce="N1"': "Must see 'algorithm' once. Didn't see at all",
    b'nonce="N1",algorithm=md5-sess,algorithm=md5-sess': "Must see 'algorithm' only once",
    b'nonce="N1",algorithm=md5': "'algorithm' isn't 'md5-sess'",
    b"algorithm=md5-sess": "Don't have nonce.",
    b'nonce="N1",algorithm=md5-sess,qop="auth-int"': "Server doesn't support \"no layer\"",
    b'nonce="N1",algorithm=md5-sess,charset=latin1': "Charset must be UTF-8",
    b'nonce="N1",algorithm=md5-sess,maxbuf=10': "Invalid maxbuf parameter received from server (too small: 10)",
}


@pytest.mark.parametrize("text", DIGEST_TROUBLE)
def test_digest_md5_does_not_go_on_with(text: bytes) -> None:
    dialog = digest_md5(USER)
    next(dialog)
    with pytest.raises(LoginError) as caught:
        dialog.send(text)
    assert caught.value.log == f"SASL authentication failure: {DIGEST_TROUBLE[text]}"


@pytest.mark.parametrize(
    ("final", "reason"),
    [
        (b"", "generic failure"),
        (b"x=y", "authentication failure"),
        (b"rspauth=00000000000000000000000000000000", "server failed mutual authentication step"),
    ],
)
def test_digest_md5_wants_the_server_to_know_the_password(final: bytes, reason: str) -> None:
    dialog = digest_md5(USER)
    next(dialog)
    dialog.send(DIGEST)
    with pytest.raises(LoginError, match=reason):
        dialog.send(final)
