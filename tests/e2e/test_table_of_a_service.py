"""What a service's own line says of tables that do not open holds for that service."""

import socket

from tests.ports import free_port


def test_a_service_ends_whose_line_wants_it_and_the_others_go_on(instance) -> None:
    port = free_port()
    mail = instance(
        "smtpd_client_restrictions = check_client_access texthash:/no/such\n",
        f"127.0.0.1:{port} inet n - n - - smtpd\n  -o daemon_table_open_error_is_fatal=yes\n",
    )
    with mail.smtp() as client:
        client.ehlo()
        assert client.docmd("MAIL FROM:<a@example.com>")[0] == 250
        assert client.docmd("RCPT TO:<alice@demo.test>")[0] == 451
    with socket.create_connection(("127.0.0.1", port), timeout=30):
        mail.wait_for(r"smtpd\[\d+\]: fatal: open database /no/such: No such file or directory")
    with mail.smtp() as client:
        assert client.ehlo()[0] == 250
