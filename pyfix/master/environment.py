"""environment - what daemons inherit: the names of import_environment, and what tells them where they are

Parameters: import_environment, maillog_file, postlog_service_name, syslog_name
"""

import os
import re
from collections.abc import Mapping

import pyfix
from pyfix.config.params.mail import MailParams

_WORD = re.compile(r"\{\s*([^}]*?)\s*\}|([^\s,]+)")


def imported(wanted: str, given: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that import_environment names; `name=value` sets, `name` takes over."""
    result: dict[str, str] = {}
    for braced, plain in _WORD.findall(wanted):
        name, sets, value = (braced or plain).partition("=")
        if sets:
            result[name.strip()] = value.strip()
        elif name in given:
            result[name] = given[name]
    return result


def for_daemons(cfg: MailParams, given: Mapping[str, str], verbose: int) -> dict[str, str]:
    """The environment of the suite's processes."""
    result = imported(cfg.import_environment, given)
    result |= {"MAIL_CONFIG": cfg.main.config_dir, "MAIL_LOGTAG": cfg.syslog_name, "LANG": "C"}
    if verbose:
        result["MAIL_VERBOSE"] = ""
    if cfg.maillog_file:
        result["POSTLOG_SERVICE"] = f"{cfg.queue_directory}/public/{cfg.postlog_service_name}"
        result["POSTLOG_HOSTNAME"] = cfg.myhostname
    result["PYTHONPATH"] = ":".join([source_directory(), *filter(None, [result.get("PYTHONPATH")])])
    result["PYTHONUTF8"] = "1"
    return result


def source_directory() -> str:
    """Where `import pyfix` finds this package."""
    return os.path.dirname(os.path.dirname(os.path.abspath(pyfix.__file__)))
