"""A small trained run and the same with an exit, for the tests of cascades in all rooms."""

from __future__ import annotations

import pytest

from tests.nas.cascades.run_with_exits import exiting_run, trained_run
from vitnas.run import RunFolder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return trained_run(tmp_path_factory.getbasetemp() / "cascades")


@pytest.fixture(scope="session")
def exiting(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return exiting_run(tmp_path_factory.getbasetemp() / "cascades")
