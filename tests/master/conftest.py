"""A started master with toy services, as root and as an ordinary user."""

import os
from pathlib import Path

import pytest

from pyfix.unix import users
from tests.e2e.instance import instance, instance_directory
from tests.master.client import Client
from tests.ports import free_port

__all__ = ["instance", "instance_directory"]

HERE = Path(__file__).parent
WHO = ["root", "ordinary"] if os.geteuid() == 0 else ["ordinary"]


@pytest.fixture(params=WHO)
def toys(request, instance):
    """Starts an instance whose only services are postlog and the given ones."""
    user = users.user("nobody") if request.param == "ordinary" and os.geteuid() == 0 else None

    def start(services: str, main_cf: str = "", **options):
        ports = {f"{{port{n}}}": str(free_port()) for n in range(3)}
        for name, port in ports.items():
            services = services.replace(name, port)
        mail = instance(start=False, user=user, **options)
        mail.edit("main.cf", f"import_environment = PYTHONPATH={HERE}\n{main_cf}")
        (mail.config / "master.cf").write_text(f"postlog unix-dgram n - n - 1 postlogd\n{services}\n")
        mail.ports = [int(port) for port in ports.values()]
        mail.start()
        return mail

    return start


@pytest.fixture
def connect():
    """Connects to a TCP port or a path; hangs up at the end."""
    made = []

    def make(where) -> Client:
        made.append(Client(("127.0.0.1", where) if isinstance(where, int) else str(where)))
        return made[-1]

    yield make
    for client in made:
        client.sock.close()
