"""postconf_bounce - the words of reports, as templates and with their $names expanded

Sources: postconf(1) -b -t, bounce(5).
"""

from collections.abc import Sequence

from pyfix.commands import mail_conf
from pyfix.config import bounce_template
from pyfix.config.main_cf import MainCf
from pyfix.config.params.bounce import BounceParams
from pyfix.config.syntax import BadConfig


def show_templates(directory: str, operands: Sequence[str]) -> None:
    """-t: the templates as they are written; operands: another file than bounce_template_file."""
    templates = _templates(mail_conf.load(directory), operands)
    print(bounce_template.dump_templates(templates.values()), end="")


def show_texts(directory: str, operands: Sequence[str]) -> None:
    """-b: what a report says, the $names expanded."""
    main = mail_conf.load(directory)
    templates = _templates(main, operands)
    for template in templates.values():
        bounce_template.refuse_undefined(template, main)
    texts = [(name, bounce_template.expand_body(template, main)) for name, template in templates.items()]
    print("\n".join("\n".join([f"expanded_{name}_text = <<EOF", *lines, "EOF\n"]) for name, lines in texts), end="")


def _templates(main: MainCf, operands: Sequence[str]) -> dict[str, bounce_template.Template]:
    path = operands[0] if operands else BounceParams(main).bounce_template_file
    try:
        return bounce_template.load_templates(path)
    except bounce_template.BadTemplate as problem:
        raise BadConfig(str(problem)) from None
    except OSError as problem:
        raise BadConfig(f"open {path}: {problem.strerror}") from None
