"""What a training does when workers are lost: who goes on, from where, how often, and what is said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import TrainingError
from vitnas.files import only_here
from vitnas.run import RunFolder
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.processes import ray as on_ray
from vitnas.supernets.training.processes.setbacks import Setback, wait_for_lost, wait_for_room
from vitnas.supernets.training.train import train

MakeRun = Callable[..., RunFolder]


def rooms(*free: int) -> Callable[[], int]:
    """What the cluster says each time; the last answer stays."""
    told: Iterator[int] = iter(free)
    return lambda: next(told, free[-1])


def divides(batch: int) -> Callable[[int], bool]:
    return lambda n: batch % n == 0


def test_a_machine_that_comes_back_in_time_is_waited_for() -> None:
    assert wait_for_room(divides(8), rooms(1, 1, 4), 4, patience_s=10, look_s=0.01) == 4
    assert wait_for_room(divides(8), rooms(8), 4, patience_s=0) == 4


@given(st.integers(0, 9), st.integers(1, 8), st.sampled_from([1, 6, 8, 12]))
def test_else_the_most_go_on_that_have_room_and_divide_a_batch(free: int, wanted: int, batch: int) -> None:
    found = wait_for_room(divides(batch), lambda: free, wanted, patience_s=0)
    allowed = [n for n in range(1, 20) if n <= free and n <= wanted and batch % n == 0]
    assert found == max(allowed, default=0)


def test_a_setback_is_read_from_the_files_of_the_run(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run", checkpoint_every=4)
    assert Setback.of(run, 2, 2) == Setback(0, 0, 2, 2)
    train(run, progress=False, until=5)
    (sorted(run.checkpoints.iterdir())[-1]).rename(run.path / "lost")  # it ended before that was written
    found = Setback.of(run, 4, 3)
    assert found == Setback(reached=5, step=4, before=4, workers=3)
    assert found.lost == 1
    assert str(found) == "workers were lost after step 5; 3 of 4 go on from step 4"


def test_who_leads_waits_until_the_lost_one_has_let_go(tmp_path: Path) -> None:
    run, begun, ends = RunFolder(tmp_path), threading.Event(), threading.Event()

    def hold() -> None:
        with only_here(tmp_path, "training"):
            begun.set()
            ends.wait(10)

    lost = threading.Thread(target=hold)
    lost.start()
    begun.wait(10)
    timer = threading.Timer(0.3, ends.set)
    timer.start()
    wait_for_lost(run)
    assert ends.is_set()
    lost.join()
    with only_here(tmp_path, "training"):
        wait_for_lost(run, patience_s=0)  # and not for ever


class Place(on_ray._Place):
    def room(self) -> int:
        return 1


def keep_at_it(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, *failures: Exception | None
) -> tuple[list[Setback], list[int], list[str]]:
    """Setbacks, with how many workers each start was, and what was said, if the starts end like this."""
    starts: list[int] = []
    said: list[str] = []
    ends = iter(failures)

    def fit(place: on_ray._Place, workers: int, attempt: int, patience_s: float) -> Exception | None:
        assert attempt == len(starts)
        starts.append(workers)
        return next(ends)

    monkeypatch.setattr(on_ray, "_fit", fit)
    settings = TrainSettings(batch_size=16)
    place = Place(run, run.path, 1, False)
    return list(on_ray._keep_at_it(place, 2, settings, said.append, 0.0)), starts, said


def test_fewer_workers_go_on_and_it_is_said_in_a_line(
    tmp_path: Path, small_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_run(tmp_path / "run")
    train(run, progress=False, until=3)
    setbacks, starts, said = keep_at_it(run, monkeypatch, RuntimeError("a node"), None)
    assert setbacks == [Setback(3, 3, 2, 1)]
    assert starts == [2, 1]
    assert said == ["note: workers were lost after step 3; 1 of 2 go on from step 3"]  # one process made it


def test_after_some_losses_the_training_ends(
    tmp_path: Path, small_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_run(tmp_path / "run")
    with pytest.raises(TrainingError, match=r"stopped: node 4; go on from the last checkpoint with --resume"):
        keep_at_it(run, monkeypatch, *(RuntimeError(f"node {i}") for i in range(1, 5)))


def test_without_room_for_any_worker_it_ends(
    tmp_path: Path, small_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Place, "room", lambda self: 0)
    with pytest.raises(
        TrainingError, match="the cluster has room for no worker that a batch of 16 images divides among"
    ):
        keep_at_it(small_run(tmp_path / "run"), monkeypatch, RuntimeError("a node"))
