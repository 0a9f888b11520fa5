"""The space of a given network: its genes, its names, and where it is read from."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import InvalidArchError, SpaceError, UnknownNameError, VitnasError
from vitnas.run import RunFolder
from vitnas.search_spaces import LayerSpec, Pruned, SearchSpace, Task, load_space
from vitnas.search_spaces.pruned.given import GivenLayers
from vitnas.search_spaces.pruned.prunable import steps
from vitnas.search_spaces.pruned.pruned_space import pruned
from vitnas.search_spaces.recorded import run_around

SMALL = Task(32, 10)


def space_of(name: str, task: Task | None = None) -> Pruned:
    space = load_space(name, task)
    assert isinstance(space, Pruned)
    return space


@given(st.integers(1, 5000), st.integers(1, 12), st.sampled_from([1, 8]))
def test_steps_rise_in_multiples_to_all_that_there_is(full: int, most: int, multiple: int) -> None:
    found = steps(full, most, multiple)
    assert found == tuple(sorted(set(found)))
    assert found[-1] == full
    assert found[0] >= 1
    assert len(found) <= most
    granule = next(g for g in (8, 4, 2, 1) if g <= multiple and (full >= most * g or g == 1))
    assert all(size % granule == 0 for size in found[:-1])
    assert all(abs(size - full * i / most) <= granule for size, i in zip(found[::-1], range(most, 0, -1), strict=False))


def test_the_sizes_of_common_layers() -> None:
    assert steps(3, 8, 1) == (1, 2, 3)
    assert steps(768, 8, 8) == (96, 192, 288, 384, 480, 576, 672, 768)
    assert steps(64, 4, 8) == (16, 32, 48, 64)
    assert steps(4304, 8, 8)[-2:] == (3768, 4304)


def test_the_largest_arch_is_the_given_network() -> None:
    for name in ("swin/Swin-T", "convnext/ConvNeXt-T", "pvtv2/PVTv2-B0", "efficientformer/EfficientFormer-L1"):
        own, label = name.split("/")
        space, base = space_of(f"prune:{name}"), load_space(own)
        assert space.lower(space.largest()) == base.lower(base.named(label))


def test_plain_attention_gets_widths_of_its_own_and_nothing_else_changes() -> None:
    space, base = space_of("prune:deit/DeiT-Ti", SMALL), load_space("deit", SMALL)
    given_layers, ours = base.lower(base.named("DeiT-Ti")), space.lower(space.largest())
    assert ours.sites == given_layers.sites
    for was, spec in zip(given_layers, ours, strict=True):
        if was.kind != "attention":
            assert spec == was
        else:
            widths = {"head_width": 64, "key_width": 64, "value_width": 64}
            assert spec == LayerSpec.of("slim_attention", was.in_shape, was.out_shape, heads=3, **widths)


def test_choice_0_leaves_a_layer_out_and_its_other_genes_with_it() -> None:
    space = space_of("prune:deit/DeiT-Ti", SMALL)
    genes = dict(space.largest().genes)
    without = {
        n: v for n, v in genes.items() if n not in ("block3_attention.key_width", "block3_attention.value_width")
    }
    arch = space.arch(**without | {"block3_attention.heads": 0, "block5_ffn.hidden": 0})
    left = set(space.lower(space.largest()).sites) - set(space.lower(arch).sites)
    assert left == {"block3_attention", "block5_ffn"}
    with pytest.raises(InvalidArchError):
        space.arch(**genes | {"block3_attention.heads": 0})
    assert space.lower(space.smallest()).sites == ("stem", "head")


def test_a_layer_without_sizes_is_kept_or_not() -> None:
    space = space_of("prune:efficientformer/EfficientFormer-L1")
    pools = {f"{site}.kept" for site, spec in space.whole.items() if spec.kind == "pool_mixing"}
    assert {g.name for g in space.all_genes if g.choices == (False, True)} == pools
    assert pools


def test_layers_between_maps_of_two_sizes_stay() -> None:
    space = space_of("prune:efficientformerv2/EfficientFormerV2-S0")
    sites = set(space.lower(space.smallest()).sites)
    between = {s for s, spec in space.whole.items() if spec.in_shape != spec.out_shape}
    assert between <= sites


def test_the_stream_of_a_plain_vit_can_be_slimmed() -> None:
    space = space_of("prune+width:deit/DeiT-Ti", SMALL)
    assert next(g for g in space.all_genes if g.name == "width").choices == (96, 120, 144, 168, 192)
    narrow = space.arch(**dict(space.largest().genes) | {"width": 96})
    assert {spec.out_shape[-1] for spec in space.lower(narrow).layers[:-1]} == {96}
    assert space.lower(narrow).layers[2]["hidden"] == 768
    assert space.lower(space.largest()) == space_of("prune:deit/DeiT-Ti", SMALL).lower(
        space_of("prune:deit/DeiT-Ti", SMALL).largest()
    )


def test_the_ranks_of_a_plain_vit_can_be_lowered() -> None:
    for name in ("deit/DeiT-Ti", "timm:vit_tiny_patch16_224"):
        space = space_of(f"prune+rank:{name}", SMALL)
        kinds = {spec.kind for spec in space.lower(space.largest())}
        assert kinds == {"patch_embedding", "low_rank_attention", "low_rank_feed_forward", "classifier"}
        assert {gene.name for gene in space.all_genes} == {
            f"block{i}_{part}.rank" for i in range(12) for part in ("attention", "ffn")
        }
        assert {gene.choices for gene in space.all_genes} == {(0, 24, 48, 72, 96, 120, 144, 168, 192)}
    tanh = space_of("prune+rank:timm:vit_base_patch32_siglip_256").whole
    assert {spec["act"] for spec in tanh if spec.kind == "low_rank_feed_forward"} == {"gelu-tanh"}


def test_attention_of_unequal_widths_keeps_its_form(tmp_path: Path) -> None:
    whole = space_of("prune:deit/DeiT-Ti", SMALL)
    slim = whole.arch(**dict(whole.largest().genes) | {"block0_attention.key_width": 32})
    found = pruned(GivenLayers("mine", whole.lower(slim), SMALL, "deit"), "prune+rank")
    assert [spec.kind for spec in found.whole if "attention" in spec.kind] == [
        "slim_attention", *["low_rank_attention"] * 11
    ]  # fmt: skip


def test_a_network_without_a_form_of_low_rank_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"'prune\+rank:swin/Swin-T': none of its layers has a form of low rank"):
        space_of("prune+rank:swin/Swin-T").lowering  # noqa: B018


def test_a_stream_that_stands_in_other_places_too_is_refused() -> None:
    with pytest.raises(
        SpaceError, match=r"'prune\+width:swin/Swin-T': the stream cannot be slimmed, as a layer 'map_stem'"
    ):
        space_of("prune+width:swin/Swin-T").lowering  # noqa: B018


def test_a_pruned_network_can_be_pruned_further(tmp_path: Path) -> None:
    first = space_of("prune:deit/DeiT-Ti", SMALL)
    arch = first.sample(1, np.random.default_rng(0))[0]
    (tmp_path / "arch.json").write_text(json.dumps(arch.to_json()))
    second = space_of(f"prune:{tmp_path / 'arch.json'}", SMALL)
    assert second.name == f"prune:prune:deit/DeiT-Ti/{arch.id}"
    assert second.lower(second.largest()) == first.lower(arch)


# -- names and files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("prune+width:deit", r"'prune\+width:deit' names no network"),
        ("prune:deit", "names no network; give prune:timm:NAME, prune:SPACE/ARCH"),
        ("prune:deit/DeiT-X", r"no published arch 'DeiT-X'; have \[DeiT-Ti"),
        ("prune:nobody/DeiT-Ti", "no search space named 'nobody'"),
        ("prune:timm:resnet50", "no network 'timm:resnet50' is known here"),
        ("prune:timm:vit_small_plus_patch16_dinov3.lvd1689m", "has a gated FFN"),
        ("prune:timm:eva02_tiny_patch14_224", "has rotary positions of another kind"),
        ("prune:timm:deit_tiny_distilled_patch16_224", "has a distillation token"),
        ("prune:gone/arch.json", "'gone/arch.json' does not exist"),
    ],
)
def test_a_name_of_no_network_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(VitnasError, match=why):
        load_space(name)


def test_patches_that_do_not_divide_the_images_are_refused() -> None:
    with pytest.raises(
        SpaceError, match="'timm:vit_small_patch14_dinov2': image size 100 is not a multiple .* that is: 98"
    ):
        load_space("prune:timm:vit_small_patch14_dinov2", Task(100)).lowering  # noqa: B018


def test_names_of_timm_are_told_without_torch() -> None:
    code = (
        "import sys; from vitnas.search_spaces import load_space;"
        "load_space('prune:timm:vit_small_patch14_reg4_dinov2.lvd142m').lowering; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tags_of_timm_do_not_change_the_network() -> None:
    tagged = space_of("prune:timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    assert tagged.whole == space_of("prune:timm:vit_tiny_patch16_224").whole
    assert space_of("prune:timm:deit_tiny_patch16_224").whole == space_of("prune:deit/DeiT-Ti").whole


def _same(left: SearchSpace, right: SearchSpace) -> None:
    assert (left.name, left.task, left.fingerprint) == (right.name, right.task, right.fingerprint)


def test_an_export_gives_its_layers_for_other_classes_alone(tmp_path: Path) -> None:
    base = load_space("deit", SMALL)
    arch = base.smallest()
    (tmp_path / "arch.json").write_text(json.dumps(arch.to_json()))
    report = {"task": asdict(SMALL), "blueprint": base.lower(arch).to_json()}
    (tmp_path / "report.json").write_text(json.dumps(report))
    name = f"prune:{tmp_path / 'arch.json'}"
    space = space_of(name)
    assert space.task == SMALL
    assert space.name == f"prune:deit/{arch.id}"
    assert [s.out_shape for s in space.whole] == [s.out_shape for s in base.lower(arch)]
    assert space_of(name, Task(32, 3)).whole.out_shape == (3,)
    with pytest.raises(SpaceError, match="images of 32 with 3 channels alone, not for images of 64"):
        space_of(name, Task(64, 10)).lowering  # noqa: B018


def test_an_arch_in_a_run_is_of_the_space_of_the_run(tmp_path: Path) -> None:
    base = load_space("autoformer-mini", Task(8, 10, 1)).restrict(depth=(3, 4))
    run = RunFolder.create(tmp_path / "run", base, {})
    (run.path / "search-cpu").mkdir()
    file = run.path / "search-cpu" / "arch.json"
    file.write_text(json.dumps(base.smallest().to_json()))
    space = space_of(f"prune:{file}")
    assert space.task == base.task
    assert space.given.arch == base.smallest()
    assert {s.kind for s in space.whole} == {s.kind for s in base.lower(base.smallest())}  # relative positions stay
    pruned_run = RunFolder.create(tmp_path / "pruned", space, {})
    assert (pruned_run.path / "space.json").is_file()
    _same(RunFolder.open(pruned_run.path).space, space)
    _same(pickle.loads(pickle.dumps(space)), space)
    opened = RunFolder.open(pruned_run.path).space
    assert isinstance(opened, Pruned)
    assert opened.given.arch == space.given.arch


def test_a_run_of_a_named_network_needs_no_file(tmp_path: Path) -> None:
    space = space_of("prune:timm:deit_tiny_patch16_224", SMALL)
    run = RunFolder.create(tmp_path / "run", space.restrict(**{"block0_ffn.hidden": (0, 768)}), {})
    assert not (run.path / "space.json").exists()
    assert tomli_w.dumps({"name": space.name}).strip() in run.config_file.read_text()
    _same(RunFolder.open(run.path).space, space.restrict(**{"block0_ffn.hidden": (0, 768)}))
    _same(pickle.loads(pickle.dumps(space)), space)


def test_a_damaged_space_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text('{"prefix": "prune"}')
    with pytest.raises(SpaceError, match="holds no given network: .*name the space.json of a run"):
        load_space(str(tmp_path / "space.json"))


def _told(prefix: str = "prune") -> dict[str, Any]:
    """A pruned space as its file tells it."""
    base = load_space("deit", SMALL)
    layers = base.lower(base.smallest()).to_json()
    return {"prefix": prefix, "name": "mine", "family": "deit", "task": asdict(SMALL), "layers": layers}


def _ffn(told: dict[str, Any]) -> dict[str, Any]:
    return next(row for row in told["layers"] if row["kind"] == "feed_forward")["attrs"]  # type: ignore[no-any-return]


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no layers": (lambda told: told.update(layers=[]), "length >= 1"),
    "an FFN without its width": (lambda told: _ffn(told).clear(), "a layer has no 'hidden'"),
    "a width in words": (lambda told: _ffn(told).update(hidden="x"), "str"),
    "one site twice": (
        lambda told: [row.update(site="block") for row in told["layers"][1:-1]], "two layers at site 'block'"
    ),
    "no channels": (lambda told: told["layers"][0].update(out=[]), "length >= 1"),
    "images of no pixels": (lambda told: told["task"].update(image_size=0), r"image_size must be .*; got 0, .* at `\$\.task`"),
    "no classes": (lambda told: told["task"].update(num_classes=-1), "`int` >= 1"),
    "layers that do not meet": (lambda told: told["layers"][1].update({"in": [5, 7]}), "but the layer before it"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGES)
def test_a_network_that_is_none_is_refused_by_the_name_of_its_file(case: str, tmp_path: Path) -> None:
    spoil, why = DAMAGES[case]
    told = _told()
    (tmp_path / "space.json").write_text(json.dumps(told))
    assert load_space(str(tmp_path / "space.json")).columns
    spoil(told)
    (tmp_path / "space.json").write_text(json.dumps(told))
    with pytest.raises(SpaceError, match=f"space.json' holds no given network: .*{why}"):
        load_space(str(tmp_path / "space.json"))
    (tmp_path / "arch.json").write_text(json.dumps({"space": "deit", "genes": {}}))
    (tmp_path / "report.json").write_text(json.dumps({"task": told["task"], "blueprint": told["layers"]}))
    with pytest.raises(SpaceError, match=f"is no whole export.*{why}"):
        load_space(f"prune:{tmp_path / 'arch.json'}")


def test_a_prefix_of_no_pruned_space_is_refused(tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text(json.dumps(_told("prunes")))
    with pytest.raises(
        SpaceError,
        match=r"holds no given network: its prefix is 'prunes'; have \[prune, prune\+map, prune\+rank, prune\+width, stitch\]",
    ):
        load_space(str(tmp_path / "space.json"))


def test_a_config_toml_of_something_else_around_an_arch_is_passed_by(tmp_path: Path) -> None:
    base = load_space("autoformer-mini", Task(8, 10, 1)).restrict(depth=(3,))
    run = RunFolder.create(tmp_path / "run", base, {})
    inner = run.path / "search-cpu" / "networks" / "of" / "mine"
    inner.mkdir(parents=True)
    (inner / "config.toml").write_text("[tool]\nname = 'other'\n")
    (inner.parent / "config.toml").write_text("no TOML")
    (inner / "arch.json").write_text(json.dumps(base.smallest().to_json()))
    assert run_around(inner / "arch.json") == run.path
    assert space_of(f"prune:{inner / 'arch.json'}").task == base.task
    assert run_around(tmp_path / "arch.json") is None


def test_an_arch_of_a_space_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "arch.json").write_text(json.dumps({"space": "mine", "genes": {}}))
    with pytest.raises(SpaceError, match="no run or export lies around it that has this space"):
        load_space(f"prune:{tmp_path / 'arch.json'}")


def test_any_blueprint_makes_a_space() -> None:
    base = load_space("tinyvit", Task(64, 5))
    layers = base.lower(base.smallest())
    space = pruned(GivenLayers("mine", layers, base.task, "tinyvit"))
    assert space.lower(space.largest()) == layers
    assert space.name == "prune:mine"


def test_files_of_a_pruned_space_have_one_plain_name() -> None:
    assert space_of("prune+width:deit/DeiT-Ti", SMALL).file_name == "prune+width-deit-DeiT-Ti"
    assert load_space("autoformer-tiny").file_name == "autoformer-tiny"


def test_images_that_a_network_cannot_look_at_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"network 'swin/Swin-T' cannot look at images of 64 .*gene 'window\.s1'"):
        space_of("prune:swin/Swin-T", Task(64)).lowering  # noqa: B018


def test_an_unknown_prefix_is_no_pruned_space() -> None:
    with pytest.raises(UnknownNameError, match="no search space named 'prunes'"):
        load_space("prunes")
