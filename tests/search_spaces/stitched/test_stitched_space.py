"""Routes through two networks: as many as published, each a chain, named by the blocks that they take."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import SpaceError, VitnasError
from vitnas.run import RunFolder
from vitnas.search_spaces import Blueprint, LayerSpec, SearchSpace, Stitched, Task, load_space
from vitnas.search_spaces.pruned.given import GivenLayers
from vitnas.search_spaces.stitched.stitched_space import stitched
from vitnas.supernets.counting.population import PopulationCounter

SMALL = Task(32, 10)
DEITS = "stitch:deit/DeiT-S+deit/DeiT-B"
DEIT3S = "stitch:timm:deit3_small_patch16_224+timm:deit3_large_patch16_224"
PUBLISHED_GMACS = {
    "A2-B": 52.10, "A3-B": 47.36, "A4-B": 42.62, "A5-B": 37.88, "A6-B": 33.21, "A7-B": 28.47, "A8-B": 23.73,
    "A9-B": 18.99, "A10-B": 14.27,
}  # fmt: skip


def space_of(name: str, task: Task | None = None) -> Stitched:
    space = load_space(name, task)
    assert isinstance(space, Stitched)
    return space


def plain(name: str, width: int, depth: int) -> GivenLayers:
    """A transformer of three tokens."""
    tokens = (5, width)
    layers = {"stem": LayerSpec.of("patch_embedding", (1, 4, 4), tokens, patch=2)}
    for i in range(depth):
        layers[f"block{i}_attention"] = LayerSpec.of("attention", tokens, tokens, heads=1, head_width=4, reach=0)
        layers[f"block{i}_ffn"] = LayerSpec.of("feed_forward", tokens, tokens, hidden=4)
    layers["head"] = LayerSpec.of("classifier", tokens, (3,), pool="class")
    return GivenLayers(name, Blueprint(tuple(layers), tuple(layers.values())), Task(4, 3, 1), "deit")


def blocks_of(space: SearchSpace, route: str) -> list[str]:
    """Which block of which network a route takes, in order."""
    sites = space.lower(space.arch(route=route)).sites
    return list(dict.fromkeys(site.rpartition("_")[0] for site in sites if "block" in site))


def published_routes(small: int, large: int) -> set[tuple[str, ...]]:
    """The blocks of every route as the released code lists them, in the indices of its description."""
    ratio = large // small

    def a(start: int, end: int) -> list[str]:
        return [f"a_block{i}" for i in range(start, end)]

    def b(start: int, end: int) -> list[str]:
        return [f"b_block{i}" for i in range(start, end)]

    up = [(i, (i + 1) * ratio) for i in range(small) if i != small - 1]
    fronts = range(large - 1) if ratio == 1 else range(1, large - 1, 2)
    down = [(i, i * small // large + 1) for i in fronts]
    routes = [a(0, small), b(0, large)]
    routes += [a(0, i + 1) + b(enter, large) for i, enter in up]
    routes += [b(0, i + 1) + a(enter, small) for i, enter in down]
    routes += [b(0, i + 1) + a(m, j + 1) + b(n, large) for i, m in down for j, n in up if j >= m]
    routes += [a(0, i + 1) + b(m, j + 1) + a(n, small) for i, m in up for j, n in down if j >= m]
    return {tuple(route) for route in routes}


@pytest.mark.parametrize(("name", "depth"), [(DEITS, 12), (DEIT3S, 24)])
def test_the_routes_are_the_134_published_ones(name: str, depth: int) -> None:
    space = space_of(name, SMALL)
    names = list(space.routes)
    assert space.genome.size() == len(names) == 134
    assert {tuple(blocks_of(space, route)) for route in names} == published_routes(12, depth)
    kinds = Counter("".join(part[0] for part in route.split("-")) for route in names)
    assert kinds == {"A": 1, "B": 1, "AB": 11, "BA": 11, "ABA": 55, "BAB": 55}
    assert len(space.lowering.specs) == 10
    assert (names[0], names[-1]) == ("A", "B")
    assert (space.smallest(), space.largest()) == (space.whole(0), space.whole(1))


def test_a_name_says_up_to_which_blocks_a_route_goes() -> None:
    space = space_of(DEIT3S, SMALL)
    sites = space.lower(space.arch(route="A3-B16-A")).sites
    assert sites[0] == "a_stem"
    assert sites[-1] == "a_head"
    assert [site for site in sites if site.startswith("into")] == ["into_b3", "into_a8"]
    expected = [f"a_block{i}" for i in range(3)] + [f"b_block{i}" for i in range(6, 16)]
    assert blocks_of(space, "A3-B16-A") == expected + [f"a_block{i}" for i in range(8, 12)]


def test_macs_are_the_published_ones() -> None:
    """The released code counts the two factors of a stitch beside its weight, which are one weight here."""
    space = space_of(DEIT3S)
    macs = PopulationCounter(space)(space.encode([space.arch(route=route) for route in PUBLISHED_GMACS])).macs
    factors = 197 * 64 * (384 + 1024)
    assert [int(m) + factors for m in macs] == pytest.approx([g * 1e9 for g in PUBLISHED_GMACS.values()], rel=0.007)
    ends = PopulationCounter(space)(space.encode([space.whole(0), space.whole(1)])).macs
    assert list(ends) == pytest.approx([4.608e9, 61.604e9], rel=0.003)


@given(st.integers(2, 7), st.integers(2, 7), st.integers(0, 1))
def test_any_two_depths_give_chains_that_share_one_order(first: int, second: int, wider: int) -> None:
    space = stitched(plain("a", 8, min(first, second) if not wider else first), plain("b", 8 + 4 * wider, max(first, second) if not wider else second))  # fmt: skip
    levels = space.num_stretches - 1
    assert space.genome.size() == 2 + 2 * levels + levels * (levels - 1)
    order = {site.name: i for i, site in enumerate(space.sites())}
    for route in space.routes:
        blueprint = space.lower(space.arch(route=route))  # neighbours that do not fit are refused
        assert [order[site] for site in blueprint.sites] == sorted(order[site] for site in blueprint.sites)
        assert blueprint.out_shape == (3,)
    assert Counter(blocks_of(space, "A")).total() == len(space.trunks[0].blocks)
    assert Counter(blocks_of(space, "B")).total() == len(space.trunks[1].blocks)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("stitch:deit/DeiT-S", r"names 1 networks; give two with one \+ between them"),
        ("stitch:deit/DeiT-Ti+deit/DeiT-S+deit/DeiT-B", "names 3 networks"),
        ("stitch:deit/DeiT-S+", "names 1 networks"),
        ("stitch:deit+deit/DeiT-B", "'stitch:deit' names no network; give stitch:timm:NAME"),
        ("stitch:deit/DeiT-S+deit/DeiT-X", "no published arch 'DeiT-X'"),
        ("stitch:deit/DeiT-S+swin/Swin-B", "'swin/Swin-B' cannot be stitched: that is for plain transformers"),
        ("stitch:deit/DeiT-B+deit/DeiT-S", "the first network is 768 wide .*, the second 384 .*; name the smaller one first"),
        (
            "stitch:deit/DeiT-S+timm:vit_base_patch32_224",
            "the networks have 197 and 50 tokens, .* name two with patches of one size",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_stitched_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(VitnasError, match=why):
        load_space(name).lowering  # noqa: B018


def test_a_network_of_one_block_is_refused() -> None:
    with pytest.raises(SpaceError, match="at least 2, all keep .* this one has 1"):
        stitched(plain("a", 8, 1), plain("b", 8, 3)).lowering  # noqa: B018


def test_a_space_of_networks_from_files_is_made_again_from_a_run_and_in_other_processes(tmp_path: Path) -> None:
    base = load_space("autoformer-mini", Task(8, 10, 1))
    run = RunFolder.create(tmp_path / "run", base, {})
    for name, arch in (("a", base.smallest()), ("b", base.largest())):
        (run.path / f"{name}.json").write_text(json.dumps(arch.to_json()))
    space = space_of(f"stitch:{run.path}/a.json+{run.path}/b.json")
    made = RunFolder.create(tmp_path / "stitched", space.restrict(route=("A", "B2-A", "B")), {})
    again = RunFolder.open(made.path).space
    assert isinstance(again, Stitched)
    assert (again.name, again.task, len(again.all_genes[0].choices)) == (space.name, space.task, 3)
    assert again.lower(again.largest()) == space.lower(space.largest())
    assert [one.arch for one in again.given] == [base.smallest(), base.largest()]
    assert pickle.loads(pickle.dumps(space)).fingerprint == space.fingerprint
    assert space_of(str(made.path / "space.json")).fingerprint == space.fingerprint


def test_names_alone_need_no_file() -> None:
    assert space_of(DEITS).source is None
    assert pickle.loads(pickle.dumps(space_of(DEITS))).fingerprint == space_of(DEITS).fingerprint
