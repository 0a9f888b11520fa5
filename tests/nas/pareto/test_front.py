from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nas.problem import BIG
from vitnas.errors import SearchError
from vitnas.files import read_json
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.search_spaces import Task, load_space

OBJECTIVES = (Objective.named("accuracy"), Objective.named("latency_ms"))
ARCHS = list(dict.fromkeys(BIG.sample(40, np.random.default_rng(0))))


def front(*pairs, **more):
    points = [
        Point(arch, {"accuracy": a, "latency_ms": ms}, {"accuracy": "measured", "latency_ms": "table"})
        for arch, (a, ms) in zip(ARCHS, pairs, strict=False)
    ]
    return ParetoFront.of(BIG, OBJECTIVES, points, **more)


FRONT = front((0.70, 1.0), (0.90, 2.0), (0.95, 6.0), (0.60, 3.0), (0.90, 2.5), seed=7, config={"batch": 3})


def pairs_of(found):
    return [(p.objectives["accuracy"], p.objectives["latency_ms"]) for p in found.points]


def test_keeps_the_unbeaten_from_fast_to_slow():
    assert pairs_of(FRONT) == [(0.70, 1.0), (0.90, 2.0), (0.95, 6.0)]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_is_what_brute_force_finds(pairs):
    beaten = [any(a >= b and x <= y and (a, x) != (b, y) for a, x in pairs) for b, y in pairs]
    expected = sorted((p for p, worse in zip(pairs, beaten, strict=True) if not worse), key=lambda p: p[1])
    assert pairs_of(front(*pairs)) == expected


def test_order_of_evaluation_does_not_matter():
    points = [*FRONT.points, Point(ARCHS[9], FRONT.points[1].objectives, FRONT.points[1].provenance)]
    assert ParetoFront.of(BIG, OBJECTIVES, points) == ParetoFront.of(BIG, OBJECTIVES, points[::-1])


def test_an_arch_twice_counts_once():
    assert len(ParetoFront.of(BIG, OBJECTIVES, FRONT.points * 2).points) == 3


def test_points_are_found_by_index_and_by_id():
    assert FRONT.pick("1") == FRONT.pick(ARCHS[1].id) == FRONT.points[1]


@pytest.mark.parametrize("which", ["3", "-1", "", "quickest", "most_accurate", "1.0", ARCHS[20].id])
def test_unknown_pick_says_what_there_is(which):
    said = rf"no point '{which}'; give best, most-accurate, fastest, knee, an index from 0 to 2"
    with pytest.raises(SearchError, match=said):
        FRONT.pick(which)


def test_no_points_is_an_error():
    with pytest.raises(SearchError, match="no arch of space 'autoformer-mini' was evaluated"):
        front()


def test_hypervolume_is_the_area_of_the_staircase():
    area = (3 - 1) * (0.7 - 0.5) + (3 - 2) * (0.9 - 0.7)  # up to 3 ms and down to 50 %; the third point is beyond
    assert FRONT.hypervolume({"accuracy": 0.5, "latency_ms": 3.0}) == pytest.approx(area)
    with pytest.raises(SearchError, match="lacks 'latency_ms'"):
        FRONT.hypervolume({"accuracy": 0.5})


def test_saved_and_loaded_is_the_same(tmp_path):
    FRONT.save(tmp_path / "front.json")
    assert ParetoFront.load(tmp_path / "front.json", BIG) == FRONT
    assert ParetoFront.load(tmp_path / "front.json") == FRONT


def test_errors_and_answers_are_kept(tmp_path):
    points = [replace(p, errors={"accuracy": 0.01}, answers="9:/4A=") for p in FRONT.points]
    whole = replace(FRONT, points=tuple(points), shared={"latency_ms": 0.1})
    whole.save(tmp_path / "front.json")
    assert ParetoFront.load(tmp_path / "front.json", BIG) == whole


def test_a_front_of_before_there_were_errors_opens_and_tells_all_apart(tmp_path):
    def old(data):
        del data["shared"]
        for point in data["points"]:
            del point["errors"]

    (tmp_path / "front.json").write_text(damage(old))
    loaded = ParetoFront.load(tmp_path / "front.json", BIG)
    assert loaded == FRONT
    assert [group.points for group in loaded.groups()] == [(point,) for point in loaded.points]


def test_front_of_another_space_is_refused(tmp_path):
    FRONT.save(tmp_path / "front.json")
    for other in (load_space("deit"), load_space("autoformer-mini", Task(8, 5, 1)), BIG.restrict(depth=(3,))):
        with pytest.raises(SearchError, match="is of space 'autoformer-mini'"):
            ParetoFront.load(tmp_path / "front.json", other)


def damage(change):
    data = json.loads(json.dumps(GOOD))
    change(data)
    return json.dumps(data)


def _good(tmp):
    FRONT.save(tmp / "front.json")
    return read_json(tmp / "front.json")  # without its seal, as of whoever edits it on purpose


@pytest.fixture(scope="module", autouse=True)
def _load_good(tmp_path_factory):
    global GOOD
    GOOD = _good(tmp_path_factory.mktemp("good"))


GOOD: dict = {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="vitnas-front/2"), "format is 'vitnas-front/2'"),
        (lambda d: d.pop("format"), "format is None"),
        (lambda d: d.update(extra=1), "extra"),
        (lambda d: d.pop("seed"), "seed"),
        (lambda d: d.update(points=[]), "at least one point"),
        (lambda d: d["points"][0].update(surprise=1), "surprise"),
        (lambda d: d["points"][0]["objectives"].pop("accuracy"), "point 0: has figures for"),
        (lambda d: d["points"][0]["objectives"].update(latency_ms="fast"), "latency_ms|float"),
        (lambda d: d["points"][0]["objectives"].update(latency_ms=float("nan")), "latency_ms is nan"),
        (lambda d: d["points"][0]["provenance"].update(accuracy="guessed"), "guessed"),
        (lambda d: d["points"][1]["arch"]["genes"].update(width=80, depth=99), "one of the two was changed"),
        (lambda d: d["points"][1].update(id="000000000000"), "one of the two was changed"),
        (lambda d: d["objectives"][0].update(direction="up"), "up"),
        (lambda d: d.update(objectives=[]), "at least one objective"),
        (lambda d: d.update(space="deit"), "belongs to space 'autoformer-mini'"),
        (lambda d: d["points"][0]["errors"].update(accuracy=-0.1), "error of accuracy is -0.1"),
        (lambda d: d["points"][0]["errors"].update(accuracy=float("inf")), "error of accuracy is inf"),
        (lambda d: d["shared"].update(latency_ms=-1.0), "shared error of latency_ms is -1"),
        (lambda d: d["points"][0].update(answers="9:AAAA"), "answers on 9 images take 2 bytes, and there are 3"),
        (lambda d: d["points"][0].update(answers="nine"), "are not a number of images and their bits"),
    ],
)
def test_damage_is_named(tmp_path, change, message):
    path = tmp_path / "front.json"
    path.write_text(damage(change))
    with pytest.raises(SearchError, match=message):
        ParetoFront.load(path)


def test_cut_and_missing_files(tmp_path):
    path = tmp_path / "front.json"
    with pytest.raises(SearchError, match="does not exist"):
        ParetoFront.load(path)
    for content in ("", "[]", "null", json.dumps(GOOD)[:-40]):
        path.write_text(content)
        with pytest.raises(SearchError):
            ParetoFront.load(path)


def test_loads_without_torch_ray_pymoo_or_optuna(tmp_path):
    FRONT.save(tmp_path / "front.json")
    program = (
        "import sys; from pathlib import Path; from vitnas.nas.pareto.front import ParetoFront\n"
        "ParetoFront.load(Path(sys.argv[1])).knee()\n"
        "assert not {'torch', 'ray', 'pymoo', 'optuna', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "front.json")], check=True)
