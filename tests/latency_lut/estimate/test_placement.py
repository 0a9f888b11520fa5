"""The placement flag: rules that known networks bear out raise it, others are notes, and it says how often it is right."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from vitnas.cli import app
from vitnas.latency_lut.estimate import Op, load_model, placement
from vitnas.latency_lut.estimate.evidence import flag
from vitnas.latency_lut.estimate.placement import RULES, Flag, Support, traits
from vitnas.latency_lut.estimate.published import PublishedRow

CONV = Op("conv", "conv2d", (1, 64, 28, 28), 64 * 784 * 576, 64 * 784, 64 * 784, 64 * 576, inner=576, kernel=3)
HARD = dataclasses.replace(CONV, activation="hardswish")
POOL = Op("pool", "avg_pool2d", (1, 8, 4, 4), read=2048, written=128, kernel=4, stride=4)
BELIEVED = dict.fromkeys(RULES, Support(fits=5))


def scores(heads, tokens):
    shape = (1, heads, tokens, tokens)
    return Op("softmax", "softmax", shape, read=heads * tokens**2, written=heads * tokens**2)


MEANT = [
    (HARD, "hard", "hard-swish"),
    (Op("move", "roll", (1, 56, 56, 96)), "roll", "shifted windows"),
    (Op("move", "permute", (1, 8, 7, 8, 7, 96), rank=6), "axes", "more than 5 axes"),
    (scores(3, 197), "tokens", "196 or more tokens"),
    (Op("move", "gather", (1, 5, 5)), "gather", "gathering"),
    (Op("pool", "avg_pool2d", (1, 8, 4, 4), kernel=14, stride=1), "pool", "pooling"),
    (POOL, "pool", "pooling"),
    (Op("resize", "interpolate", (1, 8, 32, 32), read=8 * 64, written=8 * 1024), "resize", "enlarging"),
]


@pytest.mark.parametrize(("op", "rule", "why"), MEANT)
def test_a_rule_flags_only_where_known_networks_bear_it_out(op, rule, why):
    assert traits([CONV, op]) == {rule}
    found = placement([CONV, op], BELIEVED)
    assert found.falls_back
    assert any(why in reason and "5 fell back and 0 stayed" in reason for reason in found.reasons)
    for support in ({}, {rule: Support(5, 1)}, {rule: Support(2, 0)}):
        doubted = placement([CONV, op], support)
        assert not doubted.falls_back
        assert doubted.reasons == ()
        assert any(why in note for note in doubted.notes)


@pytest.mark.parametrize(
    "op",
    [
        dataclasses.replace(CONV, activation="gelu"),
        scores(16, 64),
        scores(1, 196),
        Op("norm", "group_norm", (1, 8, 4, 4)),
        dataclasses.replace(CONV, kind="depthwise"),
        Op("pool", "max_pool2d", (1, 8, 4, 4), kernel=3, stride=2),
    ],
)
def test_what_stays_is_not_flagged(op):
    assert not placement([op], BELIEVED).falls_back


@given(st.integers(0, 50), st.integers(0, 50))
@pytest.mark.heavy
def test_one_network_that_contradicts_is_enough(fits, contradicts):
    assert Support(fits, contradicts).believed == (fits >= 3 and contradicts == 0)


def row(model, ms=1.0, device="iphone12", family=None, size=224):
    return PublishedRow(device, model, size, family or model.split("-")[0], "paper", "paper", ms, False)


def test_precision_and_recall_are_of_families_left_out():
    fell = [row(f"{family}-{i}") for family in ("a", "b") for i in range(3)] + [row("c-0")]
    stayed = [row("d-0"), row("e-0")]
    traces = {r.network: [HARD] for r in fell[:6]} | {fell[6].network: [POOL], stayed[0].network: [CONV]}
    traces[stayed[1].network] = [scores(3, 197)]
    found = flag(stayed, fell, traces, "iphone12", 288)
    # Each of a and b bears the rule out for the other; c is alone with its pooling, d and e raise nothing.
    assert (found.caught, found.fell, found.false_alarms) == (6, 7, 0)
    assert (found.support["hard"], found.support["pool"]) == (Support(6, 0), Support(1, 0))
    assert str(found) == "6 of 6 alarms right (precision 100%), 6 of 7 fall-backs named (recall 86%)"


def test_a_family_that_contradicts_only_itself_counts_as_a_false_alarm():
    fell = [row(f"a-{i}") for i in range(3)]
    stayed = [row("b-0"), row("b-1", size=512)]
    traces = {r.network: [HARD] for r in (*fell, *stayed)}
    found = flag(stayed, fell, traces, "iphone12", 288)
    assert (found.caught, found.fell, found.false_alarms) == (0, 3, 1)  # b-1 is too large to be asked about
    assert found.support["hard"] == Support(3, 2)
    assert found.precision == 0.0


def test_other_devices_are_told_but_decide_nothing():
    fell = [row("a-0"), row("a-0", device="iphone13"), row("b-0", device="iphone13")]
    found = flag([row("a-0", device="iphone14")], fell, {r.network: [HARD] for r in fell}, "iphone12", 288)
    assert found.support["hard"] == Support(1, 0, 2, 1)
    assert (Flag().precision, Flag().recall) == (None, None)
    assert str(Flag()) == "no alarm, no fall-back"


@pytest.mark.parametrize("device", ["iphone12", "iphone13", "iphone14"])
def test_the_shipped_flag_believes_nothing_that_known_networks_contradict(device):
    found = load_model(device).target(device).flag
    assert found is not None
    assert found.support.keys() == RULES.keys()
    assert not found.support["pool"].believed  # nobody has published a network with such a pooling
    assert not found.support["tokens"].believed
    assert found.fell >= 8
    assert 0 <= found.caught <= found.fell


def test_a_pooling_that_no_known_network_has_changes_no_figure():
    model = load_model("iphone12")
    found = model.estimate([CONV, POOL], "iphone12")
    assert not found.placement.falls_back
    assert found.fallback_ms is None
    assert found.placement.notes == ("1 x pooling windows above 13 or strides above 2 (no known network has it)",)
    flagged = model.estimate([CONV, HARD], "iphone12")
    assert flagged.placement.falls_back
    assert flagged.fallback_ms[0] > flagged.ms


def test_the_command_states_precision_beside_recall():
    arguments = ["estimate", "--device", "iphone12", "--space", "deit", "--arch", "DeiT-Ti"]
    text = CliRunner().invoke(app, arguments).stdout
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)["flag"]
    assert told["text"] in text
    assert f"(precision {told['precision']:.0%})" in text
    assert f"(recall {told['recall']:.0%})" in text
    assert told["caught"] / told["fell"] == told["recall"]
