"""What `postfix check` says of a configuration."""

import pytest

from pyfix.commands import check_config
from pyfix.config import restriction_names
from pyfix.config.main_cf import MainCf
from pyfix.smtpd import checks

PERMIT, REJECT = " (did you mean permit_mynetworks?)", " (did you mean reject?)"
LIST = "smtpd_recipient_restrictions"
MASTER_CF = "smtp inet n - n - - smtpd\n"
TRANSPORTS = "smtp unix - - n - - smtp\nerror unix - - n - - error\n"


@pytest.fixture
def findings(tmp_path):
    """Lines about a main.cf and master.cf; grave ones begin with an exclamation mark, paths are cut off."""

    def find(main_cf="", master_cf=TRANSPORTS):
        (tmp_path / "main.cf").write_text(main_cf.replace("{tmp}", str(tmp_path)))
        (tmp_path / "master.cf").write_text(MASTER_CF + master_cf)
        found = check_config.findings(MainCf.load(tmp_path))
        return ["!" * f.grave + f.text.replace(f"{tmp_path}/", "") for f in found if "has no effect" not in f.text]

    return find


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("smtpd_timeout = 5s", []),
        ("mynetworks = 10.0.0.0/8 [::1]/128 !192.0.2.1 127.0.0.1 cdb:/c /a/b host.example", []),
        ("mynetworks = 10.0.0.0/33", ['!main.cf, line 1: mynetworks: bad mask length in "10.0.0.0/33"']),
        (
            "mynetworks = !10.0.0.1/8",
            [
                (
                    '!main.cf, line 1: mynetworks: non-null host address bits in "10.0.0.1/8", '
                    'perhaps you should use "10.0.0.0/8" instead'
                )
            ],
        ),
        (
            "mydestination = a.example texthash:{tmp}/none",
            ["!main.cf, line 1: mydestination: open database none: No such file or directory"],
        ),
        (
            "smtpd_client_restrictions = check_client_access { texthash:{tmp}/none, timeout=5 }",
            ["!main.cf, line 1: smtpd_client_restrictions: open database none: No such file or directory"],
        ),
        ("my_own = x\nmyhostname = $my_own", []),
        ("zzz_of_old = x", ["main.cf, line 1: unused parameter: zzz_of_old=x"]),
        (
            "# comment\nsmtpd_banne = x",
            ["!main.cf, line 2: unused parameter: smtpd_banne=x (did you mean smtpd_banner?)"],
        ),
        ("myorigin = $mydomian", ["!main.cf, line 1: undefined parameter: mydomian (did you mean mydomain?)"]),
        ("smtpd_client_restrictions = permit_mynetworks, sleep 1, reject_rbl_client x.y", []),
        ("smtpd_restriction_classes = strict\nstrict = reject\nsmtpd_helo_restrictions = strict", []),
        (
            "smtpd_recipient_restrictions =\n  permit_mynetwork,\n  reject_unauth_destination",
            [
                f'!main.cf, line 1: {LIST}: unknown smtpd restriction: "permit_mynetwork"{PERMIT}',
            ],
        ),
        (
            "smtpd_restriction_classes = strict\nstrict = bang",
            ['!main.cf, line 2: strict: unknown smtpd restriction: "bang"'],
        ),
        (
            "smtpd_sender_restrictions = check_sender_access hsah:/etc/x",
            ["!main.cf, line 1: smtpd_sender_restrictions: unsupported dictionary type: hsah (did you mean hash?)"],
        ),
        (
            "smtpd_restriction_classes = strict\nstrict = check_sender_access texthash:{tmp}/none",
            ["!main.cf, line 2: strict: open database none: No such file or directory"],
        ),
        (
            "default_transport = smpt\ncontent_filter = filter:[::1]:25\nlocal_transport = error:x",
            [
                "!main.cf, line 1: default_transport: no such service in master.cf: smpt (did you mean smtp?)",
                "!main.cf, line 2: content_filter: no such service in master.cf: filter",
            ],
        ),
        (
            "smtpd_sender_restrictions = check_sender_access texthash:{tmp}/none",
            ["!main.cf, line 1: smtpd_sender_restrictions: open database none: No such file or directory"],
        ),
        (
            "virtual_alias_maps = lmbd:/etc/x, static:y",
            ["!main.cf, line 1: virtual_alias_maps: unsupported dictionary type: lmbd (did you mean lmdb?)"],
        ),
        ("mynetworks = 127.0.0.0/8 [::1]/128 !10.0.0.0/8 /etc/networks", []),
        (
            "virtual_alias_maps = texthash:{tmp}/none",
            ["!main.cf, line 1: virtual_alias_maps: open database none: No such file or directory"],
        ),
        ("virtual_alias_maps = texthash:{tmp}/main.cf", []),
    ],
)  # fmt: skip
def test_main_cf(findings, line, found):
    assert findings(line + "\n") == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x unix - - n - - pipe user=x argv=y", []),
        ("x inet n - n - - smtpd -o smtpd_restriction_classes=a,b -o a=b -o b=reject -o smtpd_helo_restrictions=a", []),
        ("x unix - - n - - anvil", ["master.cf, line 2: service x is not available yet"]),
        (
            "x unix - - n - - smptd",
            ["!master.cf, line 2: service x is not available: no such program: smptd (did you mean smtpd?)"],
        ),
        (
            "x inet n - n - - smtpd\n  -o smtpd_client_restrictions=rejct",
            [
                '!master.cf, line 2: smtpd_client_restrictions: unknown smtpd restriction: "rejct"' + REJECT,
            ],
        ),
        (
            "x inet n - n - - smtpd -o smtpd_bannr=x",
            ["!master.cf, line 2: unused parameter: smtpd_bannr=x (did you mean smtpd_banner?)"],
        ),
    ],
)
def test_master_cf(findings, line, found):
    assert findings(master_cf=line + "\n") == found


def test_every_word_that_smtpd_acts_on_is_known():
    assert {*checks.WORDS} - restriction_names.NAMES <= {""}
