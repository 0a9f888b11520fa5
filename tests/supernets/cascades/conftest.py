"""The small trained run with an exit of the tests of chosen cascades."""

from tests.nas.cascades.conftest import exiting, trained

__all__ = ["exiting", "trained"]
