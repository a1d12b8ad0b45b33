import pytest

from pyfix.unix import mounts

MOUNTS = r"""
22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw
30 22 0:26 / /srv/pyfix-my\040mail rw - nfs4 server:/x rw
31 22 0:27 / /srv/pyfix-q rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home", "ext4"), ("/srv/pyfix-q/q", "xfs"), ("/srv/pyfix-qbox", "ext4"), ("/srv/pyfix-my mail", "nfs4")],
)
def test_the_file_system_is_that_of_the_longest_mount_point(tmp_path, path, kind):
    (tmp_path / "mountinfo").write_text(MOUNTS.strip() + "\n")
    assert mounts.file_system(path, str(tmp_path / "mountinfo")) == kind
    assert mounts.file_system(path, str(tmp_path / "none")) == ""
