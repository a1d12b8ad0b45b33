"""pyfix - what Postfix has no command for

    pyfix new DIR    a complete mail system below DIR, for a try or for tests
    pyfix demo DIR   makes one if there is none, starts it, sends a message, shows where it went
"""

import sys
from pathlib import Path

import click

from pyfix.commands import demo as demonstration
from pyfix.commands import instance
from pyfix.unix import msg, users


@click.group()
def cli() -> None:
    """A Postfix-compatible mail transfer agent in Python."""


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--smtp", default="127.0.0.1:2525", show_default=True, help="Where to take mail.")
@click.option("--domain", default="demo.test", show_default=True, help="Domain whose users have Maildirs.")
@click.option("--user", default=None, help="For root: the unprivileged user that daemons become.")
def new(directory: Path, smtp: str, domain: str, user: str | None) -> None:
    """Write a complete instance below DIRECTORY."""
    try:
        instance.write(directory.absolute(), smtp=smtp, domain=domain, user=user)
    except (OSError, users.UnknownUserError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{directory}: start it with  postfix -c {directory}/etc start")


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--smtp", default="127.0.0.1:2525", show_default=True, help="Where to take mail, if it is new.")
def demo(directory: Path, smtp: str) -> None:
    """Start the instance below DIRECTORY (made if absent) and show one message's way."""
    try:
        for line in demonstration.show(directory.absolute(), smtp=smtp):
            click.echo(line)
    except (demonstration.DemoError, OSError) as error:
        raise click.ClickException(str(error)) from None


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
def end(directory: Path) -> None:
    """Stop the instance that `demo` started for DIRECTORY."""
    sys.exit(demonstration.stop(directory.absolute()))


def main() -> int:
    """The command; returns its exit status."""
    msg.to_stderr("pyfix")
    result = cli(standalone_mode=True)
    return int(result or 0)


if __name__ == "__main__":
    sys.exit(main())
