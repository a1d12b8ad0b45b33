"""Services under other names than the usual ones: whoever asks one goes by main.cf."""

MAIN_CF = """
bounce_service_name = bounces
defer_service_name = deferrals
trace_service_name = traces
rewrite_service_name = rewriting
transport_maps = inline:{{bad.test = error:5.1.1 nobody}, {later.test = retry:4.3.0 not now}}
relay_domains = bad.test, later.test
"""
OTHERS = {
    "bounces": "- 0 bounce",
    "deferrals": "- 0 bounce",
    "traces": "- 0 bounce",
    "rewriting": "- 1 trivial-rewrite",
    **dict.fromkeys(("bounce", "defer", "trace", "rewrite"), "- 1 discard"),  # does not understand what it is asked
}
MESSAGE = b"From: a@example.com\r\nSubject: names\r\n\r\nhello\r\n"


def test_reports_logs_and_routes_come_from_services_of_any_name(instance) -> None:
    services = [f"{name} unix - - n {rest}" for name, rest in OTHERS.items()]
    mail = instance(main_cf=MAIN_CF.strip(), master_cf="\n".join(services))
    with mail.smtp() as client:
        client.sendmail("bob@demo.test", ["alice@demo.test"], MESSAGE, rcpt_options=["NOTIFY=SUCCESS"])
    for recipient in ("x@bad.test", "x@later.test"):
        mail.command("sendmail", "-f", "bob@demo.test", recipient, stdin=MESSAGE, check=True)
    mail.wait_for(r"bounce\[\d+\]: \w+: sender delivery status notification: \w+\n")
    mail.wait_for(r"bounce\[\d+\]: \w+: sender non-delivery notification: \w+\n")
    mail.wait_for(r"status=deferred \(not now\)\n")
    mail.wait_until(lambda: len(mail.maildir("bob@demo.test")) == 2)
    (queue_id,) = mail.queued("deferred")
    assert (mail.queue / "defer" / queue_id[0] / queue_id).exists()
    mail.stop()
    assert "discard[" not in mail.log()
    assert "warning" not in mail.log()
