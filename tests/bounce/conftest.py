"""Started instances, to compare reports with real Postfix's."""

from tests.e2e.instance import instance, instance_directory

__all__ = ["instance", "instance_directory"]
