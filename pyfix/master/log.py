"""log - the lines of master"""

from collections.abc import Iterable, Iterator

from pyfix.config.params.mail import VERSION


def started(config_dir: str) -> str:
    """The suite runs."""
    return f"daemon started -- version {VERSION}, configuration {config_dir}"


def reloaded(config_dir: str) -> str:
    """A new configuration is in force."""
    return f"reload -- version {VERSION}, configuration {config_dir}"


def terminating(number: int) -> str:
    """The suite ends."""
    return f"terminating on signal {number}"


def ended(path: str, pid: int, code: int) -> str:
    """A process did not end well; code as os.waitstatus_to_exitcode has it."""
    how = f"exit status {code}" if code >= 0 else f"killed by signal {-code}"
    return f"process {path} pid {pid} {how}"


def not_started(path: str, error: OSError) -> str:
    """A process could not be started for want of descriptors, memory or other processes."""
    return f"can't start {path}: {error.strerror or error}"


def throttled(path: str) -> str:
    """A service is left alone for a while."""
    return f"{path}: bad command startup -- throttling"


def process_limit(name: str, address: str, limit: int) -> tuple[str, str, str]:
    """A service has no sessions left."""
    reached = f'service "{name}" ({address}) has reached its process limit "{limit}"'
    cure = "increase the process count in master.cf or reduce the service time per client"
    more = "see https://www.postfix.org/STRESS_README.html for examples of stress-adapting configuration"
    return (
        f"{reached}: new clients may experience noticeable delays",
        f"to avoid this condition, {cure}",
        f"{more} settings",
    )


def keeps_old(problem: str) -> str:
    """A reload that could not be."""
    return f"reload failed, the old configuration stays in force: {problem}"


def ignored(old: tuple[str, str], new: tuple[str, str], services: Iterable[str]) -> Iterator[str]:
    """What a reload does not change. old, new: inet_interfaces and inet_protocols; services: of type inet."""
    if new[1] != old[1]:
        yield "ignoring inet_protocols parameter value change"
        yield f'old value: "{old[1]}", new value: "{new[1]}"'
        yield "to change inet_protocols, stop and start Postfix"
    if new[0] != old[0]:
        for name in services:
            yield f"service {name}: ignoring inet_interfaces change"
            yield "to change inet_interfaces, stop and start Postfix"


def unknown_program(where: str, service: str, program: str) -> str:
    """A line of master.cf that can't be served."""
    return f"{where}: service {service} is not available: no such program: {program}"
