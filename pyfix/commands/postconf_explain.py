"""postconf_explain - what parameters are, for people

Sources: postconf(5).
"""

from collections.abc import Sequence

from pyfix.config.catalog import Catalog
from pyfix.config.explain import explain
from pyfix.config.main_cf import MainCf
from pyfix.config.master_entry import Entry
from pyfix.config.syntax import BadConfig


def show(main: MainCf, entries: Sequence[Entry], names: Sequence[str]) -> None:
    """--explain: a paragraph for each name. Raises BadConfig without one."""
    if not names:
        raise BadConfig("--explain requires name argument")
    catalog = Catalog(main, entries)
    print("\n\n".join("\n".join(explain(name, main, catalog)) for name in names))
