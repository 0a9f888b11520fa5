"""A diagram shows every layer of a network at its true width."""

from __future__ import annotations

import itertools
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from tests.fast import fast_only
from vitnas.errors import VitnasError
from vitnas.reporting.plots.diagram import _rows, describe, draw_blueprint, inner_width
from vitnas.search_spaces import SPACES, Blueprint, LayerSpec, load_space


@pytest.mark.parametrize("name", fast_only(SPACES.names(), ("autoformer-mini", "swin", "efficientformerv2")))
def test_every_space_can_be_drawn(name, tmp_path):
    space = load_space(name)
    blueprint = space.lower(space.smallest())
    draw_blueprint(blueprint, [tmp_path / "net.svg"], name)
    root = ElementTree.parse(tmp_path / "net.svg").getroot()
    words = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {site.replace("_", " ") for site in blueprint.sites} <= words
    assert name in words


def test_bars_are_as_wide_as_the_layer_is_inside():
    assert inner_width(LayerSpec.of("attention", (17, 64), (17, 64), heads=3, head_width=16, reach=0)) == 48
    assert inner_width(LayerSpec.of("feed_forward", (17, 64), (17, 64), hidden=192)) == 192
    assert inner_width(LayerSpec.of("patch_embedding", (1, 8, 8), (17, 64), patch=2)) == 64
    assert inner_width(LayerSpec.of("convolution", (3, 8, 8), (24, 4, 4))) == 24


def test_layers_are_described_in_words():
    attention = LayerSpec.of("attention", (17, 64), (17, 64), heads=3, head_width=16, reach=4)
    assert describe(attention) == "3 heads x 16, reach 4"
    assert describe(LayerSpec.of("feed_forward", (17, 64), (17, 64), hidden=224)) == "hidden 224 (3.5x)"
    assert describe(LayerSpec.of("patch_embedding", (1, 8, 8), (17, 64), patch=2)) == "1x8x8 to 17x64, patch 2"
    assert describe(attention.at("w8a8")) == "w8a8, 3 heads x 16, reach 4"


def test_layers_of_a_block_stand_closer_than_blocks():
    spec = LayerSpec.of("feed_forward", (17, 64), (17, 64), hidden=64)
    rows = _rows(Blueprint(("stem", "block0_a", "block0_b", "block1_a"), (spec,) * 4))
    gaps = [b - a for a, b in itertools.pairwise(rows)]
    assert gaps[1] < gaps[0] == pytest.approx(gaps[2])


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(VitnasError, match=r"\.png or \.svg"):
        draw_blueprint(Blueprint.single(LayerSpec.of("x", (1, 1), (1, 1))), [tmp_path / "net.pdf"], "title")


def test_importing_the_pictures_loads_no_heavy_package():
    code = (
        "import sys, vitnas.reporting.plots.pareto_plot, vitnas.reporting.plots.diagram\n"
        "print([m for m in ('matplotlib', 'torch', 'pandas', 'ray', 'pyarrow') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "[]"
