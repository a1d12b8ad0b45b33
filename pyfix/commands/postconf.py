"""postconf - shows and changes what main.cf and master.cf say

    postconf [-dfhHjnpqvx] [-C class,...] [-c dir] [-o name=value] [name...]
    postconf [-e] [-pv] [-c dir] name=value...  change, or add at the end
    postconf -X name... / postconf -# name...   remove, or comment out
    postconf -M, -F, -P                         services of master.cf, their fields, their settings
    postconf -a, -A, -l, -m                     SASL types of servers and clients, ways to lock, table types
    postconf -b [file] / postconf -t [file]     the words of bounces, with their $names expanded or as they are
    postconf -T mode                            what the TLS library is
    postconf --explain name...                  what a parameter is, for people

Exit status: 0; 1 for a wrong command line or file. Names that nobody knows are only worth a warning.
Sources: postconf(1).
"""

import io
import sys
from collections.abc import Callable, Iterable, Sequence

from pyfix.commands import mail_conf
from pyfix.commands.postconf_print import shown
from pyfix.config.catalog import CLASSES, Catalog
from pyfix.config.expand import Expander, ExpandError
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import read_lines
from pyfix.config.master_entry import Entry
from pyfix.config.param import Raw
from pyfix.config.syntax import BadConfig, split_setting
from pyfix.unix import msg, stdio

LETTERS = "aAbc:C:defFhHjlmMno:pPqtT:vxX#"
USAGE = (
    "usage: postconf [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] [-c config_dir] "
    "[-C param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] "
    "[-F (master.cf fields)] [-h (no names)] [-H (no values)] [-j (JSON output)] [-l (lock types)] [-m (map types)] "
    "[-M (master.cf)] [-n (non-default parameters)] [-o name=value (override parameter value)] "
    "[-p (main.cf, default)] [-P (master.cf parameters)] [-q (quiet)] [-t (bounce templates)] "
    "[-T compile-version|run-version|public-key-algorithms] [-v (verbose)] [-x (expand parameter values)] "
    "[-X (exclude)] [-# (comment-out)] [--explain] [name...]"
)
ORDER = "aAbdeEfFhHjlmMnopPtTxX#"  # of options in messages
EXCLUSIVE = ("aAblFmMpPtTE", "e#X", "den#X", "fe#X", "xe#X", "oe#X", "hHe#X", "do")
# Options that a kind of request does not take.
NOT_WITH = dict.fromkeys("aAblmtTE", "defhHjnoxX#") | {"M": "dhHn", "F": "dnX#", "P": "dn#", "j": "efhHX#"}
LOCKS = ("flock", "fcntl", "dotlock")


class Options:
    """The command line, taken apart."""

    def __init__(self, found: list[tuple[str, str]], operands: list[str]) -> None:
        self.letters = {letter for letter, _ in found}
        values = dict(found)
        self.directory = values.get("c") or mail_conf.from_environment()
        self.classes = [word for letter, text in found if letter == "C" for word in _classes(text)]
        self.overrides = [_override(value) for letter, value in found if letter == "o"]
        self.tls = [value for letter, value in found if letter == "T"]
        self.operands = operands
        if operands and "=" in operands[0] and not self.letters & {*"aAbElmtT"}:
            self.letters.add("e")

    def __contains__(self, letter: str) -> bool:
        return letter in self.letters

    @property
    def master_cf(self) -> str:
        """Where master.cf is."""
        return f"{self.directory}/master.cf"

    @property
    def master_mode(self) -> str:
        """M, F or P when this is about master.cf."""
        return next((mode for mode in "MFP" if mode in self.letters), "")


def main(argv: Sequence[str] | None = None) -> int:
    """The postconf command; argv with its name, None for the process's own."""
    words = list(sys.argv if argv is None else argv)
    if argv is None:
        stdio.prepare()
    found, operands = mail_conf.begin([word for word in words if word != "--explain"], "postconf", LETTERS, USAGE)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        options = Options([*found, *(("E", "") for word in words if word == "--explain")], operands)
        _refuse_contradictions(options)
        _action(options)(options)
        sys.stdout.flush()
    except BadConfig as problem:
        sys.stdout.flush()
        msg.fatal(str(problem))
    except ExpandError as problem:
        sys.stdout.flush()
        msg.warning(str(problem))
        msg.fatal("macro processing error")
    return 0


def _action(options: Options) -> "Callable[[Options], None]":
    """What the options ask for."""
    return next((action for letter, action in ACTIONS.items() if letter in options), show)


def _override(text: str) -> tuple[str, str]:
    try:
        return split_setting(text)
    except ValueError as e:
        raise BadConfig(f"invalid parameter override: {text}: {e}") from None


def _classes(text: str) -> Sequence[str]:
    words = [word for word in text.replace(",", " ").split() if word]
    for word in words:
        if word not in {*CLASSES, "all"}:
            raise BadConfig(f'unknown -C option value "{word}" in "{text}"')
    return CLASSES if "all" in words else words


def _refuse_contradictions(options: Options) -> None:
    if "b" in options and "t" in options:
        raise BadConfig("specify one of -b and -t")
    for group in EXCLUSIVE:
        if len(chosen := [letter for letter in ORDER if letter in options and letter in group]) > 1:
            raise BadConfig(f"specify one of {_listed_options(chosen, ', ')}")
    for mode, others in NOT_WITH.items():
        if mode in options and (chosen := [letter for letter in ORDER if letter in options and letter in others]):
            raise BadConfig(f"with option {_listed_options([mode])}, do not specify {_listed_options(chosen)}")


def _listed_options(letters: Sequence[str], separator: str = " ") -> str:
    return separator.join("--explain" if letter == "E" else f"-{letter}" for letter in letters)


# Editing.


def edit_values(options: Options) -> None:
    """-e: set values."""
    from pyfix.commands import postconf_edit

    postconf_edit.set_values(options.master_mode, options.operands, options.directory)


def remove(options: Options) -> None:
    """-X: remove settings."""
    from pyfix.commands import postconf_edit

    postconf_edit.drop(options.master_mode, options.operands, options.directory)


def comment_out(options: Options) -> None:
    """-#: leave settings as comments."""
    from pyfix.commands import postconf_edit

    postconf_edit.drop(options.master_mode, options.operands, options.directory, comment=True)


# Showing.


def show(options: Options) -> None:
    """Values of the names given, else of all; warnings about names follow."""
    if "d" in options:  # what main.cf says does not count
        main = MainCf.from_text("")
        _show_names(options, main, Catalog(main, _entries_or_none(options)))
        return
    main = MainCf.load(options.directory, options.overrides)
    catalog = Catalog(main, _entries_or_none(options))
    _warn(catalog.undefined(strict=True))
    _show_names(options, main, catalog)
    if "q" not in options:
        _warn(catalog.unused())


def show_master(options: Options) -> None:
    """-M, -F, -P: of master.cf."""
    from pyfix.commands import postconf_master

    main = MainCf.load(options.directory, options.overrides)
    entries = _entries(options)
    catalog = Catalog(main, entries)
    _warn(catalog.undefined(strict=True))
    postconf_master.show(options.master_mode, options.operands, options.letters, catalog.values, entries)
    if "q" not in options:
        _warn(catalog.unused(main=False))


def _warn(complaints: Iterable[str]) -> None:
    for complaint in complaints:
        msg.warning(complaint)


def _entries(options: Options) -> list[Entry]:
    return [Entry(line) for line in read_lines(options.master_cf)]


def _entries_or_none(options: Options) -> list[Entry]:
    """The services; a master.cf that can't be read is only worth a warning."""
    try:
        lines = read_lines(options.master_cf)
    except BadConfig as problem:
        msg.warning(str(problem))
        return []
    return [Entry(line) for line in lines]


def _show_names(options: Options, main: MainCf, catalog: Catalog) -> None:
    for name in options.operands or _listed(options, catalog):
        if not catalog.knows(name) or ("d" in options and catalog.default(name) is None):
            msg.warning(f"{name}: unknown parameter")
        elif "n" not in options or _is_set(main, catalog, name):
            print(shown(options.letters, name, _value(options, main, catalog, name)))


def _listed(options: Options, catalog: Catalog) -> list[str]:
    """Names to show when none are given: of the classes asked for. Those of users have no defaults."""
    classes = options.classes or CLASSES
    return catalog.names(found for found in classes if "d" not in options or found != "user")


def _is_set(main: MainCf, catalog: Catalog, name: str) -> bool:
    if name == "config_directory":
        return main.config_dir != catalog.default(name)
    return main.raw(name) is not None


def _value(options: Options, main: MainCf, catalog: Catalog, name: str) -> str:
    text = main.unexpanded(name)
    if text is None:
        text = catalog.default(name) or ""
    raw = "x" not in options or isinstance(catalog.parameter(name), Raw)
    return text if raw else Expander(catalog.values.unexpanded).text(text)


# Lists, and what else there is.


def show_texts(options: Options) -> None:
    """-b: what a report says, the $names expanded."""
    from pyfix.commands import postconf_bounce

    postconf_bounce.show_texts(options.directory, options.operands)


def show_templates(options: Options) -> None:
    """-t: the templates as they are written."""
    from pyfix.commands import postconf_bounce

    postconf_bounce.show_templates(options.directory, options.operands)


def show_sasl_servers(_: Options) -> None:
    """-a: the types of SASL that servers speak; there is none yet."""


def show_sasl_clients(_: Options) -> None:
    """-A: the types of SASL that clients speak."""
    from pyfix.sasl.client import TYPES

    print("\n".join(TYPES))


def show_types(options: Options) -> None:
    """-m: the types of lookup tables."""
    from pyfix.maps.open import TYPES

    mail_conf.load(options.directory)
    print("\n".join(sorted(TYPES)))


def show_locks(_: Options) -> None:
    """-l: the ways to lock a mailbox."""
    print("\n".join(LOCKS))


def show_tls(options: Options) -> None:
    """-T: what the TLS library is."""
    from pyfix.commands import postconf_tls

    postconf_tls.show(options.tls[-1])


def explain(options: Options) -> None:
    """--explain: what parameters are."""
    from pyfix.commands import postconf_explain

    main = MainCf.load(options.directory)
    postconf_explain.show(main, _entries_or_none(options), options.operands)


ACTIONS: "dict[str, Callable[[Options], None]]" = {
    "E": explain,
    "a": show_sasl_servers,
    "A": show_sasl_clients,
    "b": show_texts,
    "t": show_templates,
    "T": show_tls,
    "m": show_types,
    "l": show_locks,
    "e": edit_values,
    "X": remove,
    "#": comment_out,
    "M": show_master,
    "F": show_master,
    "P": show_master,
}

if __name__ == "__main__":
    sys.exit(main())
