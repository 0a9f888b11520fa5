"""Spaces from files: the examples of the docs, and what a file can have wrong."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vitnas.errors import SettingsError, SpaceError, VitnasError
from vitnas.run import RunFolder
from vitnas.search_spaces import Task, load_space

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FILES = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in {".py", ".toml"})
TOML = (EXAMPLES / "own_space.toml").read_text()


def write(tmp_path: Path, text: str, name: str = "mine.toml") -> str:
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


@pytest.mark.parametrize("file", FILES)
def test_an_example_is_a_space_like_any_other(file: str) -> None:
    space = load_space(str(EXAMPLES / file))
    codes = space.genome.sample(50, np.random.default_rng(0))
    archs = space.decode(codes)
    np.testing.assert_array_equal(space.encode(archs), codes)
    assert all(space.check(arch) == arch for arch in archs)
    assert load_space(str(EXAMPLES / file), Task(16, 7, 3)).smallest() == space.smallest()
    assert load_space(str(EXAMPLES / file), Task(16, 7, 3)).lower(space.smallest()).out_shape == (7,)


def test_the_toml_example_is_the_network_that_it_describes() -> None:
    space = load_space(str(EXAMPLES / "own_space.toml"))
    assert space.genome.size() == 2 * ((2 * 3) ** 2 + (2 * 3) ** 3)
    arch = space.arch(width=32, depth=2, heads=[2, 3], ratio=[3.0, 1.5])
    assert [f"{site}: {spec.key}" for site, spec in space.lower(arch).items()] == [
        "stem: patch_embedding 1x8x8>17x32 patch=2",
        "block0_attention: attention 17x32>17x32 head_width=16 heads=2 reach=0",
        "block0_ffn: feed_forward 17x32>17x32 hidden=96",
        "block1_attention: attention 17x32>17x32 head_width=16 heads=3 reach=0",
        "block1_ffn: feed_forward 17x32>17x32 hidden=48",
        "head: classifier 17x32>10 pool=mean",
    ]


def test_an_extended_space_has_the_layers_of_its_family() -> None:
    space = load_space(str(EXAMPLES / "fewer_choices.toml"))
    mini = load_space("autoformer-mini")
    genes = {"width": 48, "depth": 3, "heads": [2, 3, 4], "mlp_ratio": [2.0, 3.0, 2.0]}
    assert list(space.lower(space.arch(**genes))) == list(mini.lower(mini.arch(**genes)))
    assert [gene.choices for gene in space.all_genes] == [(32, 48), (3, 4), (1.0, 2.0, 3.0), (2, 3, 4)]


def test_sites_by_condition_place_and_depth(tmp_path: Path) -> None:
    """A site may exist by a value, depend on its place, and need no gene of its own block."""
    text = """
name = "conditions"
[task]
image_size = 8
num_classes = 10
in_channels = 1
[[genes]]
name = "depth"
choices = [1, 3]
[[genes]]
name = "mixer"
choices = ["none", "wide"]
per = "depth"
[[genes]]
name = "hidden"
choices = [4, 8]
per = "depth"
when = { gene = "mixer", is = ["wide"] }
[[sites]]
name = "stem"
kind = "stem"
in_shape = ["in_channels", 8, 8]
out_shape = [4]
[[sites]]
name = "always{i}"
repeat = "depth"
kind = "same"
in_shape = [4]
attrs = { place = "= i" }
[[sites]]
name = "plain{i}"
repeat = "depth"
kind = "same"
in_shape = [4]
when = "mixer == 'none' and i > 0"
[[sites]]
name = "wide{i}"
repeat = "depth"
kind = "ffn"
in_shape = [4]
attrs = { hidden = "= hidden * (i + 1)", act = "= mixer" }
when = "i != 2"
[[sites]]
name = "head"
kind = "head"
in_shape = [4]
out_shape = ["num_classes"]
"""
    text = text.replace(', act = "= mixer"', "")
    space = load_space(write(tmp_path, text))
    arch = space.arch(depth=3, mixer=["wide", "none", "wide"], hidden=[4, None, 8])
    assert [f"{site} {spec.key}" for site, spec in space.lower(arch).items()][1:-1] == [
        "always0 same 4>4 place=0",
        "wide0 ffn 4>4 hidden=4",
        "always1 same 4>4 place=1",
        "plain1 same 4>4",
        "always2 same 4>4 place=2",
    ]
    arch = space.arch(depth=1, mixer=["none"])
    assert list(space.lower(arch).sites) == ["stem", "always0", "head"]


@pytest.mark.parametrize("file", FILES)
def test_a_run_keeps_the_space_and_another_process_has_it(file: str, tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / file, tmp_path / file)
    space = load_space(str(tmp_path / file), Task(16, 7, 3)).restrict(
        width=(load_space(str(tmp_path / file)).smallest()["width"],)
    )  # type: ignore[arg-type]
    RunFolder.create(tmp_path / "run", space, {})
    data = pickle.dumps(space)
    (tmp_path / file).unlink()
    assert RunFolder.open(tmp_path / "run").space.fingerprint == space.fingerprint
    assert pickle.loads(data).fingerprint == space.fingerprint
    assert pickle.loads(data).smallest() == space.smallest()
    (tmp_path / "space.pickle").write_bytes(data)
    program = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).fingerprint)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "space.pickle")], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == space.fingerprint, done.stderr


def test_the_fingerprint_changes_with_what_the_file_says(tmp_path: Path) -> None:
    path = write(tmp_path, TOML)
    before = load_space(path).fingerprint
    write(tmp_path, TOML + "\n# a comment changes nothing\n")
    assert load_space(path).fingerprint == before == load_space(str(EXAMPLES / "own_space.toml")).fingerprint
    write(tmp_path, TOML.replace("width * ratio", "width * ratio + 1"))
    assert load_space(path).fingerprint != before


WRONG = {
    "unknown key": ("constants]", "constantss]", SettingsError, "unknown key 'constantss'.*Did you mean 'constants'"),
    "no TOML": ('name = "own-digits"', "name = own", SpaceError, r"mine.toml is not valid TOML"),
    "TOML without end": ('name = "own-digits"', "name = " + "[" * 100_000, SpaceError, r"mine.toml is not valid TOML"),
    "gene key": ('per = "depth"', 'pre = "depth"', SettingsError, r"\[\[genes\]\] 3: unknown key 'pre'.*Did you mean 'per'"),
    "site key": ("out_shape =", "outshape =", SettingsError, r"\[\[sites\]\] 1: unknown key 'outshape'.*mean 'out_shape'"),
    "task key": ("image_size = 8", "image_siz = 8", SettingsError, r"\[task\]: unknown key 'image_siz'"),
    "missing key": ('kind = "attention"\n', "", SettingsError, r"\[\[sites\]\] 2: .*missing required field `kind`"),
    "type": ("choices = [32, 48]", "choices = 32", SettingsError, r"\[\[genes\]\] 1: Expected `array`.*choices"),
    "no choices": ("choices = [32, 48]", "choices = []", SpaceError, r"gene 'width' needs distinct choices"),
    "per": ('per = "depth"', 'per = "dept"', SpaceError, r"\[\[genes\]\]: gene 'heads' refers to 'dept'.*mean 'depth'"),
    "at_least": ("choices = [2, 3]\n\n", 'choices = ["a", "b"]\nat_least = "width"\n', SpaceError, "`at_least` compares numbers"),
    "gene name": ('name = "heads"', 'name = "my.heads"', SpaceError, "'my.heads': expressions read genes by name"),
    "reserved": ('name = "heads"', 'name = "in_channels"', SpaceError, "gene 'in_channels' has the name of a constant"),
    "constant": ("grid * grid + 1", "gird * gird + 1", SpaceError, r"\[constants\], key 'tokens'.*mean 'grid'"),
    "name in attr": ("width * ratio", "width * ratoi", SpaceError, r"3 'block\{i\}_ffn', attr 'hidden'.*mean 'ratio'"),
    "repeat": ('repeat = "depth"', 'repeat = "dpeth"', SpaceError, r"key 'repeat': no gene 'dpeth'.*mean 'depth'"),
    "repeat by ratio": ('repeat = "depth"', 'repeat = "ratio"', SpaceError, "must be one whole number per arch.*per 'depth'"),
    "without i": ("block{i}_ffn", "block_ffn", SpaceError, r"'block_ffn': a name has \{i\} in it exactly where"),
    "gene of blocks": ('attrs = { pool = "mean" }', 'attrs = { pool = "= heads" }', SpaceError, r"one value per 'depth'.*repeat"),
    "half a channel": ('out_shape = ["tokens", "width"]', 'out_shape = ["tokens", "width / 2"]', SpaceError, r"is 16.0 for width = 32; use //"),
    "no chain": ('out_shape = ["tokens", "width"]', 'out_shape = ["tokens", 32]', SpaceError, r"do not chain: site 'block0_attention' takes \(17, 48\), but .* gives \(17, 32\)"),
    "no image": ('in_shape = ["in_channels", "image_size", "image_size"]', "in_shape = [3, 8, 8]", SpaceError, r"takes \(3, 8, 8\), but the first layer takes the image"),
    "no classes": ('out_shape = ["num_classes"]', "out_shape = [5]", SpaceError, r"gives \(5,\), but the last layer answers the classes: \(10,\)"),
    "taken name": ('name = "own-digits"', 'name = "deit"', SpaceError, "mine.toml: name 'deit' is the name of a space of vitnas"),
    "odd name": ('name = "own-digits"', 'name = "a/b"', SpaceError, "no plain name"),
    "two sites": ("block{i}_ffn", "block{i}_attention", SpaceError, "names must be unique"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_toml_file_with_a_mistake_is_refused(case: str, tmp_path: Path) -> None:
    old, new, error, message = WRONG[case]
    assert old in TOML
    text = TOML.replace(old, new, 1)
    with pytest.raises(error, match=message) as caught:
        load_space(write(tmp_path, text))
    assert "mine.toml" in str(caught.value)


EXTENDED = (EXAMPLES / "fewer_choices.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("autoformer-mini", "autoformer-mni", "key 'extends': no search space named 'autoformer-mni'.*mean 'autoformer-mini'"),
        ("width = [32, 48]", "widht = [32, 48]", r"\[change\], key 'widht'.*Did you mean 'width'"),
        ("width = [32, 48]", 'width = [32, "48"]', r"key 'width': got '48'; it takes the form of 48"),
        ("width = [32, 48]", "width = 32", r"key 'width': got 32; it takes the form of \[48, 64, 80\]"),
        ("depth = [3, 4]", "depth = [3, 7]", r"mine.toml: gene 'depth' .* cannot be kept to \[3, 7\]"),
        ("depth = [3, 4]", "deep = [3, 4]", r"mine.toml: space 'mini-narrow' has no gene 'deep'"),
        ("[only]", "[onyl]", "unknown key 'onyl'.*Did you mean 'only'"),
    ],
)  # fmt: skip
def test_an_extended_space_with_a_mistake_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(VitnasError, match=message):
        load_space(write(tmp_path, EXTENDED.replace(old, new, 1)))


PYTHON = (EXAMPLES / "own_space.py").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def space(", "def spaces(", r"must define one function `space\(task.*its functions are \['spaces'\]"),
        ("space(task: Task = Task(", "space(a, task: Task = Task(", r"its function takes \(a, task\)"),
        ('return Convolutional("own-convolutional", task)', "return 3", "its function returned int"),
        ("DEEPEST = 3", "DEEPEST = 3 / 0", "line 11: ZeroDivisionError"),
        ("DEEPEST = 3", "DEEPEST = (", "line 11: SyntaxError"),
        ("side = size // 2", "side = siez // 2", "NameError: name 'siez'"),
        ("hidden=width * ratio", "hidden=width.ratio", "AttributeError"),
        ("DEEPEST = 3", "raise SystemExit(3)", "line 11: SystemExit"),
        ('Gene("kernel", (3, 5), per="depth")', 'Gene("kernel", (3, 5), per="deep")', "mine.py: gene 'kernel' refers to"),
        ("(width, side, side), answer", "(width, side, 9), answer", r"mine.py: the shapes of an arch do not chain: site 'head' takes"),
    ],
)  # fmt: skip
def test_a_python_file_with_a_mistake_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in PYTHON
    with pytest.raises(SpaceError, match=message) as caught:
        load_space(write(tmp_path, PYTHON.replace(old, new, 1), "mine.py"))
    assert "mine.py" in str(caught.value)


def test_a_path_that_is_no_space(tmp_path: Path) -> None:
    write(tmp_path, TOML)
    with pytest.raises(SpaceError, match=r"does not exist; its folder: have \[mine.toml\]. Did you mean 'mine.toml'"):
        load_space(str(tmp_path / "mien.toml"))
    with pytest.raises(SpaceError, match=r"is a .toml or .py file"):
        load_space(str(tmp_path / "mine.yaml"))
    with pytest.raises(SpaceError, match="does not exist"):
        load_space("nowhere/mine.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SpaceError, match="cannot be read"):
        load_space(str(tmp_path / "bytes.toml"))
