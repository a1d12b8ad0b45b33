"""bounce_template - the words of a report: built in, or from bounce_template_file

    failure_template = <<EOF
    Charset: us-ascii
    From: Mail Delivery System <MAILER-DAEMON>
    Subject: Undelivered Mail Returned to Sender
    Postmaster-Subject: Postmaster Copy: Undelivered Mail

    This is the mail system at host $myhostname.
    EOF

Four templates: failure, delay, success, verify; those that the file lacks are the built-in ones. $name
in a body is any main.cf parameter, or delay_warning_time_UNIT and maximal_queue_lifetime_UNIT with
seconds, minutes, hours, days or weeks. Headers are taken as they are.

Parameters: bounce_template_file delay_warning_time maximal_queue_lifetime
Sources: bounce(5)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.unix import msg

BUILT_IN = "[built-in]"
NAMES = ("failure", "delay", "success", "verify")
HEADERS = {
    "charset": "charset",
    "from": "sender",
    "subject": "subject",
    "postmaster-subject": "postmaster_subject",
}
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}
SCALED = ("delay_warning_time", "maximal_queue_lifetime")

_START = re.compile(r"([A-Za-z0-9_]+)[ \t]*=[ \t]*<<[ \t]*(\S+)[ \t]*", re.ASCII)
_REFERENCE = re.compile(r"\$\$|\$[{(]?(\w+)", re.ASCII)


class BadTemplate(ValueError):
    """A template file is not as it should be; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of report.

    postmaster_subject: of the copy for the postmaster, empty when there is never one; body: lines with
    their $names; origin: the file, for messages.
    """

    name: str
    subject: str
    body: tuple[str, ...]
    postmaster_subject: str = ""
    charset: str = "us-ascii"
    sender: str = "Mail Delivery System <MAILER-DAEMON>"
    origin: str = BUILT_IN


_HOST = "This is the mail system at host $myhostname."
_HELP = (
    "",
    "If you need help, write to postmaster and send this whole report",
    "along. Your own text may be left out.",
    "",
    "                   The mail system",
)

DEFAULTS = {
    template.name: template
    for template in (
        Template(
            "failure",
            "Undelivered Mail Returned to Sender",
            (
                _HOST,
                "",
                "Your message did not reach the recipients named below, and no",
                "further attempt will be made. It is attached to this report.",
                *_HELP,
            ),
            "Postmaster Copy: Undelivered Mail",
        ),
        Template(
            "delay",
            "Delayed Mail (still being retried)",
            (
                _HOST,
                "",
                "THIS IS ONLY A WARNING: THERE IS NO NEED TO SEND YOUR MESSAGE AGAIN.",
                "",
                "Your message has been waiting for more than",
                "$delay_warning_time_hours hour(s). Attempts to deliver it go on until it is",
                "$maximal_queue_lifetime_days day(s) old.",
                *_HELP,
            ),
            "Postmaster Warning: Delayed Mail",
        ),
        Template(
            "success",
            "Successful Mail Delivery Report",
            (
                _HOST,
                "",
                "Your message was delivered to the recipients named below. Where",
                "that was a mailbox, this is the last word about it; where it was",
                "handed on, other systems may still report trouble.",
                "",
                "                   The mail system",
            ),
        ),
        Template(
            "verify",
            "Mail Delivery Status Report",
            (
                _HOST,
                "",
                "Here is the delivery report that was asked for.",
                "",
                "                   The mail system",
            ),
        ),
    )
}


def load_templates(path: str) -> dict[str, Template]:
    """All four by name; path: bounce_template_file, empty for the built-in ones. BadTemplate, OSError."""
    templates = dict(DEFAULTS)
    if path:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            templates.update(parse_templates(file.read(), path))
    return templates


def parse_templates(text: str, origin: str) -> dict[str, Template]:
    """The templates in a file's text. BadTemplate."""
    found: dict[str, Template] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        start = _START.fullmatch(line)
        if start is None:
            raise BadTemplate(f"{origin}: missing '= <<' after template name: {line[:80]}")
        name = start[1].removesuffix("_template")
        if name not in NAMES or name == start[1]:
            raise BadTemplate(f"{origin}: unknown template name: {start[1]}")
        found[name] = _template(name, list(_until(lines, start[2], origin)), origin)
    return found


def _until(lines: Iterator[str], end: str, origin: str) -> Iterator[str]:
    for line in lines:
        if line == end:
            return
        yield line
    raise BadTemplate(f"{origin}: missing end marker: {end}")


def _template(name: str, lines: list[str], origin: str) -> Template:
    """A template from its pseudo-headers, an empty line and its body."""
    headers: dict[str, str] = {}
    at = 0
    for at, line in enumerate(lines):
        key, colon, value = line.partition(":")
        attribute = HEADERS.get(key.strip().lower())
        if not line.strip():
            at += 1
            break
        if not colon or attribute is None:
            break
        headers[attribute] = value.strip()
    return replace(DEFAULTS[name], origin=origin, body=tuple(lines[at:]), **headers)


def dump_templates(templates: Iterable[Template]) -> str:
    """Templates as a bounce_template_file has them."""
    return "\n".join(
        f"{template.name}_template = <<EOF\nCharset: {template.charset}\nFrom: {template.sender}\n"
        f"Subject: {template.subject}\n"
        + (f"Postmaster-Subject: {template.postmaster_subject}\n" if template.postmaster_subject else "")
        + "\n"
        + "".join([f"{line}\n" for line in template.body])
        + "EOF\n"
        for template in templates
    )


def scaled_times(main: MainCf) -> dict[str, int]:
    """delay_warning_time_hours and its kind, as whole numbers."""
    cfg = MailParams(main)
    return {
        f"{name}_{unit}": getattr(cfg, name) // seconds for name in SCALED for unit, seconds in UNITS.items()
    }


def expand_body(template: Template, main: MainCf) -> list[str]:
    """The lines of a body with the values of their $names."""
    times = scaled_times(main)
    text = "\n".join(template.body)
    _check_names(template, text, main, times)
    values = main.with_overrides([(name, str(value)) for name, value in times.items()])
    return values.expand(text).split("\n")


def _check_names(template: Template, text: str, main: MainCf, times: dict[str, int]) -> None:
    cfg = MailParams(main)
    for found in _REFERENCE.finditer(text):
        name = found[1]
        if name is None:
            continue
        if name in times:
            base, _, unit = name.rpartition("_")
            if not times[name] and getattr(cfg, base):
                for line in zero_result(template, name, unit):
                    msg.warning(line)
        elif main.unexpanded(name) is None:
            msg.warning(undefined_name(template, name))


def zero_result(template: Template, name: str, unit: str) -> tuple[str, str, str]:
    """Log lines: a time is shown in a unit that is too large for it."""
    return (
        f'{template.origin}: zero result in {template.name} template conversion of parameter "{name}"',
        f'please reduce time unit "{unit}" of "{name}" in {template.name} template',
        "for instructions see the bounce(5) manual",
    )


def undefined_name(template: Template, name: str) -> str:
    """Log line: nobody knows this $name; it expands to nothing."""
    return f"{template.origin}: undefined ${name} in {template.name} template"
