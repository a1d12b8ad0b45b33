"""tcp_ports - known_tcp_ports: names that stand for TCP ports before the system's list is asked

    lmtp=24, smtps=submissions=465

Sources: postconf(5); the words of the problems are Postfix 3.11's.
"""

from pyfix.config.syntax import SPACE


def parse(text: str) -> tuple[dict[str, int], list[str]]:
    """The port of each name, and what is wrong with items, which then count for nothing."""
    ports: dict[str, int] = {}
    problems: list[str] = []
    for item in filter(str.strip, text.split(",")):
        *names, port = [part.strip(SPACE) for part in item.split("=")]
        problem = _problem(names, port, ports)
        if problem:
            problems.append(f'in "{item}"{problem}')
        else:
            ports.update(dict.fromkeys(names, int(port)))
    return ports, problems


def _problem(names: list[str], port: str, known: dict[str, int]) -> str:
    if not names:
        return ' is not in "name = value" form'
    for name in names:
        if not name:
            return ': missing service name before "="'
        if _has_space(name):
            return ": whitespace in service name"
        if _is_number(name):
            return ": numerical service name"
        if name in known:
            return ": duplicate service name"
    if not port:
        return ': missing port value after "="'
    if _has_space(port):
        return ": whitespace in port number"
    return "" if _is_number(port) else ": non-numerical service port"


def _has_space(text: str) -> bool:
    return any(char in SPACE for char in text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
