"""The small trained run of the search's tests, for the functions that start from one."""

from tests.nas.conftest import trained

__all__ = ["trained"]
