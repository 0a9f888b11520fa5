"""Plans: the time they take, the file they are, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.automation.plan import Entry, Plan, Rung, makespan
from vitnas.automation.planning import FIRST, LEAST_STEPS, SECOND, SHORT_STEPS, SPENT, divide, overhead, rungs_for
from vitnas.errors import SettingsError
from vitnas.search_spaces import load_space


def entries(n: int, role: str = "candidate") -> tuple[Entry, ...]:
    space = load_space("autoformer-mini")
    archs = space.decode(space.genome.enumerate()[:n])
    return tuple(
        Entry(role, "autoformer-mini", 8, arch.to_json(), {"cpu": 1.5}, 0.5, False, 100 + i, 2e-3)  # type: ignore[arg-type]
        for i, arch in enumerate(archs)
    )


def plan(n: int = 4, rungs: tuple[Rung, ...] = (Rung(0.1, 2), Rung(0.3, 1))) -> Plan:
    return Plan(entries(n), rungs, workers=1, threads=1, seed=0, looked_s=60.0)


def test_a_plan_is_its_file(tmp_path):
    plan().write(tmp_path / "plan.toml")
    assert Plan.read(tmp_path / "plan.toml") == plan()


def test_minutes_count_what_each_part_trains():
    minutes = plan().minutes()
    own = [entry.seconds for entry in plan().candidates]
    assert minutes["looking"] == 1.0
    assert minutes["rungs"] == pytest.approx((0.1 * sum(own) + 0.2 * (own[3] + own[2])) / 60)
    assert minutes["training"] == pytest.approx(0.7 * max(own) / 60)


def test_baselines_are_trained_beside_the_winner():
    both = replace(plan(), entries=(*entries(4), *entries(1, "uniform")), workers=2)
    assert both.minutes()["training"] == pytest.approx(
        max(0.7 * both.candidates[3].seconds, both.baselines[0].seconds) / 60
    )


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"entries": entries(1, "uniform")}, "no entry has role = 'candidate'"),
        ({"rungs": (Rung(0.3, 2), Rung(0.1, 1))}, "shares of rungs must rise"),
        ({"rungs": (Rung(0.1, 1), Rung(0.3, 2))}, "`keep` must not"),
        ({"rungs": (Rung(0.1, 2),)}, "2 candidates are left after the last rung"),
        ({"rungs": ()}, "4 candidates are left"),
        ({"entries": (replace(entries(1)[0], steps=0),), "rungs": ()}, "has steps = 0"),
    ],
)
def test_what_cannot_be_followed_is_refused(changed, told, tmp_path):
    replace(plan(), **changed).write(tmp_path / "plan.toml")
    with pytest.raises(SettingsError, match=told) as error:
        Plan.read(tmp_path / "plan.toml")
    assert "plan.toml" in str(error.value)


def test_an_arch_of_another_space_is_refused(tmp_path):
    plan().write(tmp_path / "plan.toml")
    file = tmp_path / "plan.toml"
    file.write_text(file.read_text().replace('space = "autoformer-mini"\nimage_size', 'space = "deit"\nimage_size'))
    with pytest.raises(Exception, match="belongs to space"):
        Plan.read(file)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.integers(1, 6))
def test_work_is_divided_among_workers(seconds, workers):
    found = makespan(seconds, workers)
    least = max(max(seconds), sum(seconds) / workers)
    assert least - 1e-9 <= found <= least * (4 / 3) + 1e-9  # Graham's bound for the longest first


@given(st.floats(10, 1e6), st.integers(1, 12))
def test_rungs_leave_most_of_the_time_to_the_winner(steps, most):
    number = divide(steps, most)
    assert 1 <= number <= most
    spent = overhead(number, rungs_for(number, steps))
    assert spent <= (SPENT if steps >= SHORT_STEPS else 0)


@given(st.floats(10, 1e6), st.integers(2, 12))
def test_whoever_is_compared_has_learned_something(steps, number):
    rungs = rungs_for(number, steps)
    assert rungs[-1].keep == 1
    assert [rung.keep for rung in rungs] == sorted({rung.keep for rung in rungs}, reverse=True)
    assert FIRST <= rungs[0].share <= SECOND
    spent = overhead(number, rungs)
    if spent <= SPENT and rungs[0].share < SECOND:
        assert rungs[0].share * steps / (1 + spent) >= LEAST_STEPS * (1 - 1e-9)


def test_more_time_affords_more_candidates():
    number = [divide(seconds / 0.3, 12) for seconds in (60, 300, 1200, 7200)]
    assert number == sorted(number)
    assert number[0] == 1
    assert number[-1] > 6
