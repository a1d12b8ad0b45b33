"""bounce_template - the words of a report: built in, or from bounce_template_file

    failure_template = <<EOF
    Charset: us-ascii
    From: Mail Delivery System <MAILER-DAEMON>
    Subject: Undelivered Mail Returned to Sender
    Postmaster-Subject: Postmaster Copy: Undelivered Mail

    This is the mail system at host $myhostname.
    EOF

Four templates: failure, delay, success, verify. The built-in ones stand in for those that the file lacks, or
has in a form that can't be used: then a warning says why. $name in a body is any main.cf parameter, or
delay_warning_time_UNIT and maximal_queue_lifetime_UNIT with seconds, minutes, hours, days or weeks. Headers are
taken as they are.

Parameters: bounce_template_file delay_warning_time maximal_queue_lifetime
Sources: bounce(5)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import dropwhile

from pyfix.config.expand import references
from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.config.syntax import BadConfig, split_setting
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

_HEADER = re.compile(r"([!-9;-~]+)[ \t]*:\s*(.*)", re.DOTALL)
_REFERENCE = re.compile(r"\$\$|\$[{(]?(\w+)", re.ASCII)


class BadTemplate(ValueError):
    """A template file, or a template in it, is not as it should be; the text says where and why."""


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
    """The templates in a file's text that can be used. BadTemplate: it can't be read to the end."""
    found: dict[str, Template] = {}
    lines = enumerate(text.removesuffix("\n").split("\n"), 1)
    for number, line in lines:
        if line.lstrip()[:1] in {"", "#"}:
            continue
        where = f"{origin}, line {number}"
        try:
            title, value = split_setting(line)
        except ValueError as problem:
            raise BadTemplate(f'{where}: {problem}: "{line}"') from None
        content = _here_document(lines, value[2:].strip(), where) if value.startswith("<<") else [value]
        name = title.removesuffix("_template")
        if name not in NAMES or name == title:
            msg.warning(f"{where}: unknown template name: {title} -- ignoring this template")
            continue
        try:
            found[name] = _template(name, content, origin)
        except BadTemplate as problem:
            msg.warning(f"{problem} -- ignoring this template")
    return found


def _here_document(lines: Iterator[tuple[int, str]], end: str, where: str) -> list[str]:
    """The lines up to one that is the end marker."""
    if not end:
        raise BadTemplate(f"{where}: missing end marker after <<")
    if not end[0].isalnum():
        raise BadTemplate(f"{where}: malformed end marker after <<")
    found: list[str] = []
    for _, line in lines:
        if line == end:
            return found
        found.append(line)
    msg.warning(f'{where}: missing "{end}" end marker')
    return found


def _template(name: str, lines: list[str], origin: str) -> Template:
    """A template from its pseudo-headers and its body, whatever empty lines are around them. BadTemplate."""
    headers: dict[str, str] = {}
    lines = _from_first_text(lines)
    while lines and (header := _HEADER.fullmatch(lines[0])):
        attribute, value = _header(name, header[1], header[2], origin)
        headers[attribute] = value
        del lines[0]
    body = _from_first_text(lines)
    if not body:
        raise BadTemplate(f"{origin}: missing message text in {name} template")
    template = replace(DEFAULTS[name], origin=origin, body=tuple(body), **headers)
    if template.charset.lower() == "us-ascii" and not "".join(body).isascii():
        problem = f"{origin}: 8-bit message text in {name} template needs another charset than us-ascii"
        raise BadTemplate(problem)
    return template


def _from_first_text(lines: list[str]) -> list[str]:
    """The lines without the empty ones at the beginning."""
    return list(dropwhile(lambda line: not line.strip(), lines))


def _header(name: str, label: str, value: str, origin: str) -> tuple[str, str]:
    """The attribute of Template that a pseudo-header sets, with its value. BadTemplate."""
    attribute = HEADERS.get(label.lower())
    if not value:
        problem = f'empty "{label}" header value'
    elif not value.isascii():
        problem = f'non-ASCII "{label}" header value'
    elif attribute is None:
        problem = f'unknown "{label}" header label'
    elif attribute == "postmaster_subject" and not DEFAULTS[name].postmaster_subject:
        problem = f'inapplicable "{label}" header label'
    else:
        return attribute, value
    raise BadTemplate(f"{origin}: {problem} in {name} template")


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
    """The lines of a body with the values of their $names. BadConfig."""
    times = scaled_times(main)
    text = "\n".join(template.body)
    _check_names(template, text, main, times)
    values = main.with_overrides([(name, str(value)) for name, value in times.items()])
    return [line for text in template.body for line in _expanded(template, text, values).split("\n")]


def refuse_undefined(template: Template, main: MainCf) -> None:
    """Raises BadConfig for a $name in the body that nobody knows."""
    times = scaled_times(main)
    for line in template.body:
        if any(name not in times and main.unexpanded(name) is None for name in references(line)):
            raise BadConfig(f"{template.origin}: undefined $name in {template.name} template: {line}")


def _expanded(template: Template, line: str, values: MainCf) -> str:
    try:
        return values.expand(line)
    except BadConfig as problem:
        raise BadConfig(f"{template.origin}: bad $name syntax in {template.name} template: {problem}") from None


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
