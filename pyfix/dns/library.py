"""library - makes dnspython import without importlib.metadata

dnspython asks it for packages that nothing here uses (DNS over HTTPS and QUIC, trio), and it brings readers of e-mail,
zip and csv files along, two megabytes. To be imported before any module of dnspython that has more than names.
"""

import sys
from types import ModuleType

_NAME = "importlib.metadata"

if _NAME not in sys.modules:
    sys.modules[_NAME] = ModuleType(_NAME)  # it can tell of no package, which means that there is none
    try:
        import dns._features
    finally:
        del sys.modules[_NAME]
    assert dns._features  # noqa: SLF001 - imported for its effect
