"""Plans: the time they take, the file they are, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.automation.plan import Entry, Plan, Rung, makespan
from vitnas.automation.planning import FIRST, LAST_FIRST, LEAST_STEPS, SHORT_STEPS, SPENT, SPENT_SHORT, divide, overhead
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


@given(st.floats(10, 1e5), st.floats(0.01, 5), st.integers(1, 12))
def test_rungs_leave_most_of_the_time_to_the_winner(network_s, step_s, most):
    number, rungs = divide(network_s, step_s, most)
    assert 1 <= number <= most
    spent = overhead(number, rungs)
    assert spent <= (SPENT if network_s / step_s >= SHORT_STEPS else SPENT_SHORT)
    if number > 1:
        assert rungs[-1].keep == 1
        assert FIRST <= rungs[0].share <= LAST_FIRST
        assert rungs[0].share * network_s / (1 + spent) / step_s >= LEAST_STEPS * (1 - 1e-9)


def test_more_time_affords_more_candidates():
    number = [divide(seconds, 0.3, 12)[0] for seconds in (60, 300, 1200, 7200)]
    assert number == sorted(number)
    assert number[0] == 1
    assert number[-1] > 6
