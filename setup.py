"""setup - installs conf/bin/sendmail by the names of all commands; the rest is in pyproject.toml

They are no links to it in the tree: of an archive in zip form pip makes files of those, with the name of their target
in them.
"""

import os
import shutil

from setuptools import setup  # first: it brings distutils

from distutils.command.build_scripts import build_scripts  # isort: skip

NAMES = [
    *("mailq", "newaliases", "postalias", "postcat", "postconf", "postdrop", "postfix", "postkick", "postlock"),
    *("postlog", "postmap", "postmulti", "postqueue", "postsuper", "pyfix", "qshape"),
]
"""Besides its own."""


class ByAllNames(build_scripts):
    """What is there of scripts when they have been built, is installed."""

    def run(self) -> None:
        super().run()
        for name in NAMES:
            shutil.copy2(os.path.join(self.build_dir, "sendmail"), os.path.join(self.build_dir, name))


if __name__ == "__main__":
    setup(cmdclass={"build_scripts": ByAllNames})
