"""A cascade is chosen by one half of the validation images, and its figures are those of the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitnas.api.cascades.choosing import cascade, cascade_front
from vitnas.errors import DeviceError, SearchError, SettingsError
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.cascades.candidates import groups
from vitnas.nas.cascades.choose import CascadeChoice
from vitnas.nas.cascades.costs import PartCosts
from vitnas.nas.cascades.judged import ArchAnswers, answer, halves, networks_of
from vitnas.nas.cascades.settings import CascadeSettings
from vitnas.nas.objectives import objectives_named
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.run import RunFolder
from vitnas.search_spaces import Cascade
from vitnas.search_spaces.cascades.parts import parts_of
from vitnas.search_spaces.cascades.prefixes import prefixes
from vitnas.supernets.cascades.network import cascade_network
from vitnas.supernets.data import dataset_of
from vitnas.supernets.weights.checkpoints import load_supernet

LOOSE = CascadeSettings(max_drop=0.05)


@pytest.fixture(scope="module")
def found(exiting: RunFolder) -> Cascade:
    return cascade(exiting, "cpu", LOOSE)


def test_figures_are_those_of_the_network_on_the_judging_images(exiting: RunFolder, found: Cascade) -> None:
    dataset = dataset_of(exiting)
    _, judging = halves(dataset.val, LOOSE.seed)
    x, y = dataset.val.only(judging).all()
    network = cascade_network(found, exiting.space, networks_of(load_supernet(exiting), found.archs, dataset.train))
    answered = network(x)
    reached = [float((answered.exits >= i).double().mean()) for i in range(len(found.archs))]
    assert found.figures["num_images"] == len(judging)
    assert found.figures["reach"] == pytest.approx(reached)
    assert found.figures["accuracy"] == pytest.approx(float((answered.logits.argmax(1) == y).double().mean()))
    assert found.figures["expected_ms"] == pytest.approx(float(np.dot(reached, found.figures["parts_ms"])))


def test_parts_take_what_the_table_says_of_their_layers(exiting: RunFolder, found: Cascade) -> None:
    table, parts = LatencyTable.read(exiting.latency_file("cpu")), found.parts(exiting.space)
    rows = {row.spec: 1.3 * row.timing.median_ms for row in table.rows}
    first = float(table.latency_ms(exiting.space)(exiting.space.encode([parts[0].arch]))[0])
    others = [sum(rows[spec] for spec in (*p.trunk, *p.branch)) + 0.02 for p in parts[1:]]  # a call is the intercept
    assert found.figures["parts_ms"] == pytest.approx([first, *others])
    assert found.figures["worst_ms"] == pytest.approx(first + sum(others))


def test_images_that_judge_choose_nothing(exiting: RunFolder) -> None:
    space, deep = exiting.space, exiting.space.largest()
    shallow = prefixes(space, deep)
    answers = answer(load_supernet(exiting), [deep, *shallow], dataset_of(exiting))
    right = answers.right.copy()
    right[:, answers.judging] = ~right[:, answers.judging]
    costs = PartCosts(space, LatencyTable.read(exiting.latency_file("cpu")))
    tried = list(groups([deep], {deep: shallow}, 3, dict(zip([deep, *shallow], (3.0, 1.0, 2.0), strict=True))))
    before, after = (
        CascadeChoice(space, own, costs, LOOSE).cheapest(tried, deep)
        for own in (answers, replace(answers, right=right))
    )
    assert before == after
    assert before.figures["accuracy"] == pytest.approx(1 - after.figures["accuracy"])
    assert set(answers.choosing.tolist()).isdisjoint(answers.judging.tolist())
    assert len(answers.choosing) + len(answers.judging) == len(dataset_of(exiting).val)


def test_it_loses_no_more_than_is_allowed_where_it_was_chosen(exiting: RunFolder) -> None:
    space, deep = exiting.space, exiting.space.largest()
    shallow = prefixes(space, deep)
    answers: ArchAnswers = answer(load_supernet(exiting), [deep, *shallow], dataset_of(exiting))
    costs = PartCosts(space, LatencyTable.read(exiting.latency_file("cpu")))
    tried = [(one, deep) for one in shallow]
    expected = []
    for drop in (0.0, 0.02, 0.08):
        choice = CascadeChoice(space, answers, costs, CascadeSettings(max_drop=drop))
        found = choice.cheapest(tried, deep)
        network = cascade_network(
            found, space, networks_of(load_supernet(exiting), found.archs, dataset_of(exiting).train)
        )
        x, y = dataset_of(exiting).val.only(answers.choosing).all()
        answered = network(x)
        accuracy = float((answered.logits.argmax(1) == y).double().mean())
        assert accuracy >= answers.right_of([deep])[0, answers.choosing].mean() - drop - 1e-9
        expected.append(float((answered.exits == 1).double().mean()))
    assert expected == sorted(expected, reverse=True), "the more may be lost, the fewer images go on"


def test_a_front_holds_cascades_beside_archs(exiting: RunFolder, tmp_path: Path) -> None:
    space = exiting.space
    archs = [space.smallest(), *space.restrict(depth=(3,)).sample(3, np.random.default_rng(0))]
    ms = LatencyTable.read(exiting.latency_file("cpu")).latency_ms(space)(space.encode(archs))
    points = [
        Point(a, {"accuracy": 0.1 * i, "latency_ms": t}, {"accuracy": "measured", "latency_ms": "table"})
        for i, (a, t) in enumerate(zip(archs, sorted(ms.tolist()), strict=True))
    ]
    front = ParetoFront.of(space, objectives_named(("accuracy", "latency_ms")), points)
    both = cascade_front(exiting, "cpu", LOOSE, front=front)
    assert both.points
    rows = [one.objectives for one in (*both.points, *both.cascades)]
    for one in both.cascades:
        worse = [
            o
            for o in rows
            if o["accuracy"] >= one.objectives["accuracy"] and o["latency_ms"] < one.objectives["latency_ms"]
        ]
        assert not worse
    both.save(tmp_path / "front.json")
    read = ParetoFront.load(tmp_path / "front.json", space)
    assert read.cascades == both.cascades
    assert [p.arch for p in read.points] == [p.arch for p in both.points]


def test_pairs_of_any_two_archs_are_tried(exiting: RunFolder) -> None:
    space = exiting.space
    little, big = (space.restrict(depth=(3,), heads=(heads,)).largest() for heads in (2, 3))
    tried = list(groups([little, big], {little: [], big: []}, 3, {little: 1.0, big: 2.0}))
    assert tried == [(little, big)]
    assert len(parts_of(space, tried[0])) == 2


def test_what_cannot_be_is_refused(exiting: RunFolder, trained: RunFolder) -> None:
    with pytest.raises(DeviceError, match=r"vitnas profile --run .* --device cpu-torch"):
        cascade(exiting, "cpu-torch")
    table = exiting.latency_file("cpu")
    with pytest.raises(SearchError, match="give the run exits with `vitnas exits`"):
        cascade(trained, "cpu", table=table)
    with pytest.raises(SearchError, match="alone is accurate enough"):
        cascade(exiting, "cpu", CascadeSettings(max_drop=0.9))
    with pytest.raises(SettingsError, match="Did you mean 'confidence'"):
        CascadeSettings(rules=("confidenc",))
