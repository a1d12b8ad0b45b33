"""Services with maxproc 1, to which several others keep connections."""

ONE = """\
cleanup   unix  n       -       n       -       1       cleanup
rewrite   unix  -       -       n       -       1       trivial-rewrite
bounce    unix  -       -       n       -       1       bounce
defer     unix  -       -       n       -       1       bounce
"""


def test_nobody_is_kept_out_by_who_came_first(instance) -> None:
    """smtpd, pickup, qmgr and bounce all want the one cleanup and the one trivial-rewrite."""
    mail = instance(master_cf=ONE)
    with mail.smtp() as client:
        client.sendmail("alice@demo.test", ["alice@demo.test"], b"Subject: by SMTP\r\n\r\nx\r\n")
        people = ["alice@demo.test", "nobody@demo.test"]
        mail.command("sendmail", "-f", "alice@demo.test", *people, stdin=b"Subject: by sendmail\n\nx\n")
        client.sendmail("alice@demo.test", ["alice@demo.test"], b"Subject: once more\r\n\r\nx\r\n")
    mail.wait_until(lambda: mail.log().count("status=sent (delivered") == 4)
    mail.wait_for("sender non-delivery notification")
    for program in ("cleanup", "trivial-rewrite"):
        assert len(mail.pids_of(program)) == 1
