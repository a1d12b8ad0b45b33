"""What access tables want done with a message is done: by cleanup, by the queue manager, at RCPT and after the dot."""

import pytest

from tests.e2e.talk import Talk

TABLE = (
    "inline:{{hold@ok.test = HOLD}, {discard@ok.test = DISCARD}, {redirect@ok.test = REDIRECT bob@demo.test},"
    " {bcc@ok.test = BCC bob@demo.test}, {prepend@ok.test = PREPEND X-Seen: yes}, {filter@ok.test = FILTER discard:x}}"
)
LISTS = ["smtpd_sender_restrictions", "smtpd_end_of_data_restrictions"]


def send(mail, user: str) -> str:
    """The queue id."""
    with Talk(mail.port) as client:
        client.ask("EHLO client.example")
        client.ask(f"MAIL FROM:<{user}@ok.test>")
        assert client.ask("RCPT TO:<alice@demo.test>")[0] == 250
        client.ask("DATA")
        client.send(b"Subject: of " + user.encode() + b"\r\n\r\nx\r\n.\r\n")
        code, text = client.reply()
        client.ask("QUIT")
    assert code == 250
    return text.rpartition(" ")[2]


@pytest.mark.parametrize("name", LISTS)
def test_actions_are_carried_out(instance, name: str) -> None:
    mail = instance(main_cf=f"{name} = check_sender_access {TABLE}\n")
    held = send(mail, "hold")
    gone = send(mail, "discard")
    mail.wait_for(rf"{gone}: removed")
    assert not mail.maildir("alice@demo.test")
    assert held in [entry.rpartition("/")[2] for entry in mail.queued("hold")]
    elsewhere = send(mail, "redirect")
    mail.wait_for(rf"{elsewhere}: to=<bob@demo\.test>, orig_to=<alice@demo\.test>, .*status=sent")
    filtered = send(mail, "filter")
    mail.wait_for(rf"{filtered}: to=<alice@demo\.test>, relay=none, .*status=sent \(x\)")
    copied = send(mail, "bcc")
    mail.wait_for(rf"{copied}: removed")
    assert len(mail.maildir("alice@demo.test")) == 1
    assert len(mail.maildir("bob@demo.test")) == 2
    prepended = send(mail, "prepend")
    mail.wait_for(rf"{prepended}: removed")
    (message,) = [text for text in mail.maildir("alice@demo.test") if b"of prepend" in text]
    assert (b"\nX-Seen: yes\nReceived: " in message) is (name == LISTS[0])
