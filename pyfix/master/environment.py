"""environment - what daemons inherit: the names of import_environment, and what tells them where they are

Parameters: import_environment, maillog_file, postlog_service_name, syslog_name
"""

import os
from collections.abc import Mapping

import pyfix
from pyfix.config.environment import let_through
from pyfix.config.params.mail import MailParams


def for_daemons(cfg: MailParams, given: Mapping[str, str], verbose: int) -> dict[str, str]:
    """The environment of the suite's processes."""
    result = let_through(cfg.import_environment, given)
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
