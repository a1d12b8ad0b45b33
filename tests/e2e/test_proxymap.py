"""Tables behind proxymap in a whole system: found, not found, in trouble, and well again without a restart."""

import os
import sqlite3

MESSAGE = b"Subject: x\r\n\r\nhello\r\n"
MAIN_CF = """\
virtual_alias_maps = proxy:sqlite:{directory}/etc/aliases.cf
mydestination = local.test
local_recipient_maps = proxy:unix:passwd.byname
"""


def test_recipients_are_known_through_proxymap(instance) -> None:
    mail = instance(MAIN_CF, start=False)
    database = mail.directory / "aliases.sqlite"
    (mail.directory / "etc/aliases.cf").write_text(f"dbpath = {database}\nquery = SELECT v FROM t WHERE k = '%s'\n")
    mail.start()
    with mail.smtp() as client:
        client.ehlo()
        client.mail("a@example.com")
        assert client.rcpt("sales@demo.test") == (
            451,
            b"4.3.0 <sales@demo.test>: Temporary lookup failure",
        )  # no database yet
        with sqlite3.connect(database) as rows:
            rows.execute("CREATE TABLE t (k, v)")
            rows.execute("INSERT INTO t VALUES ('sales@demo.test', 'alice@demo.test')")
        rows.close()
        os.chmod(database, 0o644)
        assert client.rcpt("sales@demo.test")[0] == 250
        assert client.rcpt("root@local.test")[0] == 250
        code, text = client.rcpt("no-such-user@local.test")
        assert (code, text[:5]) == (550, b"5.1.1")
        client.rset()
        client.sendmail("a@example.com", ["sales@demo.test"], MESSAGE)
    mail.wait_for(r"qmgr\[\d+\]: \w+: removed")
    assert len(mail.maildir("alice@demo.test")) == 1
    mail.wait_for(rf"proxymap\[\d+\]: warning: sqlite:\S+/aliases\.cf: SQLite server {database}: unable to open")
