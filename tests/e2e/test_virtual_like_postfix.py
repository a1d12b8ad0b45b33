"""Mailboxes of virtual domains: whose they are, where they are, and by which keys - real Postfix's and ours.

Compared is all that virtual(8) logs about each recipient. Not compared: numbers of owners that no 32 bits hold.
"""

import os
import re
import smtplib
import time
from pathlib import Path

import pytest

from tests.real_postfix import real_postfix, version

__all__ = ["real_postfix"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to become each recipient")

PATIENCE = 20.0
OWNER = 5000
NUMBERS = {
    "good": "5000", "least": "200", "less": "199", "zero": "0", "minus": "-1", "minus-big": "-5000", "plus": "+5000",
    "word": "abc", "ends-in-word": "5000x", "hex": "0x1388", "octal": "05000", "two": "5000 5001", "comma": "5000,1",
    "point": "5000.5",
    "quoted": '"5000"', "name": "games", "nothing-after": "5000 ", "one": "1", "sixteen": "65536",
}  # fmt: skip
BOXES = {
    "file": "f", "maildir": "d/", "below": "a/b/f", "below-dir": "a/b/d/", "absolute": "/abs", "up": "../up/f",
    "up-in": "isdir/../f2", "up-end": "isdir/..", "dots": "a..b", "up-dir": "isdir/../d3/", "dot-dot": "..x/f",
    "up-not": "a../f",
    "dot": ".",
    "slash": "/", "two-slashes": "d2//", "space": "a b", "is-dir": "isdir", "is-file/": "isfile/", "closed": "closed/f",
    "closed-dir": "closed/d/", "device": "null", "link": "link", "dangling": "dangling", "others": "others",
    "empty-dir": "isdir/",
    "dollar": "$user", "percent": "%u", "mixed": "MiXed", "utf8": "\u00e9",
}  # fmt: skip
MAIN_CF = """
recipient_delimiter = +
virtual_mailbox_domains = v.test w.test
virtual_mailbox_base = {top}/mail
virtual_mailbox_maps = texthash:{top}/boxes
virtual_uid_maps = texthash:{top}/uids
virtual_gid_maps = texthash:{top}/gids
virtual_minimum_uid = 200
smtpd_reject_unlisted_recipient = no
maximal_queue_lifetime = 1d
"""
RECIPIENTS = [
    *[f"uid-{name}@v.test" for name in NUMBERS], *[f"gid-{name}@v.test" for name in NUMBERS],
    *[f"box-{name}@v.test" for name in BOXES], "uid-none@v.test", "gid-none@v.test", "nobody@v.test",
    "User+Ext@V.test", "user+a+b@v.test", "+x@v.test", "only+Here@v.test", "any+x@w.test", "any@w.test",
    '"q q+e"@v.test',
    '"q..q"@w.test', "big@v.test", "big2@v.test",
]  # fmt: skip


STRICT = re.compile(r"box-(up.*|dot-dot)@|[ug]id-(ends-in-word|two|comma|point|hex)@")
"""What only Postfix 3.11 refuses."""


def prepare(top: Path) -> None:
    """The same tables and files for both."""
    boxes = {f"box-{name}": path for name, path in BOXES.items()}
    boxes |= {f"{kind}-{name}": "n/" for kind in ("uid", "gid") for name in [*NUMBERS, "none"]}
    owners = dict.fromkeys([*boxes, "user", "+x", "only+here", "big", "big2"], "5000")
    boxes |= {"user": "u/", "+x": "x/", "only+here": "o/", "big": "big", "big2": "big"}
    uids = owners | {f"uid-{name}": number for name, number in NUMBERS.items()}
    gids = owners | {f"gid-{name}": number for name, number in NUMBERS.items()}
    del uids["uid-none"], gids["gid-none"]
    for name, table in (("boxes", boxes), ("uids", uids), ("gids", gids)):
        lines = [f"{key}@v.test {value}\n" for key, value in table.items()]
        (top / name).write_text("".join([*lines, "@w.test 5000\n" if name != "boxes" else "@w.test w/\n"]))
        (top / name).chmod(0o644)
    mail = top / "mail"
    for path in (mail, mail / "isdir", mail / "a"):
        path.mkdir()
        os.chown(path, OWNER, OWNER)
    (mail / "closed").mkdir(mode=0o700)
    for name, owner in (("isfile", OWNER), ("others", OWNER + 1)):
        (mail / name).write_text("")
        os.chown(mail / name, owner, OWNER)
    (mail / "null").symlink_to("/dev/null")
    (mail / "link").symlink_to("linked")
    (mail / "linked").write_text("")
    os.chown(mail / "linked", OWNER, OWNER)
    (mail / "dangling").symlink_to("nowhere")


def deliver(mail, recipients: list[str], body: bytes) -> dict[str, list[str]]:
    """What virtual logs: by recipient, the warnings before it and the outcome."""
    with smtplib.SMTP("127.0.0.1", mail.port, timeout=PATIENCE) as client:
        for recipient in recipients:
            client.sendmail("s@sender.test", [recipient], body)
            end = time.monotonic() + PATIENCE
            while not re.search(rf"(?i)to=<{re.escape(recipient)}>", mail.log()):
                assert time.monotonic() < end, mail.log()
                time.sleep(0.01)
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in re.findall(r"postfix/virtual\[\d+\]: (.*)", mail.log()):
        done = re.search(r"to=<(.*?)>,.*?(dsn=.*)", line)
        lines.append(done[2] if done else line)
        if done:
            found[done[1].lower()] = lines
            lines = []
    return found


CASES = {
    "plain": ("", RECIPIENTS, 10),
    "limited": (
        "virtual_mailbox_limit = 4000\nmessage_size_limit = 3900\nstrict_mailbox_ownership = no\n",
        ["big@v.test", "big2@v.test", "user@v.test", "box-others@v.test", "box-link@v.test"], 2000,
    ),
}  # fmt: skip
"""Settings, recipients, and the size of the text in bytes."""
NAME = re.compile(r"(?<=/tmp/)[\d.]+P\d+\.[\w.-]+")
"""Of a file in a maildir."""


@pytest.mark.parametrize("case", CASES)
def test_mailboxes_are_those_of_postfix(case: str, instance, real_postfix, instance_directory: Path) -> None:
    main_cf, recipients, size = CASES[case]
    if version() < (3, 11):
        recipients = [recipient for recipient in recipients if not STRICT.match(recipient)]
    results = []
    for make in (real_postfix, instance):
        top = instance_directory / f"top{len(results)}"
        top.mkdir()
        top.chmod(0o755)
        prepare(top)
        mail = make(MAIN_CF.format(top=top) + main_cf)
        found = deliver(mail, recipients, b"Subject: x\r\n\r\n" + b"x" * size + b"\r\n")
        mail.stop()
        results.append({
            name: [NAME.sub("NAME", line.replace(str(top), "TOP")) for line in lines] for name, lines in found.items()
        })
    real, ours = results
    assert len(real) == len(recipients)
    assert {at: (real.get(at), ours.get(at)) for at in {*real, *ours} if real.get(at) != ours.get(at)} == {}
