"""sendmail_options - the command line of sendmail

    options = Options()
    operands = parse(words, options)      Stop: it can't be

Options of the original that mean nothing here are passed over. Imports nothing: sendmail is called in loops.

Sources: sendmail(1), commands sheet.
"""

import posix as os  # os itself would be a tenth of what sendmail takes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Stop(Exception):
    """A fatal error; str() says why, with ? before it where it is getopt(3)'s word."""


WITH_VALUE = frozenset("ABCFLNORVXbefhopqr")
WITHOUT = frozenset("GIUcimntvx")
MODES = {
    "bh": ("", ""),  # there are no host statuses
    "bd": ("daemon mode", "postfix"),
    "bl": ("daemon mode", "postfix"),
    "bs": ("stand-alone mode", "smtpd"),
    "bp": ("display queue mode", "list"),
    "bi": ("alias initialization mode", "aliases"),
    "q": ("flush queue mode", "flush"),
    "qR": ("flush site", "site"),
    "qI": ("flush queue_id", "one"),
}
NAMES = {"mailq": "bp", "newaliases": "bi", "smtpd": "bd"}
NOTIFY = {"never": 1, "success": 2, "failure": 4, "delay": 8}
ENVID_LIMIT = 100  # bytes, RFC 3461 section 4.4
RET = {"full": 1, "hdrs": 2}
REQUIRETLS = 32
SENDOPTS = {"smtputf8": 1, "requiretls": REQUIRETLS}
VERP = frozenset("-=+")


def from_environment(name: str, default: str = "") -> str:
    """The value of a variable that was set when the command began, or the default."""
    value = os.environ.get(name.encode())
    return default if value is None else value.decode("utf-8", "surrogateescape")


class Options:
    """What the command line says."""

    def __init__(self) -> None:
        self.mode = ""
        self.flush = {"R": "", "I": ""}
        """The site of -qR and the queue id of -qI."""
        self.aliases = ""
        """The alias database of -bi, in place of alias_database."""
        self.probe = False
        self.extract = False
        self.dot_ends = True
        self.sender: str | None = None
        self.full_name: str | None = None
        self.encoding = ""
        self.envelope_id = ""
        self.notify = 0
        self.ret = 0
        self.verp: str | None = None
        self.context = "local"
        self.sendopts = 0
        self.requiretls: list[str] = []
        """The -O options that say so, or that it is not wanted."""
        self.verbose = 0
        self.said: list[str] = []
        """What the caller and the log are told, with severity words."""
        self.directory = from_environment("MAIL_CONFIG", "/etc/postfix")
        self.nothing = False
        """Do as if it had been done (-q with a time)."""

    def warn(self, text: str) -> None:
        """Something that is worked around."""
        self.said.append(f"warning: {text}")

    def ignored(self, name: str) -> None:
        """An option that means nothing here."""
        if self.verbose:
            self.said.append(f"-{name} option ignored")


def scan(words: list[str], options: Options) -> list[str]:
    """Take only the directory out of the options; returns getopt(3)'s complaints. The values of options may differ from
    those that parse() finds: this pass does not know what -V once was.
    """
    complaints: list[str] = []
    at = 0
    while at < len(words) and words[at] != "--" and _is_option(words[at]):
        if words[at] == "-q":
            at += 1
            continue
        found, at = _letters(words, at)
        for letter, value in found:
            if letter == "?":
                complaints.append(value)
            elif letter == "C":
                options.directory = _directory(value)
    return complaints


def parse(words: list[str], options: Options) -> list[str]:
    """Set what the options say; returns the operands, which begin with the first word that is no option. Stop."""
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            return words[at + 1 :]
        if not _is_option(word):
            break
        if word == "-q":
            options.mode = "q"
            at += 1
        elif _means_verp(word, words[at + 1 : at + 2]):
            options.warn(deprecated(word[2:]))
            _verp(options, word[2:])
            at += 1
        else:
            found, at = _letters(words, at)
            for letter, value in found:
                if letter in FLAGS:
                    FLAGS[letter](options, value)
                else:
                    options.ignored(letter)
    return words[at:]


def _is_option(word: str) -> bool:
    return word[:1] == "-" and word != "-"


def _means_verp(word: str, rest: list[str]) -> bool:
    """Whether this is -V as it once was: two characters are too few for an envelope id. rest: the next word, if any.

    Of two characters in a word of their own Postfix makes a recipient.
    """
    value = word[2:] if len(word) > 2 else "".join(rest)
    return word[:2] == "-V" and _bytes_of(value) == 2


def _bytes_of(value: str) -> int:
    return len(value.encode("utf-8", "surrogateescape"))


def _letters(words: list[str], at: int) -> tuple[list[tuple[str, str]], int]:
    """The options in the word at this place, with their values, and where the next word is; a complaint is a "?"."""
    found: list[tuple[str, str]] = []
    word = words[at]
    at += 1
    for place in range(1, len(word)):
        letter = word[place]
        if letter in WITHOUT:
            found.append((letter, ""))
        elif letter not in WITH_VALUE:
            found.append(("?", f"invalid option -- '{letter}'"))
        elif word[place + 1 :]:
            found.append((letter, word[place + 1 :]))
            break
        elif at == len(words):
            found.append(("?", f"option requires an argument -- '{letter}'"))
        else:
            found.append((letter, words[at]))
            at += 1
    return found, at


def _complain(_: Options, complaint: str) -> None:
    raise Stop(f"?{complaint}")


def _mode(options: Options, value: str) -> None:
    kind = value[:1]
    if kind in {"h", "H"}:
        options.mode = "bh"
    elif kind == "v":
        options.probe = True
    elif f"b{kind}" in MODES:
        options.mode = f"b{kind}"
    elif kind == "m":
        options.mode = ""
    else:
        raise Stop(f"unsupported: -b{kind}")


def _aliases(options: Options, _: str) -> None:
    options.mode = "bi"


def _queue(options: Options, value: str) -> None:
    kind, name = value[:1], value[1:]
    if kind.isdecimal():
        options.nothing = True
    elif kind not in options.flush:
        raise Stop(f"-q{kind} is not implemented")
    elif name:
        options.flush[kind] = name
    else:
        raise Stop("specify: -qRsitename" if kind == "R" else "specify: -qIqueueid")


def _encoding(options: Options, value: str) -> None:
    known = {"8BITMIME": "8bit", "7BIT": "7bit"}
    if value not in known:
        raise Stop("-B option needs 8BITMIME or 7BIT")
    options.encoding = known[value]


def _directory(value: str) -> str:
    """A directory, or that of a main.cf."""
    directory, _, name = value.rpartition("/")
    return (directory or ".") if name == "main.cf" else value


def _sender(options: Options, value: str) -> None:
    options.sender = value


def _full_name(options: Options, value: str) -> None:
    options.full_name = value


def _gateway(options: Options, _: str) -> None:
    options.context = "remote"


def _keep_dots(options: Options, _: str) -> None:
    options.dot_ends = False


def _not_supported(_: Options, __: str) -> None:
    raise Stop("-n option not supported")


def _extract(options: Options, _: str) -> None:
    options.extract = True


def _verbose(options: Options, _: str) -> None:
    options.verbose += 1


def _notify(options: Options, value: str) -> None:
    words = value.replace(",", " ").split()
    unknown = [word for word in words if word.lower() not in NOTIFY]
    for word in unknown:
        options.warn(f'unknown DSN NOTIFY command value "{word}" in "{value}"')
    mask = sum({NOTIFY.get(word.lower(), 0) for word in words})
    if unknown or not mask or (mask & 1 and mask != 1):
        options.warn(f"bad -N option value: '{value}' -- ignored")
    else:
        options.notify = mask


def _ret(options: Options, value: str) -> None:
    options.ret = RET.get(value.lower(), 0)
    if not options.ret:
        options.warn("bad -R option value -- ignored")


def _envelope_id(options: Options, value: str) -> None:
    if _bytes_of(value) > ENVID_LIMIT:
        options.warn("too long -V option value -- ignored")
    elif not value or not value.isascii() or not value.isprintable():
        options.warn("bad syntax in -V option value -- ignored")
    else:
        options.envelope_id = value


def deprecated(verp: str) -> str:
    """(warning) -V once meant what -XV means now. verp: the two characters behind it, or "" for none."""
    return f"option -V{verp} is deprecated with Postfix 2.3; specify -XV{verp} instead"


def _special(options: Options, value: str) -> None:
    if value[:1] != "V":
        raise Stop(f"unsupported: -X{value[:1]}")
    _verp(options, value[1:])


def _verp(options: Options, value: str) -> None:
    if value and (len(value) != 2 or not VERP.issuperset(value)):
        raise Stop("-V requires two characters from -=+")
    options.verp = value


def _old(options: Options, value: str) -> None:
    if value[:1] == "i":
        options.dot_ends = False
    elif value[:1] == "A":
        if value == "A":
            raise Stop("-oA requires pathname")
        options.aliases = value[1:]
    elif value[:1] != "m":
        options.ignored(f"o{value[:1]}")


def _set(options: Options, value: str) -> None:
    name, _, word = value.partition("=")
    bit = SENDOPTS.get(name.strip().lower(), 0)
    word = word.strip().lower()
    if word == "yes":
        options.sendopts |= bit
    elif word == "no":
        options.sendopts &= ~bit
    elif bit or not value:
        options.warn(f"bad -O option: '{value}' -- ignored")
        return
    if bit == REQUIRETLS:
        options.requiretls.append(value)


FLAGS: "dict[str, Callable[[Options, str], None]]" = {
    "?": _complain,
    "B": _encoding,
    "F": _full_name,
    "G": _gateway,
    "I": _aliases,
    "N": _notify,
    "O": _set,
    "R": _ret,
    "V": _envelope_id,
    "X": _special,
    "b": _mode,
    "f": _sender,
    "i": _keep_dots,
    "n": _not_supported,
    "o": _old,
    "q": _queue,
    "r": _sender,
    "t": _extract,
    "v": _verbose,
}
