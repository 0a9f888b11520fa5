"""A compressed space is its base, with a precision for every layer that can have one."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from tests.fast import fast_only
from tests.search_spaces.toy import Toy
from vitnas.errors import InvalidArchError, SettingsError, SpaceError, UnknownNameError
from vitnas.run import RunFolder
from vitnas.search_spaces import SPACES, Compressed, Task, as_named, load_space
from vitnas.search_spaces.precision_genes import WEIGHTLESS

GIVEN = ("prune:deit/DeiT-Ti", "prune+rank:deit/DeiT-Ti", "stitch:deit/DeiT-Ti+deit/DeiT-S")
FAST = ("autoformer-mini", "tinyvit", "nextvit", "prune:deit/DeiT-Ti")
MENU = ["w7a8", "p4"]

each_space = pytest.mark.parametrize("name", fast_only([*SPACES.names(), *GIVEN], FAST))
each_way = pytest.mark.parametrize("by", ["site", "kind"])


@lru_cache
def _space(name: str, by: str = "site") -> Compressed:
    return load_space(name).compressed(MENU, by)


@each_way
@each_space
def test_its_archs_are_archs_of_the_base_at_precisions(name: str, by: str) -> None:
    space = _space(name, by)
    codes = space.genome.sample(10, np.random.default_rng(0))
    archs = space.decode(codes)
    np.testing.assert_array_equal(space.encode(archs), codes)
    for arch in archs:
        plain, layers = space.plain(arch), space.lower(arch)
        assert space.base.check(plain) == plain
        base = space.base.lower(plain)
        assert layers.sites == base.sites
        assert tuple(spec.at("float") for spec in layers) == base.layers
        assert space.lower(space.compress(plain)) == base
        asked = {site: spec.precision for site, spec in layers.items()}
        assert space.lower(space.compress(plain, asked)) == layers
        assert space.plain(space.compress(plain, "w7a8")) == plain


@each_way
@each_space
def test_every_layer_but_the_first_and_the_last_may_be_at_every_precision(name: str, by: str) -> None:
    space = _space(name, by)
    for arch in (space.base.smallest(), space.base.largest()):
        layers = list(space.lower(space.compress(arch, "w7a8")).items())
        assert {spec.precision for _, spec in (layers[0], layers[-1])} == {"float"}
        for site, spec in layers[1:-1]:
            assert (spec.precision == "w7a8") == ("stem" not in site and spec.kind not in WEIGHTLESS), site


@each_space
def test_its_name_is_read_again_and_it_travels(name: str) -> None:
    space = _space(name)
    for again in (load_space(space.name), pickle.loads(pickle.dumps(space))):
        assert isinstance(again, Compressed)
        assert (again.name, again.menu, again.all_genes) == (space.name, space.menu, space.all_genes)
        assert again.columns_at == space.columns_at
    other = load_space(space.name, Task(space.task.image_size, 7, space.task.in_channels))
    assert isinstance(other, Compressed)
    assert other.base.task.num_classes == other.task.num_classes == 7


def test_its_fingerprint_is_its_own_and_that_of_the_base_stays() -> None:
    space = _space("autoformer-mini")
    assert space.base.fingerprint == load_space("autoformer-mini").fingerprint
    found = {space.base.fingerprint, space.fingerprint, _space("autoformer-mini", "kind").fingerprint}
    assert len({*found, space.base.compressed(["w8a8"]).fingerprint}) == 4
    assert pickle.loads(pickle.dumps(space)).fingerprint == load_space(space.name).fingerprint == space.fingerprint


def test_the_ends_are_those_of_the_base_in_float_and_at_least_bits() -> None:
    space = _space("autoformer-mini")
    assert space.plain(space.largest()) == space.base.largest()
    assert space.lower(space.largest()) == space.base.lower(space.base.largest())
    assert {spec.precision for spec in space.lower(space.smallest()).layers[1:-1]} == {"w7a8"}


def test_published_archs_are_there_in_float() -> None:
    space = _space("tinyvit")
    for name in space.base.published():
        assert space.lower(space.named(name)) == space.base.lower(space.base.named(name))
        assert space.name_of(space.named(name)) == name


@pytest.mark.parametrize(
    ("name", "genes"),
    [
        ("autoformer-mini", {"precision_attention": ("depth", None), "precision_ffn": ("depth", None)}),
        (
            "ascan",
            {
                "precision_stage2_convolution": ("convolutions.s2", None),
                "precision_stage2_attention": ("attentions.s2", None),
                "precision_stage2_downsampling": (None, None),
            },
        ),
        (
            "nextvit",
            {
                "precision_stage2_embedding": ("groups.s2", None),
                "precision_stage2_block1": ("groups.s2", "convs.s2"),
                "precision_stage1": ("depth.s1", None),
            },
        ),
        ("prune:deit/DeiT-Ti", {"precision_block0_attention": (None, "block0_attention.heads")}),
    ],
)
def test_a_family_has_a_gene_per_its_depth_that_is_on_where_there_is_a_layer(
    name: str, genes: Mapping[str, tuple[str | None, str | None]]
) -> None:
    own = {gene.name: (gene.per, gene.when and gene.when[0]) for gene in _space(name).all_genes}
    assert {gene: own.get(gene) for gene in genes} == genes


@pytest.mark.parametrize("name", ["autoformer-mini", "tinyvit", "prune:deit/DeiT-Ti"])
def test_no_two_codes_mean_one_network_where_one_gene_decides_whether_there_is_a_layer(name: str) -> None:
    space = _space(name)
    for arch in space.sample(50, np.random.default_rng(1)):
        on = {c.name for c, code in zip(space.columns, space.encode([arch])[0], strict=True) if code >= 0}
        read = {space.columns_at[site] for site in space.lower(arch).sites if site in space.columns_at}
        assert {column for column in on if column.startswith("precision_")} == read


def test_families_are_kept_in_float() -> None:
    space = load_space("autoformer-mini").compressed(["w8a8"], keep=["head", "attention"])
    assert space.name == "compress:w8a8,keep=head+attention:autoformer-mini"
    assert load_space(space.name).fingerprint == space.fingerprint
    assert {site for site, spec in space.lower(space.smallest()).items() if spec.precision == "w8a8"} == {
        "stem",
        *(f"block{i}_ffn" for i in range(3)),
    }
    nothing = load_space("autoformer-mini").compressed(["w8a8"], keep=[])
    assert load_space(nothing.name).fingerprint == nothing.fingerprint
    assert {spec.precision for spec in nothing.lower(nothing.smallest())} == {"w8a8"}


def test_a_restricted_base_and_a_restricted_space() -> None:
    base = load_space("autoformer-mini").restrict(depth=[4])
    space = base.compressed(["w7a8"])
    assert space.base.fingerprint == base.fingerprint
    assert {arch["depth"] for arch in space.sample(20, np.random.default_rng(0))} == {4}
    narrow = space.restrict(**{"precision_ffn": ["w7a8"], "precision_attention[1]": ["float"]})
    arch = narrow.sample(1, np.random.default_rng(0))[0]
    assert arch["precision_ffn"] == ("w7a8",) * 4
    assert arch["precision_attention"][1] == "float"  # type: ignore[index]
    assert space.check(arch) == arch
    alone = space.alone(arch)
    assert alone.genome.size() == 1
    assert alone.lower(alone.largest()) == space.lower(arch)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("w9a8", "no precision; it is 'float', 'w8a8'"),
        ("w8a8,by=layer", "by 'site' or by 'kind', not by 'layer'"),
        ("w8a8,keeps=head", "no option 'keeps'.*Did you mean 'keep'"),
        ("w8a8,keep=hat", "no sites 'hat' to keep in float"),
        ("float", "name another precision"),
        ("w8a8,keep=attention+ffn+stem+head", "none of its layers takes a precision"),
    ],
)
def test_a_wrong_name_is_refused(asked: str, message: str) -> None:
    with pytest.raises((SpaceError, UnknownNameError), match=message):
        load_space(f"compress:{asked}:autoformer-mini")


def test_what_cannot_be_compressed_is_refused() -> None:
    space = _space("autoformer-mini")
    with pytest.raises(SpaceError, match="has precisions already; compress 'autoformer-mini'"):
        space.compressed(["w8a8"])
    with pytest.raises(UnknownNameError, match="names no base"):
        load_space("compress:w8a8")
    arch = space.base.smallest()
    with pytest.raises(InvalidArchError, match="has no precision 'w8a8'"):
        space.compress(arch, "w8a8")
    with pytest.raises(InvalidArchError, match="no layer at site 'block5_ffn'"):
        space.compress(arch, {"block5_ffn": "w7a8"})
    by_kind = _space("autoformer-mini", "kind")
    with pytest.raises(InvalidArchError, match="another site that reads its gene is at 'w7a8'; give both the same"):
        by_kind.compress(arch, {"block0_ffn": "w7a8"})


def test_a_space_of_ones_own_in_python_is_compressed() -> None:
    space = Toy().compressed(["w8a8"])
    assert space.plain(space.largest()) == Toy().largest()


TOML = """
name = "mine"
extends = "autoformer-mini"

[only]
depth = [3, 4]

[compress]
menu = ["w8a8"]
keep = ["head"]
"""


def test_a_file_says_how_its_space_is_compressed(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TOML)
    space = load_space(str(file))
    assert isinstance(space, Compressed)
    assert (space.name, space.menu, space.keep) == ("compress:w8a8,keep=head:mine", ("w8a8", "float"), ("head",))
    (tmp_path / "run").mkdir()
    run = RunFolder.create(tmp_path / "run", space, {})
    file.unlink()
    for again in (pickle.loads(pickle.dumps(space)), run.space):
        assert isinstance(again, Compressed)
        assert again.fingerprint == space.fingerprint
        assert again.base.fingerprint == space.base.fingerprint
    base = pickle.loads(pickle.dumps(space.base))
    assert base.name == "mine"
    assert base.fingerprint == space.base.fingerprint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('menu = ["w8a8"]', "", r"mine.toml, \[compress\].*menu"),
        ('menu = ["w8a8"]', 'menu = ["w8b8"]', "mine.toml: 'w8b8' is no precision"),
        ("keep", "kept", r"mine.toml, \[compress\].*kept.*Did you mean 'keep'"),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TOML.replace(old, new))
    with pytest.raises((SpaceError, SettingsError), match=message):
        load_space(str(file))


def test_a_restricted_base_keeps_its_published_archs_and_its_kept_choices() -> None:
    base = load_space("deit").restrict(width=(192,))
    space = base.compressed(["w8a8"])
    assert set(space.published()) == set(base.published())
    assert space.plain(space.named("DeiT-Ti")) == base.named("DeiT-Ti")
    assert {dict(arch.genes)["width"] for arch in space.sample(20, np.random.default_rng(0))} == {192}
    whole = load_space("deit").compressed(["w8a8"]).restrict(width=(192,), precision_attention=("w8a8",))
    assert whole.base.only == (("width", (192,)),)
    assert whole.base.fingerprint == base.fingerprint
    assert pickle.loads(pickle.dumps(whole)).base.only == whole.base.only


def test_other_precisions_are_kept_to_what_the_space_is_kept_to() -> None:
    base = load_space("autoformer-mini")
    narrow = base.compressed(["w8a8", "w7a8"]).restrict(precision_ffn=["w8a8"], depth=[4])
    assert as_named(narrow, narrow.name) is narrow
    other = as_named(narrow, "compress:w8a8,w4:autoformer-mini")
    assert isinstance(other, Compressed)
    assert (other.menu, other.base.only) == (("w8a8", "w4", "float"), (("depth", (4,)),))
    for arch in other.sample(20, np.random.default_rng(0)):
        assert arch["precision_ffn"] == ("w8a8",) * 4
    assert as_named(narrow, other.name).fingerprint == other.fingerprint
    assert as_named(base, other.name).fingerprint != other.fingerprint
    with pytest.raises(
        SpaceError, match=r"keeps 'precision_ffn' to \['w8a8'\], and the menu \['w4', 'float'\] has none"
    ):
        as_named(narrow, "compress:w4:autoformer-mini")


def test_a_precision_that_is_not_kept_is_refused_and_not_replaced() -> None:
    space = load_space("deit").compressed(["w8a8"]).restrict(precision_attention=("w8a8",))
    with pytest.raises(InvalidArchError, match=r"keeps 'precision_attention\[0\]' to \['w8a8'\], and 'float' is asked"):
        space.compress(space.base.smallest(), "float")
