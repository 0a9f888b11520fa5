"""SearchSpace: archs in and out, and messages that say what to write instead."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search_spaces.toy import Toy
from vitnas.errors import InvalidArchError, SpaceError, UnknownNameError
from vitnas.search_spaces import Arch, Task, load_space

GOOD: dict[str, Any] = {
    "width": 8,
    "neck": 12,
    "depth": 2,
    "mixer": ("attention", "pool"),
    "heads": (2, None),
    "bias": True,
}


def test_all_archs_encode_and_decode_to_themselves() -> None:
    space = Toy()
    codes = space.genome.enumerate()
    archs = space.decode(codes)
    np.testing.assert_array_equal(space.encode(archs), codes)
    assert len(set(archs)) == len({a.id for a in archs}) == len(codes) == space.genome.size()
    assert all(space.check(arch) == arch for arch in archs[::7])


@given(st.integers(0, 2**32))
def test_an_arch_read_from_a_file_is_the_same_arch(seed: int) -> None:
    space = Toy()
    arch = space.sample(1, np.random.default_rng(seed))[0]
    assert space.check(Arch.from_json(arch.to_json())) == arch


def test_no_archs_encode_to_an_empty_population() -> None:
    assert Toy().encode([]).shape == (0, len(Toy().columns))
    assert Toy().decode(Toy().genome.empty(0)) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widht": 8}, "space 'toy' has no gene 'widht'; have .* Did you mean 'width'"),
        ({"width": 9}, r"gene 'width' of space 'toy' cannot be 9; choices are \[8, 16\]. Nearest is 8"),
        ({"width": 1e9}, r"cannot be 1000000000.0; .* Nearest is 16"),
        ({"width": "8"}, r"gene 'width' of space 'toy' cannot be '8'"),
        ({"width": True}, r"gene 'width' of space 'toy' cannot be True"),
        ({"bias": 1}, r"gene 'bias' of space 'toy' cannot be 1; choices are \[False, True\]"),
        ({"width": None}, r"gene 'width' of space 'toy' is missing; give one of \[8, 16\]"),
        ({"mixer": ("atention", "pool")}, r"gene 'mixer\[0\]' .* cannot be 'atention'.*Nearest is 'attention'"),
        ({"mixer": ("pool",)}, r"gene 'mixer' of space 'toy' needs 2 values because depth = 2; got 1: \['pool'\]"),
        ({"mixer": ("pool",) * 3}, r"gene 'mixer' of space 'toy' needs 2 values because depth = 2; got 3"),
        ({"mixer": "pool"}, "gene 'mixer' of space 'toy' takes a list, one value for each unit of 'depth'; got 'pool'"),
        ({"heads": (None, None)}, r"gene 'heads\[0\]' of space 'toy' is missing; give one of \[1, 2\]"),
        ({"heads": (2, 1)}, r"gene 'heads\[1\]' .* cannot be 1 while 'mixer\[1\]' is 'pool'; leave it out"),
        ({"width": 16}, r"gene 'neck' .* cannot be 12 while 'width' is 16; choose one of \[16\]"),
        ({"depth": 4}, r"gene 'depth' .* cannot be 4; choices are \[1, 2, 3\]. Nearest is 3"),
        ({"width": [8]}, r"gene 'width' of space 'toy' cannot be \[8\]"),
    ],
)
def test_a_wrong_arch_is_refused_with_the_place_and_the_remedy(change: dict[str, Any], message: str) -> None:
    space = Toy()
    assert space.arch(**GOOD)["heads"] == (2, None)
    with pytest.raises(InvalidArchError, match=message):
        space.arch(**{**GOOD, **change})
    arch = Arch("toy", tuple({**GOOD, **change}.items()))
    assert space.why_invalid(arch) is not None


def test_a_missing_gene_is_named() -> None:
    with pytest.raises(InvalidArchError, match="gene 'bias' of space 'toy' is missing"):
        Toy().arch(**{k: v for k, v in GOOD.items() if k != "bias"})


def test_an_arch_of_another_space_is_refused() -> None:
    arch = load_space("autoformer-mini").smallest()
    for use in (Toy().check, Toy().lower, lambda a: Toy().encode([a])):
        with pytest.raises(InvalidArchError, match=f"arch {arch.id} belongs to space 'autoformer-mini', not to 'toy'"):
            use(arch)


def test_a_hidden_value_never_enters_a_population() -> None:
    arch = Toy().check(Arch("toy", tuple({**GOOD, "heads": (2, None)}.items())))
    np.testing.assert_array_equal(Toy().encode([arch]), [[0, 1, 1, 1, 0, -1, 1, -1, -1, 1]])


def test_names_have_suggestions() -> None:
    assert Toy().named("Toy-1")["depth"] == 1
    with pytest.raises(InvalidArchError, match="no published arch 'Toy-2'; have .*Did you mean 'Toy-1'"):
        Toy().named("Toy-2")
    with pytest.raises(
        UnknownNameError, match="no search space named 'autoformer-tyni'; have .*mean 'autoformer-tiny'"
    ):
        load_space("autoformer-tyni")


def test_a_restricted_space_is_part_of_the_whole() -> None:
    whole = Toy()
    part = whole.restrict(depth=(3, 1), bias=(True,))
    assert part.all_genes[2].choices == (1, 3)
    inside = set(part.decode(part.genome.enumerate()))
    assert inside == {a for a in whole.decode(whole.genome.enumerate()) if a["depth"] != 2 and a["bias"]}
    again = part.restrict(depth=(1,))
    assert {a["depth"] for a in again.decode(again.genome.enumerate())} == {1}


def test_a_gene_that_the_kept_choices_never_switch_on_is_gone() -> None:
    part = Toy().restrict(mixer=("pool",))
    assert [gene.name for gene in part.all_genes] == ["width", "neck", "depth", "mixer", "bias"]
    inside = part.decode(part.genome.enumerate())
    assert set(inside) == {a for a in Toy().decode(Toy().genome.enumerate()) if "heads" not in a}
    assert all("attention" not in arch["mixer"] for arch in inside)
    assert {spec.kind for spec in part.lowering.specs} == {"stem", "pool", "neck", "head"}


def test_a_single_position_is_kept_to_fewer_choices() -> None:
    whole = Toy()
    part = whole.restrict(**{"mixer[1]": ("pool",)})
    inside = set(part.decode(part.genome.enumerate()))
    assert inside == {a for a in whole.decode(whole.genome.enumerate()) if a["depth"] < 2 or a["mixer"][1] == "pool"}
    assert part.genome.size() == len(inside)
    shallow = part.restrict(depth=(1,))  # has no such position
    assert shallow.genome.enumerate().shape == whole.restrict(depth=(1,)).genome.enumerate().shape
    fingerprints = {whole.fingerprint, part.fingerprint, whole.restrict(**{"mixer[0]": ("pool",)}).fingerprint}
    assert len(fingerprints) == 3
    assert pickle.loads(pickle.dumps(part)).fingerprint == part.fingerprint
    with pytest.raises(
        SpaceError, match=r"gene 'mixer\[1\]' of space 'toy' cannot be kept to \['attention'\]; have \[pool"
    ):
        part.restrict(**{"mixer[1]": ("attention",)}).columns  # noqa: B018


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ({"mixer[3]": ("pool",)}, r"space 'toy' has no gene 'mixer\[3\]'; have .* Did you mean 'mixer'"),
        ({"mixer[1]": ("mlp",)}, r"gene 'mixer\[1\]' of space 'toy' cannot be kept to \['mlp'\]"),
        (
            {"mixer[1]": ("pool",), "mixer": ("attention",)},
            r"'mixer\[1\]' of space 'toy' cannot be kept to \['pool'\], as 'mixer' is kept to \['attention'\]",
        ),
        ({"dept": (1,)}, "space 'toy' has no gene 'dept'; have .* Did you mean 'depth'"),
        ({"depth": (1, 5)}, r"gene 'depth' of space 'toy' cannot be kept to \[1, 5\]; have \[1, 2, 3\]"),
        ({"depth": ()}, r"gene 'depth' of space 'toy' cannot be kept to \[\]"),
    ],
)
def test_a_wrong_restriction_is_refused(only: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Toy().restrict(**only).columns  # noqa: B018


def test_the_fingerprint_follows_everything_that_changes_a_network() -> None:
    prints = [
        Toy().fingerprint,
        Toy(task=Task(image_size=32)).fingerprint,
        Toy(task=Task(num_classes=10)).fingerprint,
        Toy(task=Task(in_channels=1)).fingerprint,
        Toy(name="other").fingerprint,
        Toy().restrict(depth=(1,)).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert Toy().fingerprint == prints[0]


def test_a_space_travels_to_other_processes_by_its_definition() -> None:
    space = Toy().restrict(depth=(1,))
    space.lower(space.smallest())
    again = pickle.loads(pickle.dumps(space))  # between our own processes
    assert again.fingerprint == space.fingerprint
    assert again.lower(again.largest()) == space.lower(space.largest())


def test_an_image_that_patches_do_not_tile_is_refused() -> None:
    with pytest.raises(
        SpaceError, match="image size 225 is not a multiple of its patch size 16; the nearest that is: 224"
    ):
        load_space("autoformer-tiny", Task(image_size=225)).lowering  # noqa: B018
