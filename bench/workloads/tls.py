"""tls - w11: w1 with STARTTLS, a new handshake for each message, and with sessions taken up again"""

from __future__ import annotations

import shutil
import smtplib
import subprocess
from functools import partial

from bench.instance import PATIENCE, Instance
from bench.load import Load
from bench.workload import Case, Figures, Skipped, Workload, at_least, at_most
from bench.workloads.smtp_in import CPU, DISCARD, RATE, through

SETTINGS = {
    "smtpd_tls_security_level": "may",
    "smtpd_tls_cert_file": "{top}/cert.pem",
    "smtpd_tls_key_file": "{top}/key.pem",
}


def certificate(mail: Instance) -> None:
    """A key and a certificate that signs itself."""
    if shutil.which("openssl") is None:
        raise Skipped("openssl is not installed")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench.example"
    files = ["-keyout", str(mail.top / "key.pem"), "-out", str(mail.top / "cert.pem")]
    subprocess.run([*words.split(), *files], check=True, capture_output=True, timeout=PATIENCE)


def encrypted(mail: Instance, load: Load) -> Figures:
    """As w1, if smtpd can do it."""
    with smtplib.SMTP("127.0.0.1", mail.port, timeout=PATIENCE) as client:
        client.ehlo()
        if not client.has_extn("starttls"):
            raise Skipped("smtpd does not announce STARTTLS")
    return through(mail, load)


def _case(label: str, tls: str) -> Case:
    run = partial(encrypted, load=Load(2000, 10, tls=tls))
    targets = (at_least(RATE, 1.2), at_most(CPU, 0.9))
    return Case(label, run, targets, {**DISCARD, **SETTINGS}, prepare=certificate)


W11 = Workload("w11", "w1 with STARTTLS", (
    _case("new handshakes", "full"),
    _case("resumed sessions", "resume"),
))
