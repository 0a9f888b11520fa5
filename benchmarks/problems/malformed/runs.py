"""Runs, spaces and exports, spoiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from .case import (
    EXPORT,
    NEWEST,
    OLDER,
    RUN,
    SEARCH,
    Case,
    Spoil,
    both,
    change,
    cut,
    noise,
    remove,
    swap,
    write,
)


def checkpoints() -> Iterator[Case]:
    def all_of(file: str, how: Callable[[str], Spoil]) -> Spoil:
        return both(*(how(f"{folder}/{file}") for folder in (NEWEST, OLDER)))

    weights, state = "supernet.safetensors", "state.json"
    bad: dict[str, Spoil] = {
        "no checkpoints": remove(f"{RUN}/checkpoints"),
        "no state": all_of(state, lambda f: remove(f)),
        "no weights": all_of(weights, lambda f: remove(f)),
        "weights cut off": all_of(weights, lambda f: cut(f, 0.5)),
        "weights of nothing": all_of(weights, lambda f: write(f, "")),
        "weights changed": all_of(weights, lambda f: noise(f, 0.7, 1)),
        "weights of pickle": all_of(weights, lambda f: write(f, b"\x80\x04cos\nsystem\n(S'ls'\ntR.")),
        "a state that is no JSON": all_of(state, lambda f: write(f, "{")),
        "a state of a list": all_of(state, lambda f: write(f, "[]")),
        "a state without hashes": all_of(state, lambda f: change(f, lambda s: s.pop("sha256") and None)),
        "a state of another space": all_of(state, lambda f: change(f, lambda s: s.update(space="0" * 16))),
    }
    config = f"{RUN}/config.toml"
    both_ways: dict[str, Spoil] = {
        "a config that is no TOML": write(config, "[space"),
        "a config of nothing": write(config, ""),
        "a config of no such space": both(remove(f"{RUN}/space.toml"), write(config, '[space]\nname = "tinny"\n')),
        "a config without its space": remove(f"{RUN}/space.toml"),
        "a config of another task": swap(config, "num_classes = 10", "num_classes = 7"),
        "a config of no classes": swap(config, "num_classes = 10", "num_classes = 0"),
        "a space file that is no TOML": write(f"{RUN}/space.toml", "[["),
    }
    resumed = {"a config of unknown settings": swap(config, "[train]", "[train]\nmagic = 1")}
    readers = (f"evaluate --run {RUN} --smallest", SEARCH, f"{EXPORT} --arch arch.json")
    for i, (name, spoil) in enumerate({**bad, **both_ways}.items()):
        yield Case(f"{name}, {readers[i % 3].split()[0]}", readers[i % 3], spoil)
    del bad["no checkpoints"]  # a run that was stopped before its first one is resumed from the start
    for name, spoil in {**bad, **both_ways, **resumed}.items():
        yield Case(f"{name}, resume", f"train-supernet --resume {RUN}", both(_unfinished, spoil))


def _unfinished(folder: Path) -> None:
    """A run that has steps left, so that resuming reads its checkpoints."""
    swap(f"{RUN}/config.toml", "steps = 4", "steps = 6")(folder)


def spaces() -> Iterator[Case]:
    base = (Path(__file__).parents[3] / "docs/examples/own_space.toml").read_text(encoding="utf-8")

    def other(old: str, new: str) -> str:
        assert old in base, old
        return base.replace(old, new, 1)

    bad = {
        "not TOML": "[[genes]",
        "empty": "",
        "a name alone": 'name = "x"\n',
        "extends no such space": 'name = "x"\nextends = "nothing"\n',
        "changes no such gene": 'name = "x"\nextends = "deit"\n[change]\nmagic = [1]\n',
        "keeps no such choice": 'name = "x"\nextends = "autoformer-mini"\n[only]\nwidth = [1]\n',
        "keeps nothing": 'name = "x"\nextends = "autoformer-mini"\n[only]\nwidth = []\n',
        "an unknown key": other('name = "own-digits"', 'name = "own-digits"\nmagic = 1'),
        "no choices": other("choices = [32, 48]", "choices = []"),
        "one choice twice": other("choices = [32, 48]", "choices = [32, 32]"),
        "a choice of text": other("choices = [32, 48]", 'choices = ["a", 48]'),
        "a kind of layer that is none": other('kind = "patch_embedding"', 'kind = "magic"'),
        "an expression that is none": other('"grid * grid + 1"', '"grid * * grid"'),
        "an expression that calls": other('"grid * grid + 1"', "\"__import__('os').system('ls')\""),
        "an expression of an unknown name": other('"grid * grid + 1"', '"unknown + 1"'),
        "an expression without end": other('"grid * grid + 1"', '"9**9**9**9"'),
        "an attribute left out": other('attrs = { patch = "= patch" }', "attrs = {}"),
        "an attribute too many": other("reach = 0", "reach = 0, magic = 1"),
        "two genes of one name": other('name = "depth"', 'name = "width"'),
        "a repeat that is no gene": other('repeat = "depth"', 'repeat = "deepness"'),
        "widths that do not meet": other('out_shape = ["tokens", "width"]', 'out_shape = ["tokens", "width + 1"]'),
        "division by zero": other('"image_size // patch"', '"image_size // 0"'),
    }
    readers = ("count --space bad.toml --smallest", "spaces show bad.toml", "search --space bad.toml --device iphone12")
    for i, (name, content) in enumerate(bad.items()):
        yield Case(name, readers[i % 3], write("bad.toml", content))
    yield Case("Python that does not run", "count --space bad.py --smallest", write("bad.py", "this is no python"))
    yield Case("Python without a space", "count --space bad.py --smallest", write("bad.py", "x = 1\n"))
    yield Case("Python that fails", "count --space bad.py --smallest", write("bad.py", "1 / 0\n"))
    yield Case("not there", "count --space nowhere.toml --smallest")
    yield Case("a folder", "count --space photos --smallest")


def exports() -> Iterator[Case]:
    report = "knee/report.json"
    bad: dict[str, Spoil] = {
        "without a report": remove(report),
        "a report that is no JSON": write(report, "{"),
        "a report of a list": write(report, "[]"),
        "a report without formats": change(report, lambda r: r.pop("formats") and None),
        "an unknown format": change(report, lambda r: r["formats"].update(magic=r["formats"]["onnx"])),
        "a file that leaves the folder": change(report, lambda r: r["formats"]["onnx"].update(file="../arch.json")),
        "without its model": remove("knee/model.onnx"),
        "a model cut off": cut("knee/model.onnx", 0.5),
        "a model of text": write("knee/model.onnx", "not a model"),
        "without weights": remove("knee/weights.safetensors"),
        "weights cut off": cut("knee/weights.safetensors", 0.5),
        "other weights": noise("knee/weights.safetensors", 0.8, 3),
    }
    for name, spoil in bad.items():
        yield Case(name, "verify knee", spoil)
    yield Case("ONNX cut off", "estimate --onnx knee/model.onnx", cut("knee/model.onnx", 0.5))
    yield Case("ONNX of text", "estimate --onnx knee/model.onnx", write("knee/model.onnx", "x"))
