"""Option files of tables, whatever stands in them: they open, or say what is wrong and where; nothing else."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pyfix.maps.cfg_parser import read_params
from pyfix.maps.ldap_server import LdapParams
from pyfix.maps.memcache import MemcacheParams
from pyfix.maps.mongodb import MongodbParams
from pyfix.maps.mysql import MysqlParams
from pyfix.maps.open import open_or_fail
from pyfix.maps.pgsql import PgsqlParams
from pyfix.maps.redis import RedisParams
from pyfix.maps.sqlite import SqliteParams
from pyfix.maps.table import OpenError, Options, TableError

KINDS = {
    "ldap": LdapParams,
    "memcache": MemcacheParams,
    "mongodb": MongodbParams,
    "mysql": MysqlParams,
    "pgsql": PgsqlParams,
    "redis": RedisParams,
    "sqlite": SqliteParams,
}
NAMES = sorted({p.name for kind in KINDS.values() for each in kind.__mro__ if hasattr(each, "declared")
                for p in each.declared()})  # fmt: skip
WORDS = st.sampled_from(
    ["yes", "no", "0", "1", "-1", "60s", "1d", "99999999999999999999", "%s", "%", "%x", "$name", "${x", "{", "}", "sub",
     "host:1", "[::1]:x", "ldap://", "unix:", "a b", "\u00e9", "\udcff", "\0", '{"k": "%s"}', "SELECT '%s'",
     "=", "#", "\\"]
)  # fmt: skip
VALUES = WORDS | st.text(st.characters(codec="latin-1"), max_size=20)
LINES = st.one_of(
    st.builds("{} = {}".format, st.sampled_from(NAMES), VALUES),
    st.builds("{}={}".format, st.text(max_size=5), VALUES),
    st.builds(" {}".format, VALUES),
    st.sampled_from(["", "#", " #", "=", "name", "name value", "\t", "\r", "a = b = c"]),
)
FILES = st.one_of(
    st.lists(LINES, max_size=12).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogateescape")),
    st.binary(max_size=80),
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES)
@example(b"hosts = \xff\ndbpath = /\0\n")
@example(b"backup = yes\n")
@example(b"key_digest = \xff\n")
@example(b"expansion_limit = 99999999999999999999\n")
def test_a_file_of_options_opens_or_its_mistake_is_told(here: Path, kind: str, content: bytes) -> None:
    path = here / "x.cf"
    path.write_bytes(content)
    wrong = ""
    try:
        read_params(KINDS[kind], Options(kind), str(path))
        table = open_or_fail(f"{kind}:{path}")
        if kind == "sqlite":  # the one that needs no server
            table.lookup_now("a@b.test")
    except OpenError as error:
        wrong = str(error)
    except TableError:
        pass
    assert not wrong or str(path) in wrong or "needs the package" in wrong
