"""command - delivery to a command that an alias, .forward or mailbox_command names

It runs as the user for whom it is done, in his primary group only; in root's name as default_privs.
Values from the message reach it through the environment, with characters that a shell could mistake
replaced by underscores.

Parameters: allow_mail_to_commands, command_execution_directory, command_expansion_filter,
            command_time_limit, execution_directory_expansion_filter, export_environment,
            local_command_shell, mailbox_size_limit, prepend_delivered_header
Sources:    local(8) EXTERNAL COMMAND DELIVERY
"""

from __future__ import annotations

import time

from pyfix.clients.deliver import Request
from pyfix.config.environment import exported
from pyfix.delivery.command import Command, Verdict, judge, run
from pyfix.delivery.local.expand import Undefined, expand
from pyfix.delivery.local.file import letter_for, safe_rights
from pyfix.delivery.local.setup import Setup
from pyfix.delivery.local.state import Attempt, Parts, State
from pyfix.delivery.mail_copy import PIPE

REQUEST_NAMES = {  # left out when empty
    "CLIENT_HOSTNAME": "log_client_name",
    "CLIENT_ADDRESS": "log_client_address",
    "CLIENT_HELO": "log_helo_name",
    "CLIENT_PROTOCOL": "log_protocol_name",
    "SASL_METHOD": "sasl_method",
    "SASL_SENDER": "sasl_sender",
    "SASL_USERNAME": "sasl_username",
    "ENVID": "envelope_id",
}


def deliver_listed_command(attempt: Attempt, state: State, command: str) -> Parts[None]:
    """Run a command that a table or file names."""
    if state.exp_type not in attempt.setup.to_commands:
        yield state.outcome("5.7.1", "mail to command is restricted")
        return
    yield from deliver_command(attempt, state, command)


def deliver_command(attempt: Attempt, state: State, text: str) -> Parts[None]:
    """Run a command."""
    if attempt.been_here(f"command {state.user}:{state.rights.uid} {text}"):
        return
    if attempt.probe:
        yield state.outcome("2.0.0", f"delivers to command: {text}")
        return
    setup, rights = attempt.setup, safe_rights(attempt, state.rights)
    try:
        directory = _directory(setup, state)
    except Undefined:
        yield state.outcome("4.3.5", "mail system configuration error")
        return
    command = Command(
        text,
        rights.uid,
        rights.gid,
        environment(setup, state, attempt.delivery.request),
        shell=setup.cfg.local_command_shell,
        directory=directory,
        limit=setup.mail.command_time_limit,
        file_limit=setup.cfg.mailbox_size_limit,
    )
    letter = letter_for(attempt, state, state.delivered, "command")
    yield from _told(state, text, judge(run(command, letter.chunks(PIPE, time.time())), text))


def _told(state: State, text: str, verdict: Verdict) -> Parts[None]:
    if verdict.status[0] == "2":
        yield state.outcome("2.0.0", f"delivered to command: {text}")
        return
    more = {"diag_type": "x-unix", "diag_text": verdict.text} if verdict.text else {}
    yield state.outcome(verdict.status, verdict.reason, blamed=state.blamed, **more)


def _directory(setup: Setup, state: State) -> str:
    text = setup.cfg.command_execution_directory
    if not text:
        return ""
    allowed = setup.cfg.execution_directory_expansion_filter
    return expand(text, state, setup.mail.recipient_delimiter, allowed, strict=False)


def environment(setup: Setup, state: State, request: Request) -> dict[str, str]:
    """What a command can know of the message."""
    values = {
        "HOME": state.rights.home,
        "SHELL": state.rights.shell,
        "EXTENSION": state.extension[1:],
        "DOMAIN": state.domain,
        "ORIGINAL_RECIPIENT": state.recipient.original,
        **{name: getattr(request, attribute) for name, attribute in REQUEST_NAMES.items()},
    }
    values = {name: value for name, value in values.items() if value}
    values |= {"USER": state.user, "LOGNAME": state.user, "LOCAL": state.local}
    values |= {"RECIPIENT": state.recipient.address, "SENDER": state.sender}
    allowed = frozenset(setup.cfg.command_expansion_filter)
    safe = {name: "".join([char if char in allowed else "_" for char in value]) for name, value in values.items()}
    return {**exported(setup.mail.export_environment), **safe}
