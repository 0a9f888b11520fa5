"""What picks give up is said in words that hold the figures."""

from __future__ import annotations

from tests.nas.pareto.test_picks import BENT, front
from vitnas.nas.objectives import Objective
from vitnas.reporting.picks import chosen_text, describe_picks, trade_text
from vitnas.reporting.terminal.fronts import describe_front, print_front


def test_a_trade_has_its_error_and_its_gain() -> None:
    found = front(*BENT, errors={"accuracy": 0.01})
    top = found.points[2].arch.id
    assert (
        trade_text(found, found.points[1]) == f"gives up 5.0 ± 1.4 points of accuracy for 67 % less latency than {top}"
    )
    assert trade_text(found, found.points[2]) == "the highest top-1 accuracy of the front"


def test_what_lies_within_the_error_is_said_to() -> None:
    found = front((0.94, 4.0), (0.95, 6.0), errors={"accuracy": 0.01, "latency_ms": 1.0})
    text = trade_text(found, found.points[0])
    assert text.startswith("gives up 1.0 ± 1.4 points of accuracy (within the error) for 33 % less latency (within")
    bare = front((0.94, 4.0), (0.95, 6.0))
    assert trade_text(bare, bare.points[0]).startswith("gives up 1.0 points of accuracy for 33 % less latency than")


def test_other_objectives_have_their_own_words() -> None:
    score = (Objective.named("score"), Objective.named("num_params"))
    found = front((0.5, 2e6), (0.9, 4e6), objectives=score)
    assert trade_text(found, found.points[0]).startswith("gives up 0.4 of score for 50 % less parameters than")
    costs = (Objective.named("latency_ms"), Objective.named("num_params"))
    both = front((1.0, 4e6), (2.0, 2e6), objectives=costs)
    assert trade_text(both, both.points[1]).startswith("gives up 1 ms of latency for 50 % less parameters than")
    assert trade_text(both, both.points[0]) == "the lowest latency of the front"


def test_a_choice_says_when_there_is_no_knee() -> None:
    found = front((0.94, 4.0), (0.95, 6.0), errors={"accuracy": 0.01})
    text = chosen_text(found, "knee", found.pick("knee"))
    assert text.startswith(
        "the least costly arch whose accuracy cannot be told from the best (there is no knee: the whole"
    )
    assert "2 points in 2 distinguishable groups" in text
    assert chosen_text(found, "0", found.points[0]).startswith("one arch, on a front of 2 points")


def test_the_table_shows_groups_and_picks(capsys) -> None:
    close = front((0.70, 1.0), (0.90, 3.9), (0.905, 4.0), (0.95, 9.0), errors={"accuracy": 0.01, "latency_ms": 0.2})
    data = describe_front(close)
    assert [p["group"] for p in data["points"]] == [0, 1, 1, 2]
    print_front(data)
    out = capsys.readouterr().out
    rows = out.splitlines()
    assert "group" in rows[0]
    assert "90.50 ± 1.00%" in out
    assert "4 points, 3 distinguishable groups: archs of one group differ by no more than their errors allow" in out
    assert f"knee {close.knee().arch.id}: gives up 4.5 ± 1.4 points of accuracy for 56 % less latency" in out
    print_front(describe_front(front(*BENT)))
    out = capsys.readouterr().out
    assert "group" not in out.splitlines()[0]
    assert "the error of accuracy, latency_ms is not known" in out


def test_counted_objectives_need_no_error() -> None:
    from dataclasses import replace

    found = front(*BENT, errors={"accuracy": 0.01})
    assert describe_picks(found)["no_error"] == ["latency_ms"]
    counted = [replace(p, provenance={"accuracy": "measured", "latency_ms": "counted"}) for p in found.points]
    assert describe_picks(replace(found, points=tuple(counted)))["no_error"] == []
