"""machine - where figures come from: processors, memory, system, interpreter, load generators"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.instance import Kind
from bench.load import PATH


def facts(kinds: list[Kind]) -> dict[str, str]:
    """What a reader must know to compare."""
    found = {
        "processors": f"{os.cpu_count()} x {_field('/proc/cpuinfo', 'model name') or platform.machine()}",
        "memory": _field("/proc/meminfo", "MemTotal"),
        "system": f"{_system()}, Linux {platform.release()}",
        "queues and mailboxes": f"{tempfile.gettempdir()}, {_file_system(tempfile.gettempdir())}",
        "Python": f"{platform.python_version()} below {sys.base_prefix}",
        "load": "smtp-source" if shutil.which("smtp-source", path=PATH) else "bench.source",
    }
    for kind in kinds:
        if kind.name == "postfix":
            line = [kind.command("postconf"), "-dh", "mail_version"]
            found["Postfix"] = _output(line)
    return found


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return ""


def _file_system(folder: str) -> str:
    """Its type, device, and of ext4 whether it has a journal: what fsync costs depends on it."""
    kind, device = _output(["findmnt", "-no", "FSTYPE,SOURCE", "-T", folder]).split() or ("unknown", "")
    journal = any(Path("/proc/fs/jbd2").glob(f"{Path(device).name}-*"))
    without = " without a journal" if kind == "ext4" and not journal else ""
    return f"{kind}{without} on {device}"


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return platform.system()


def _output(line: list[str]) -> str:
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=20).stdout.strip()
