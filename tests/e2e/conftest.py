"""Fixtures of the scenarios."""

from tests.e2e.instance import instance, instance_directory, other_user

__all__ = ["instance", "instance_directory", "other_user"]
