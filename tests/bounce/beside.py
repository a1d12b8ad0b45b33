"""Ours and a real Postfix with the same settings and texts, and what they write without what differs by nature."""

import re
from difflib import unified_diff

from pyfix.config.bounce_template import DEFAULTS, dump_templates

BASE = "virtual_mailbox_base = {%s}/mail\nvirtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{gid}\n"
DATE = rb"\w{3}, [ \d]\d \w{3} \d{4} [\d:]{8} [+-]\d{4}(?: \(\w+\))?"
RULES = (
    (DATE, b"DATE"),
    (rb"\b(?:\d{14}\.)?[0-9A-F]{9,12}@peer", b"STAMP.ID@peer"),
    (rb"\b[0-9A-F]{9,12}\.\d+/", b"ID.TIME/"),
    (rb"Original-Recipient: rfc822;(?=[^\n]*[\x80-\xff])", b"Original-Recipient: utf-8;"),
    (rb"\b(id |X-Postfix-Queue-ID: )[0-9A-F]{9,12}\b", rb"\1ID"),
)


def both(instance, real_postfix, main_cf: str):
    """Both, started."""
    ours = instance(main_cf=main_cf + BASE % "directory")
    templates = ours.directory / "templates.cf"
    templates.write_text(dump_templates(DEFAULTS.values()))
    return ours, real_postfix(main_cf + BASE % "top" + f"bounce_template_file = {templates}\n")


def normal(text: bytes) -> bytes:
    """A message without queue ids, times and the like."""
    for pattern, new in RULES:
        text = re.sub(pattern, new, text)
    return text


def difference(expected: list[str], found: list[str]) -> str:
    """Between these lines; empty: there is none."""
    return "\n".join(unified_diff(expected, found, lineterm=""))


def difference_of_texts(expected: list[str], found: list[str]) -> str:
    """The same, of the lines of several texts."""
    return difference("\f".join(expected).split("\n"), "\f".join(found).split("\n"))
