"""kerberos - a Kerberos realm of a test's own, with its KDC on loopback and all its files below one directory

`make peers` unpacks MIT's KDC and libsasl2's GSSAPI mechanism; nothing of it is installed in the system.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.maps.servers import connectable, directory, running
from tests.ports import free_port

PEER = Path(__file__).parent.parent.parent / ".peers/krb5"

KRB5_CONF = """\
[libdefaults]
default_realm = TEST
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
qualify_shortname = ""
rdns = false
[realms]
TEST = {{
 kdc = 127.0.0.1:{port}
}}
[dbmodules]
db_module_dir = {modules}
"""
KDC_CONF = """\
[realms]
TEST = {{
 kdc_listen = 127.0.0.1:{port}
 kdc_tcp_listen = 127.0.0.1:{port}
 database_name = {top}/principal
 key_stash_file = {top}/stash
 acl_file = {top}/acl
}}
[logging]
 kdc = FILE:{top}/kdc.log
"""


@contextmanager
def realm(*users: str) -> Iterator[dict[str, str]]:
    """The environment of servers and clients in realm TEST, in which `ldap/localhost` is a service.

    Each user's keys are in the file USER.keytab beside the one that KRB5_KTNAME names.
    """
    sbin = PEER / "usr/sbin"
    libraries = next(iter(PEER.glob("usr/lib/*/sasl2")), None)
    if libraries is None or not (sbin / "krb5kdc").exists():
        pytest.skip("there is no KDC: `make peers` unpacks one")
    with directory() as top:
        port = free_port()
        modules = libraries.parent / "krb5/plugins/kdb"
        (top / "krb5.conf").write_text(KRB5_CONF.format(port=port, modules=modules))
        (top / "kdc.conf").write_text(KDC_CONF.format(port=port, top=top))
        (top / "ldap.conf").write_text("SASL_NOCANON on\n")  # else the service is that of the machine's own name
        environment = {
            "KRB5_CONFIG": f"{top}/krb5.conf",
            "KRB5_KDC_PROFILE": f"{top}/kdc.conf",
            "KRB5_KTNAME": f"{top}/server.keytab",
            "KRB5CCNAME": f"FILE:{top}/cache",
            "LDAPCONF": f"{top}/ldap.conf",
            "SASL_PATH": f"{_system_plugins()}:{libraries}",
        }
        orders = ["addprinc -randkey ldap/localhost", "ktadd -k server.keytab ldap/localhost"]
        for user in users:
            orders += [f"addprinc -randkey {user}", f"ktadd -k {user}.keytab {user}"]
        for command, said in (
            ([sbin / "kdb5_util", "-r", "TEST", "create", "-s", "-P", "master"], ""),
            ([sbin / "kadmin.local", "-r", "TEST"], "\n".join([*orders, ""])),
        ):
            subprocess.run(command, check=True, capture_output=True, cwd=top, env=environment, input=said, text=True)
        for path in top.glob("*.keytab"):
            path.chmod(0o644)
        kdc = [str(sbin / "krb5kdc"), "-n", "-r", "TEST", "-P", f"{top}/pid"]
        with running(kdc, connectable(port), environment=environment):
            yield environment


def _system_plugins() -> Path:
    """Where libsasl2's other mechanisms are."""
    found = next(iter(Path("/usr/lib").glob("*/sasl2")), None)
    if found is None or shutil.which("slapd", path="/usr/sbin:/usr/lib") is None:
        pytest.skip("libsasl2-modules and slapd are not installed")
    return found
