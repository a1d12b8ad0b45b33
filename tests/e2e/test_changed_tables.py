"""Tables that change under running daemons: seen in mid-session, without a reload."""

TABLES = {
    "hash": "bad@example.com {}\n",
    "lmdb": "bad@example.com {}\n",
    "cdb": "bad@example.com {}\n",
    "texthash": "bad@example.com {}\n",
    "regexp": "/^bad@/ {}\n",
}
BUILT = {"hash", "lmdb", "cdb"}


def test_a_changed_table_is_seen_in_mid_session(instance) -> None:
    checks = " ".join([f"check_sender_access {kind}:{{directory}}/etc/{kind}" for kind in TABLES])
    clients = "check_client_access cidr:{directory}/etc/cidr"
    mail = instance(f"smtpd_sender_restrictions = {checks} {clients}\n", start=False)

    def write(kind: str, action: str) -> None:
        path = mail.config / kind
        fresh = path.with_suffix(".new")
        fresh.write_text(TABLES.get(kind, "127.0.0.0/8 {}\n").format(action))
        fresh.rename(path)
        if kind in BUILT:
            mail.command("postmap", f"{kind}:{path}", check=True)

    kinds = [*TABLES, "cidr"]
    for kind in kinds:
        write(kind, "DUNNO")
    mail.start()
    with mail.smtp() as client:
        client.ehlo()

        def answer() -> tuple[int, bytes]:
            client.rset()
            client.mail("bad@example.com")
            return client.rcpt("alice@demo.test")

        assert answer()[0] == 250
        for kind in reversed(kinds):  # the last one first: the others are asked before it
            write(kind, f"REJECT now in {kind}")
            if kind in BUILT:
                assert answer()[1].endswith(f"now in {kind}".encode())
            else:  # a text must have been left alone for a second
                mail.wait_until(lambda: answer()[1].endswith(f"now in {kind}".encode()))  # noqa: B023 - called at once
    assert "warning" not in mail.log()


def test_a_table_that_can_not_open_fails_what_needs_it_and_nothing_else(instance) -> None:
    mail = instance(
        "smtpd_recipient_restrictions = check_recipient_access lmdb:{directory}/etc/missing\n"
        "smtpd_helo_restrictions = check_helo_access inline:{{bad.test=REJECT}}\n"
    )
    with mail.smtp() as client:
        client.ehlo("bad.test")
        client.mail("a@example.com")
        assert client.rcpt("alice@demo.test")[0] == 554
        client.ehlo("good.test")
        client.mail("a@example.com")
        code, text = client.rcpt("alice@demo.test")
        assert (code, text[:5]) == (451, b"4.3.5")
        (mail.config / "missing").write_text("alice@demo.test OK\n")
        mail.command("postmap", f"lmdb:{mail.config}/missing", check=True)
        mail.wait_until(lambda: client.rcpt("alice@demo.test")[0] == 250)
    mail.wait_for(r"error: .*missing\.lmdb")
    lines = [line for line in mail.log().splitlines() if "missing.lmdb" in line and "error: " in line]
    assert len(lines) == 1
