"""postconf_edit - how postconf changes main.cf and master.cf

    -e name=value...                      -X, -# name...
    -Me service/type=line...              -MX, -M# service/type...
    -Fe service/type/field=value...
    -Pe service/type/parameter=value...   -PX service/type/parameter...

Sources: postconf(1).
"""

from collections.abc import Sequence

from pyfix.commands.postconf_master import PARTS, Pattern, split_pattern
from pyfix.config import edit, master_edit
from pyfix.config.syntax import BadConfig, split_setting

EDIT_FORMS = {
    "M": "-Me, -MX or -M# requires service_name/type",
    "F": "-Fe or -FX requires service_name/type/field_name",
    "P": "-Pe or -PX requires service_name/type/parameter",
}
EDITORS = "-Me, -Fe, -Pe, -X, or -# accept"


def set_values(mode: str, operands: Sequence[str], directory: str) -> None:
    """-e; mode: M, F or P for master.cf, "" for main.cf. BadConfig."""
    if not operands:
        raise BadConfig("-e requires name=value argument")
    if mode:
        _set_in_master(mode, operands, f"{directory}/master.cf")
    else:
        edit.edit_file(f"{directory}/main.cf", edit.parse_changes(operands))


def drop(mode: str, operands: Sequence[str], directory: str, *, comment: bool = False) -> None:
    """-X, or -# to leave a comment; mode: M or P for master.cf, "" for main.cf. BadConfig."""
    if not operands:
        raise BadConfig("missing service argument")
    action = edit.Action.COMMENT if comment else edit.Action.REMOVE
    if mode:
        _drop_in_master(mode, operands, f"{directory}/master.cf", action)
    else:
        edit.edit_file(f"{directory}/main.cf", edit.parse_names(operands, action))


def _set_in_master(mode: str, operands: Sequence[str], path: str) -> None:
    """-Me, -Fe or -Pe."""
    pairs = [(_edit_pattern(mode, name), value, operand) for name, value, operand in map(_setting, operands)]
    if mode == "M":
        entries = {pattern.service: master_edit.parse_entry(value, operand) for pattern, value, operand in pairs}
        edit.rewrite(path, lambda text: master_edit.set_entries(text, entries, path))
        return
    change = master_edit.set_field if mode == "F" else master_edit.set_override
    requests = [
        master_edit.Request(pattern.service, change(pattern.what, value), operand) for pattern, value, operand in pairs
    ]
    edit.rewrite(path, lambda text: master_edit.change_entries(text, requests, path))


def _drop_in_master(mode: str, operands: Sequence[str], path: str, action: edit.Action) -> None:
    """-MX, -M# or -PX."""
    patterns = [_edit_pattern(mode, operand) for operand in operands]
    if mode == "M":
        services = [pattern.service for pattern in patterns]
        edit.rewrite(path, lambda text: master_edit.drop_entries(text, services, action, path))
        return
    if any(pattern.what == "*" for pattern in patterns):
        raise BadConfig("-Pe does not accept wild-card parameter name")
    requests = [
        master_edit.Request(pattern.service, master_edit.remove_override(pattern.what), pattern.text)
        for pattern in patterns
    ]
    edit.rewrite(path, lambda text: master_edit.change_entries(text, requests, path))


def _setting(operand: str) -> tuple[str, str, str]:
    edit.refuse_lines(operand, EDITORS)
    try:
        return *split_setting(operand), operand
    except ValueError as e:
        raise BadConfig(f'{e}: "{operand}"') from None


def _edit_pattern(mode: str, text: str) -> Pattern:
    edit.refuse_lines(text, EDITORS)
    pattern = split_pattern(mode, text)
    if pattern is None or text.count("/") != PARTS[mode] - 1 or text.endswith("/"):
        raise BadConfig(EDIT_FORMS[mode])
    return pattern
