from __future__ import annotations

import os
import socket
import threading
import time

import numpy as np
import pytest

from vitnas.errors import DataError, SearchError
from vitnas.nas.execution import make_executor
from vitnas.nas.execution.executor import Executor, Outcome, SerialExecutor
from vitnas.nas.execution.ray import RayExecutor


@pytest.fixture(scope="module")
def ray_workers():
    with RayExecutor(4) as owner:
        list(owner.map(str, [1]))  # starts the cluster; its worker keeps one core
        with RayExecutor(2) as executor:
            yield executor


@pytest.fixture(params=["serial", pytest.param("ray", marks=pytest.mark.ray)])
def executor(request) -> Executor:
    return SerialExecutor() if request.param == "serial" else request.getfixturevalue("ray_workers")


def test_results_come_in_the_order_of_the_items(executor):
    def slow_first(x):
        time.sleep(0.2 if x == 0 else 0)
        return x * x

    assert [o.get() for o in executor.map(slow_first, range(12))] == [x * x for x in range(12)]
    assert [o.get() for o in executor.map(slow_first, range(3))] == [0, 1, 4]  # the same workers again


def test_every_item_is_answered_once(executor):
    assert sorted(i for i, _ in executor.as_completed(lambda x: x, range(20))) == list(range(20))


def test_no_items_no_results(executor):
    assert list(executor.map(str, [])) == []


def test_another_function_is_another_function(executor):
    assert [o.get() for o in executor.map(lambda x: x + 1, [1])] == [2]
    assert [o.get() for o in executor.map(lambda x: x + 2, [1])] == [3]


def test_failing_items_are_tried_three_times_and_stop_nobody(executor, tmp_path):
    def touchy(x):
        with (tmp_path / str(x)).open("a") as log:
            log.write("x")
        if x == 1:
            raise RuntimeError("no luck")
        if x == 2:
            raise DataError("no data; bring some")
        return x

    found = list(executor.map(touchy, range(4)))
    assert [o.error is None for o in found] == [True, False, False, True]
    assert "RuntimeError: no luck (in touchy, line" in found[1].error
    assert found[2].error == "DataError: no data; bring some"
    assert [len((tmp_path / str(x)).read_text()) for x in range(4)] == [1, 3, 3, 1]
    assert [o.tries for o in found] == [1, 3, 3, 1]
    with pytest.raises(SearchError, match="given up after 3 tries: RuntimeError: no luck"):
        found[1].get()


def test_an_item_that_fails_once_succeeds_after_all(executor, tmp_path):
    def moody(x):
        if not (tmp_path / "tried").exists():
            (tmp_path / "tried").touch()
            raise OSError("not now")
        return x

    assert next(iter(executor.map(moody, [5]))).get() == 5


@pytest.mark.ray
def test_item_of_a_worker_that_dies_is_not_lost(ray_workers, tmp_path):
    def deadly(x):
        if x == 3 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(1)
        return x

    assert [o.get() for o in ray_workers.map(deadly, range(6))] == list(range(6))
    assert (tmp_path / "died").exists()


@pytest.mark.ray
def test_item_that_kills_every_worker_is_given_up(ray_workers):
    def poisoned(x):
        if x == 0:
            os._exit(1)
        return x

    first, *others = ray_workers.map(poisoned, range(4))
    assert first.tries == 3
    assert "worker died" in first.error
    assert [o.get() for o in others] == [1, 2, 3]


@pytest.mark.ray
def test_worker_that_hangs_is_replaced(ray_workers, tmp_path):
    def hang_once(x):
        if x == 0 and not (tmp_path / "hung").exists():
            (tmp_path / "hung").touch()
            time.sleep(1000)
        return x

    impatient = RayExecutor(1, timeout_s=1.5)  # joins the cluster that is there
    assert [o.get() for o in impatient.map(hang_once, range(3))] == [0, 1, 2]
    impatient.close()
    assert next(ray_workers.map(str, [1])).get() == "1"  # which it did not end


@pytest.mark.ray
def test_workers_compute_with_one_thread_and_leave_ours_alone(ray_workers):
    before = os.environ.get("OMP_NUM_THREADS")
    found = next(ray_workers.map(lambda _: os.environ["OMP_NUM_THREADS"], [0])).get()
    assert (found, os.environ.get("OMP_NUM_THREADS")) == ("1", before)


@pytest.mark.ray
def test_a_caller_that_stops_listening_frees_the_workers(ray_workers):
    results = ray_workers.map(lambda x: time.sleep(0 if x == 0 else 1000), range(2))
    next(results)
    results.close()
    assert next(ray_workers.map(str, [1])).get() == "1"


@pytest.mark.ray
def test_what_cannot_be_sent_is_a_clear_error(ray_workers):
    lock = threading.Lock()
    with pytest.raises(SearchError, match="cannot be sent to workers"):
        list(ray_workers.map(lambda x: lock, [1]))


@pytest.mark.ray
def test_more_workers_than_cores_are_refused(ray_workers):
    assert next(ray_workers.map(str, [1])).get() == "1"
    with pytest.raises(SearchError, match="9 workers need as many cores, the Ray cluster has 4"):
        list(RayExecutor(9).map(str, [1]))


@pytest.mark.ray
def test_arrays_in_the_function_are_shared_and_not_copied(ray_workers):
    held = np.arange(1_000_000)

    def look(_):
        return os.getpid(), held.flags.writeable, held.flags.owndata, int(held[-1])

    found = [outcome.get() for outcome in ray_workers.map(look, range(4))]
    assert os.getpid() not in {pid for pid, *_ in found}
    assert {tuple(rest) for _, *rest in found} == {(False, False, 999_999)}


@pytest.mark.ray
def test_workers_that_cannot_start_are_a_clear_error(ray_workers):
    class Unwelcome:
        def __reduce__(self):
            return os.strerror, ("no number",)  # fails where it is unpacked

    with pytest.raises(SearchError, match="workers do not start"):
        list(ray_workers.map(Unwelcome(), [1]))


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["closed", "silent", "unknown"])
def test_a_cluster_that_does_not_answer_is_told_soon(kind):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        if kind == "silent":
            listening.listen(1)
        address = f"no-such-host.invalid:{port}" if kind == "unknown" else f"127.0.0.1:{port}"
        start = time.monotonic()
        with pytest.raises(SearchError, match=f"'{address}' does not answer.*--workers 1"):
            list(RayExecutor(1, address).map(str, [1]))
        assert time.monotonic() - start < 15


def test_serial_is_the_default():
    assert isinstance(make_executor(1), SerialExecutor)
    assert isinstance(make_executor(2), RayExecutor)
    assert isinstance(make_executor(1, timeout_s=1.0), RayExecutor)
    with pytest.raises(SearchError, match="0 workers"):
        RayExecutor(0)
    assert Outcome(3, None, 0.1, 1).get() == 3
