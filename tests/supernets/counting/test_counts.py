"""Counts against published numbers, closed formulas and sums by hand."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from tests.oracle import BENCH_101, closed_forms, needs_bench_101, needs_oracle
from vitnas.search_spaces import Arch, LayerSpec, SearchSpace, load_space
from vitnas.supernets.counting.counts import Counts, count, count_in_float, count_layer
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.supernet import build_network

WINNERS = [
    ("deit", "DeiT-Ti", 5_717_416, 1.2537),
    ("deit", "DeiT-S", 22_050_664, 4.5989),
    ("deit", "DeiT-B", 86_567_656, 17.5638),
    ("autoformer-tiny", "AutoFormer-T", 5_867_944, 1.4819),
    ("autoformer-small", "AutoFormer-S", 22_891_432, 5.1614),
    ("autoformer-base", "AutoFormer-B", 53_691_688, 11.6912),
]


@pytest.mark.parametrize(("space", "name", "num_params", "gmacs"), WINNERS)
def test_published_archs_have_their_published_counts(space: str, name: str, num_params: int, gmacs: float) -> None:
    made = load_space(space)
    found = count(made.lower(made.named(name)))
    assert found.num_params == num_params
    assert found.macs / 1e9 == pytest.approx(gmacs, abs=5e-5)
    assert found.weight_bytes == 4 * num_params


@pytest.mark.parametrize(
    ("name", "smallest", "largest"),
    [
        ("autoformer-tiny", 5_366_056, 10_517_272),
        ("autoformer-small", 13_057_320, 34_790_440),
        ("autoformer-base", 41_687_896, 76_882_264),
    ],
)
def test_released_spaces_have_their_published_bounds(name: str, smallest: int, largest: int) -> None:
    space = load_space(name)
    if name == "autoformer-tiny":
        space = space.restrict(mlp_ratio=(3.5, 4.0))
    bounds = [count(space.lower(arch)).num_params for arch in (space.smallest(), space.largest())]
    assert bounds == [smallest, largest]


def _by_formula(space: SearchSpace, arch: Arch) -> tuple[int, int]:
    forms = closed_forms()
    if space.name == "deit":
        num_params, macs = forms.vit(arch["width"], L=arch["depth"], mlp=arch["mlp_ratio"][0])  # type: ignore[index]
        return num_params, macs
    num_params, _, macs = forms.autoformer(arch["width"], arch["mlp_ratio"], arch["heads"])
    return num_params, macs


@needs_oracle
@pytest.mark.parametrize("name", ["autoformer-tiny", "autoformer-small", "autoformer-base"])
def test_random_archs_have_the_counts_of_the_closed_formula(name: str) -> None:
    space = load_space(name)
    codes = space.genome.sample(200, np.random.default_rng(0))
    found = PopulationCounter(space)(codes)
    expected = [_by_formula(space, arch) for arch in space.decode(codes)]
    np.testing.assert_array_equal(found.num_params, [num_params for num_params, _ in expected])
    np.testing.assert_array_equal(found.macs, [macs for _, macs in expected])


@needs_oracle
def test_uniform_vits_have_the_counts_of_the_closed_formula() -> None:
    """The formula keeps attention as wide as the tokens and one ratio throughout."""
    space = load_space("deit")
    for width, depth, ratio in [(192, 6, 2.0), (384, 10, 3.0), (768, 8, 4.0)]:
        arch = space.arch(width=width, depth=depth, mlp_ratio=[ratio] * depth, heads=[width // 64] * depth)
        found = count(space.lower(arch))
        assert (found.num_params, found.macs) == _by_formula(space, arch)


def _bench_101() -> list[Arch]:
    space = load_space("autoformer-tiny")
    with BENCH_101.open(newline="") as file:
        rows = [json.loads(row["arch"]) for row in csv.DictReader(file)]
    return [
        space.arch(width=r["hidden_dim"], depth=r["depth"], mlp_ratio=r["mlp_ratio"], heads=r["num_heads"])
        for r in rows
    ]


@needs_bench_101
@pytest.mark.heavy
def test_the_archs_of_vit_bench_101_lower_count_and_build() -> None:
    space = load_space("autoformer-tiny")
    archs = _bench_101()
    assert len(archs) == 100
    found = PopulationCounter(space)(space.encode(archs))
    for i, arch in enumerate(archs):
        with torch.device("meta"):
            network = build_network(space.lower(arch))
        assert sum(p.numel() for p in network.parameters()) == found.num_params[i]
        assert found.num_params[i] == _by_formula(space, arch)[0]


@needs_bench_101
def test_archs_of_vit_bench_101_run() -> None:
    space = load_space("autoformer-tiny")
    for arch in _bench_101()[::40]:
        with torch.no_grad():
            y = build_network(space.lower(arch)).eval()(torch.randn(1, 3, 224, 224))
        assert y.shape == (1, 1000)
        assert y.isfinite().all()


@pytest.mark.parametrize("name", ["autoformer-mini", "compress:w8a8,p4:autoformer-mini", "autoformer-tiny"])
def test_populations_count_as_each_arch_by_itself(name: str) -> None:
    space = load_space(name)
    codes = space.genome.sample(25, np.random.default_rng(1))
    found = PopulationCounter(space)(codes)
    for i, arch in enumerate(space.decode(codes)):
        assert count(space.lower(arch)) == Counts(
            found.num_params[i], found.macs[i], found.weight_bytes[i], found.activation_bytes[i], found.bitops[i]
        )


def test_an_empty_population_has_empty_counts() -> None:
    space = load_space("autoformer-mini")
    assert PopulationCounter(space)(space.genome.empty(0)).macs.shape == (0,)


def test_counts_of_one_layer_by_hand() -> None:
    """Two tokens of width 3, hidden width 8, fp32."""
    found = count_layer(LayerSpec.of("feed_forward", (2, 3), (2, 3), hidden=8))
    assert found.num_params == (3 + 3) + (3 * 8 + 8) + (8 * 3 + 3)
    assert found.macs == 2 * (3 * 8) + 2 * (8 * 3)
    assert found.weight_bytes == 4 * found.num_params
    # The most at once: the input (kept for the residual), and what goes into GELU and comes out of it.
    assert found.activation_bytes == 4 * (2 * 3 + 2 * 8 + 2 * 8)


@pytest.mark.parametrize(
    ("precision", "weights", "bits"),
    [
        ("float", 4 * 48, 32 * 32),
        ("w8a8", 48 + 4 * (8 + 3), 8 * 8),
        ("w7a8", 48 + 4 * (8 + 3), 7 * 8),  # bytes of a smaller range
        ("w6", 48 + 4 * (8 + 3), 6 * 32),  # no format has numbers of 6 bits
        ("w4a8", 48 + 4 * (8 + 3), 4 * 8),
        ("w4", (8 + 3) * 16 + 4 * (8 + 3), 4 * 32),  # blocks of 32 that are filled up, in half a byte each
        ("w3", (8 + 3) * 16 + 4 * (8 + 3), 3 * 32),
        ("p4", 24 + 4 * 2 * 16, 4 * 32),
        ("p5", 36 + 4 * 2 * 64, 5 * 32),  # places of 6 bits
        ("w3a4", 18 + 4 * (8 + 3), 3 * 4),
    ],
)
def test_counts_at_a_precision_by_hand(precision: str, weights: int, bits: int) -> None:
    """Two products, of 3 x 8 and 8 x 3 weights, with 8 and 3 outputs; their biases and the norm stay in fp32."""
    spec = LayerSpec.of("feed_forward", (2, 3), (2, 3), hidden=8)
    found, plain = count_layer(spec.at(precision)), count_layer(spec)
    assert found.weight_bytes == weights + 4 * (8 + 3 + 3 + 3)
    assert found.bitops == 2 * 48 * bits
    assert (found.num_params, found.macs) == (plain.num_params, plain.macs)
    assert found.activation_bytes == plain.activation_bytes


def test_products_of_two_activations_stay_in_float() -> None:
    tokens, width = 5, 12
    spec = LayerSpec.of("attention", (tokens, width), (tokens, width), heads=3, head_width=4, reach=0)
    with_weights, with_each_other = tokens * 4 * width * width, 2 * tokens * tokens * width
    assert count_layer(spec).macs == with_weights + with_each_other
    assert count_layer(spec.at("w8a8")).bitops == with_weights * 64 + with_each_other * 1024


def test_a_weight_that_is_used_several_times_is_kept_once() -> None:
    space = load_space("sret")
    layers = {spec["loops"]: spec for spec in space.lowering.specs if spec.kind == "recursive_block"}
    fewest, most = (count_in_float(layers[n]) for n in (min(layers), max(layers)))
    assert most.product_macs > fewest.product_macs
    assert all(c.product_weights <= c.num_params for c in (fewest, most))


@pytest.mark.parametrize("name", ["autoformer-mini", "efficientformerv2"])
def test_fewer_bits_take_less_and_float_takes_what_it_took(name: str) -> None:
    space = load_space(name).compressed(["w8a8", "w4a8", "p4"])
    arch = space.base.sample(1, np.random.default_rng(0))[0]
    found = {p: count(space.lower(space.compress(arch, p))) for p in space.menu}
    assert found["float"] == count(space.base.lower(arch))
    assert found["float"].bitops == 1024 * found["float"].macs
    assert found["p4"].weight_bytes < found["w8a8"].weight_bytes < found["float"].weight_bytes
    assert found["w4a8"].weight_bytes == found["w8a8"].weight_bytes  # both are bytes
    assert found["w4a8"].bitops < found["w8a8"].bitops < found["p4"].bitops < found["float"].bitops


def test_memory_of_a_classifier_by_hand() -> None:
    tokens, width = 17, 4
    spec = LayerSpec.of("classifier", (tokens, width), (1000,), pool="class")
    found = count_layer(spec)
    # The input, its normalised copy of which the class token is a view, and the logits.
    assert found.activation_bytes == 4 * (2 * tokens * width + 1000)


def test_a_chain_adds_up_and_has_the_peak_of_its_layers() -> None:
    space = load_space("autoformer-mini")
    layers = [count_layer(spec) for spec in space.lower(space.largest())]
    whole = count(space.lower(space.largest()))
    assert whole.macs == sum(c.macs for c in layers)
    assert whole.activation_bytes == max(c.activation_bytes for c in layers)
    assert Counts.over([]) == Counts()


def test_counting_allocates_nothing_and_takes_no_random_numbers() -> None:
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    count_layer.cache_clear()
    huge = LayerSpec.of("feed_forward", (2, 10**6), (2, 10**6), hidden=10**7)
    assert count_layer(huge).num_params > 10**13
    assert torch.equal(torch.random.get_rng_state(), state)


def test_weights_alone_in_four_bits_have_a_scale_for_every_32_inputs() -> None:
    spec = LayerSpec.of("feed_forward", (2, 96), (2, 96), hidden=40)
    found, plain = count_layer(spec.at("w4")), count_layer(spec)
    scales = 40 * 3 + 96 * 2
    assert found.weight_bytes == plain.weight_bytes - 4 * 2 * 96 * 40 + 16 * scales + 4 * scales


def test_weights_alone_of_convolutions_stay_in_bytes() -> None:
    spec = LayerSpec.of("depthwise_conv", (16, 8, 8), (16, 8, 8), kernel=3)
    assert count_layer(spec.at("w4")).weight_bytes == count_layer(spec.at("w8")).weight_bytes
    assert count_layer(spec.at("p4")).weight_bytes < count_layer(spec.at("p8")).weight_bytes
