"""random_configurations - main.cf and master.cf put together by chance, in what postconf knows and does not know

The same random.Random gives the same files. Left out is what depends on the release or where Debian's 3.7
has a bug: -oNAME=VALUE in one word, a brace in a program's first argument, names that refer to themselves.
"""

import re
from random import Random

NAMES = [
    "myhostname", "mydestination", "relayhost", "mynetworks", "stress", "transport_maps", "virtual_alias_maps",
    "smtpd_timeout", "smtpd_banner", "smtpd_client_restrictions", "smtpd_restriction_classes", "smtpd_reject_footer",
    "forward_path", "mailbox_command", "smtp_helo_timeout", "lmtp_sasl_type",
    "local_destination_recipient_limit", "foo_destination_rate_delay", "sp_time_limit", "pi_time_limit",
    "u1", "u2", "u3", "u4", "c1", "c2", "t1_server_host", "t1_bind", "t2_hosts", "t2_nosuch",
]  # fmt: skip
REFERRED = ["u1", "u2", "u3", "c1", "myhostname", "nosuch", "smtpd_timeout", "t1_bind", "home", "mail_name"]
REFERENCES = [
    "$%s",
    "${%s}",
    "$(%s)",
    "${%s?{a}:{b c}}",
    "${%s:x}",
    "${%s?{$u4}}",
    "${{$%s} == {x} ? {y} : {z}}",
    "$$%s",
]
WORDS = [
    "a", "bb", "permit", "c1", "c2", "hash:/x", "ldap:t1", "mysql:t2", "proxy:ldap:t1", "check_client_access",
    "{ldap:t1}", "inline:{a=b}", "[1.2.3.4]:25", "#x", "=", "a=b", "",
]  # fmt: skip
BREAKS = [" ", ", ", " ", "  ", "\t", ",", "\n ", "\n\t# c\n  ", "\n#c\n "]
SERVICES = ["smtp", "foo", "sp", "pi", "[::1]:25", "127.0.0.1:smtp", "very-long-name-for-a-service", "local", "u"]
PROGRAMS = ["smtpd", "pipe", "spawn", "local", "lmtp", "smtp", "virtual", "error", "discard", "cleanup"]


def main_cf(random: Random) -> str:
    """A main.cf."""
    lines = ["compatibility_level = 3.6\n"]
    before = {"t1_bind"}
    for name in random.sample(NAMES, random.randint(0, 12)):
        value = _value(random)
        if name == "smtpd_restriction_classes":
            value = " ".join(random.choices(["c1", "c2", "u1", "permit"], k=random.randint(0, 4)))
        elif {*re.findall(r"\w+", value)} & {*NAMES} - before:
            value = "x y"
        before.add(name)
        lines.append(f"{random.choice(['# c', '', ' '])}\n{name}{random.choice([' = ', '=', ' ='])}{value}\n")
    return "".join(lines)


def master_cf(random: Random) -> str:
    """A master.cf."""
    services: dict[tuple[str, str], str] = {}
    for _ in range(random.randint(0, 5)):
        name, kind = random.choice(SERVICES), random.choice(["inet", "unix", "unix", "fifo", "pass", "unix-dgram"])
        flags = random.choices("ny-", k=3)
        counts = [random.choice(["-", "60", "1000?"]), random.choice(["-", "0", "100"])]
        fields = random.choice([" ", "   ", "\t"]).join([name, kind, *flags, *counts, random.choice(PROGRAMS)])
        arguments = [
            random.choice([" ", " ", "\n  ", "\n #c\n  "]) + _argument(random)
            for _ in range(random.choice([0, 0, 1, 2, 4, 6]))
        ]
        services[name, kind] = f"{random.choice(['', '# c', ' '])}\n{fields}{''.join(arguments)}\n"
    return "".join(services.values())


def _value(random: Random) -> str:
    words = (_word(random) for _ in range(random.choice([0, 1, 1, 2, 3, 6, 15])))
    return "".join(word if not at else random.choice(BREAKS) + word for at, word in enumerate(words))


def _word(random: Random) -> str:
    if random.random() < 0.4:
        return random.choice(REFERENCES) % random.choice(REFERRED)
    return random.choice([*WORDS, "x" * random.randint(1, 90)])


def _argument(random: Random) -> str:
    name = random.choice(NAMES)
    plain = random.choice(["", "x", "$u1", "$nosuch", "$zz", "a,b", "ldap:t1", "c1"])
    spaced = random.choice(["a b", "$u1 c", "ldap:t1 x", "$u4", " q"])
    options = ["-v", "-D", f"-o {name}={plain}", f"-o {name}={plain}", f"-o {{ {name} = {spaced} }}"]
    others = [
        "a",
        "user=x",
        "a {b c}",
        "$recipient",
        f"argv=/{'y' * random.randint(0, 60)}",
        "x" * random.randint(1, 60),
    ]
    return random.choice(options + others)
