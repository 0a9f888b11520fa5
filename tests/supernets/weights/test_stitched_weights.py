"""Two networks keep their answers in the supernet of their routes, and stitches carry tokens as well as an affine map can."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn

from tests.timm_import import import_timm
from vitnas.deployment.folding import fold
from vitnas.errors import CheckpointError
from vitnas.run import RunFolder
from vitnas.search_spaces import Stitched, Task, load_space
from vitnas.supernets.data import dataset_of, load_dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.beginning import begin
from vitnas.supernets.training.optimizer import make_optimizer
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import TrainingProgress, load_supernet, save_checkpoint
from vitnas.supernets.weights.initial_weights import initialise
from vitnas.supernets.weights.stitched_weights import fit_stitches, take_stitched


def lively(net: nn.Module) -> nn.Module:
    """Branches as strong as the stream, so that every block counts."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 2 * parameter[0].numel() ** -0.5)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.1)
    return net


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of the smallest and the largest arch of a run whose weights are drawn."""
    space = load_space("autoformer-mini", Task(8, 10, 1)).restrict(width=(48, 64), depth=(3, 4), mlp_ratio=(2.0,))
    quick = TrainSettings(steps=6, batch_size=16, threads=1, loggers=())
    run = start_run(tmp_path_factory.mktemp("pair") / "run", space, "digits", quick)
    net = lively(Supernet(space, seed=9))
    save_checkpoint(run, net, make_optimizer(net, quick), TrainingProgress(1))
    for name, arch in (("a", space.smallest()), ("b", space.largest())):
        (run.path / f"{name}.json").write_text(json.dumps(arch.to_json()))
    return run.path / "a.json", run.path / "b.json"


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def space_of(pair: tuple[Path, Path], task: Task | None = None) -> Stitched:
    space = load_space(f"stitch:{pair[0]}+{pair[1]}", task)
    assert isinstance(space, Stitched)
    return space


def source_of(pair: tuple[Path, Path]) -> str:
    return f"stitch:{pair[0]}+{pair[1]}"


def started(pair: tuple[Path, Path], path: Path, **settings: object) -> RunFolder:
    """A run that begins with both networks."""
    quick = {"steps": 4, "batch_size": 16, "threads": 1, "loggers": (), "init": source_of(pair), "learning_rate": 1e-2}
    return start_run(path, space_of(pair), "digits", TrainSettings(**{**quick, **settings}))  # type: ignore[arg-type]


@torch.no_grad()
def test_the_ends_are_the_given_networks_to_the_bit(pair: tuple[Path, Path], tmp_path: Path, x: Tensor) -> None:
    donor = RunFolder.open(pair[0].parent)
    theirs = load_supernet(donor).eval()
    run = started(pair, tmp_path / "run")
    begin(run)
    net = load_supernet(run).eval()
    for network, arch in enumerate((donor.space.smallest(), donor.space.largest())):
        whole = space_of(pair).whole(network)
        expected = theirs.extract(arch)(x)
        assert torch.equal(net(x, whole), expected)
        assert torch.equal(net.extract(whole)(x), expected)


def test_it_says_what_it_took(pair: tuple[Path, Path]) -> None:
    net = Supernet(space_of(pair, Task(8, 4, 1)))
    told = initialise(net, source_of(pair))
    new = "; its classes are others, so the head is new"
    assert told.endswith(f" was made of; A from {pair[0]}{new}; B from {pair[1]}{new}")
    assert [donor.new_head for donor in net.donors] == [True, True]
    assert [donor.arch for donor in net.donors] == [net.space.smallest(), net.space.largest()]


def test_heads_of_both_networks_are_fitted_to_other_classes(pair: tuple[Path, Path], tmp_path: Path) -> None:
    bunch = load_digits()
    few = bunch.target < 4
    np.savez(tmp_path / "four.npz", x=(bunch.images[few, None] / 16).astype(np.float32), y=bunch.target[few])
    space = space_of(pair, load_dataset(str(tmp_path / "four.npz")).task)
    settings = TrainSettings(steps=4, batch_size=16, threads=1, loggers=(), init=source_of(pair))
    run = start_run(tmp_path / "run", space, str(tmp_path / "four.npz"), settings)
    begin(run)
    net, images = load_supernet(run).eval(), dataset_of(run).train
    for network in (0, 1):
        assert evaluate(net.extract(space.whole(network)), images).accuracy > 0.9


@pytest.mark.heavy
@torch.no_grad()
def test_two_networks_of_timm_answer_as_there(tmp_path: Path) -> None:
    sources, models = [], []
    for size in ("tiny", "small"):
        name = f"deit_{size}_patch16_224"
        model = lively(import_timm().create_model(name, img_size=32, num_classes=10)).eval()
        save_file({key: tensor.clone() for key, tensor in model.state_dict().items()}, tmp_path / f"{size}.safetensors")
        sources.append(f"timm:{name}@{tmp_path}/{size}.safetensors")
        models.append(model)
    space = load_space("stitch:timm:deit_tiny_patch16_224+timm:deit_small_patch16_224", Task(32, 10))
    assert isinstance(space, Stitched)
    net, x = Supernet(space).eval(), torch.randn(2, 3, 32, 32)
    initialise(net, f"stitch:{'+'.join(sources)}")
    for network, model in enumerate(models):
        torch.testing.assert_close(net(x, space.whole(network)), model(x), rtol=1e-4, atol=1e-4)


# -- least squares ---------------------------------------------------------------------------


STREAM_LAST = ("class_token", "class_position", "position", "norm", "qkv_weight", "expand.weight", "linear.weight")
STREAM_FIRST = ("projection", "proj_weight", "proj_bias", "reduce")


def permuted(state: dict[str, Tensor], order: Tensor) -> dict[str, Tensor]:
    """The same network with the channels of its tokens in another order."""
    found = {}
    for name, tensor in state.items():
        leaf = name.partition(".")[2]
        last, first = leaf.startswith(STREAM_LAST), leaf.startswith(STREAM_FIRST)
        found[name] = tensor[..., order] if last else tensor[order] if first else tensor
    return found


@torch.no_grad()
def test_every_route_through_a_network_and_a_permuted_one_answers_as_they_do(tmp_path: Path, x: Tensor) -> None:
    space = load_space("autoformer-mini", Task(8, 10, 1)).restrict(width=(48,), depth=(4,))
    quick = TrainSettings(steps=6, batch_size=16, threads=1, loggers=())
    files = []
    order = torch.randperm(48, generator=torch.Generator().manual_seed(2))
    for name in ("a", "b"):
        run = start_run(tmp_path / name, space, "digits", quick)
        net = lively(Supernet(space, seed=1))
        if name == "b":
            state = {key.removeprefix("layers."): value for key, value in net.state_dict().items()}
            net.load_state_dict({f"layers.{key}": value for key, value in permuted(state, order).items()})
        save_checkpoint(run, net, make_optimizer(net, quick), TrainingProgress(1))
        (run.path / "arch.json").write_text(json.dumps(space.largest().to_json()))
        files.append(run.path / "arch.json")
    both = space_of((files[0], files[1]))
    net = Supernet(both, seed=5).eval()
    take_stitched(net, source_of((files[0], files[1])))
    expected = net(x, both.whole(0))
    crossing = both.arch(route="A1-B3-A")
    assert (net(x, crossing) - expected).abs().max() > 0.1
    assert fit_stitches(net, dataset_of(RunFolder.open(tmp_path / "a")).train) == 256
    for route in both.routes:
        torch.testing.assert_close(net(x, both.arch(route=route)), expected, rtol=1e-3, atol=1e-3)


# -- training and what follows ---------------------------------------------------------------


def test_training_moves_the_low_rank_product_and_leaves_the_fitted_map(pair: tuple[Path, Path], tmp_path: Path) -> None:
    run = started(pair, tmp_path / "run", sampler="uniform", steps=30)
    begin(run)
    before = load_supernet(run).state_dict()
    train(run, progress=False)
    after = load_supernet(run).state_dict()
    stitches = [name for name in before if "into_" in name]
    assert len(stitches) == 4 * 2 * 2
    fitted = [name for name in stitches if name.endswith("stitch.weight")]
    assert all(torch.equal(before[name], after[name]) for name in fitted)
    assert all(before[name].any() for name in fitted)
    ups = [name for name in stitches if name.endswith(".up")]
    assert not any(before[name].any() for name in ups)
    assert any(after[name].any() for name in ups)


@torch.no_grad()
def test_a_stitch_is_deployed_as_one_product(pair: tuple[Path, Path], x: Tensor) -> None:
    net = lively(Supernet(space_of(pair))).eval()
    network = net.extract(net.space.arch(route="A1-B")).eval()
    folded = fold(network, x)
    torch.testing.assert_close(folded(x), network(x), rtol=1e-4, atol=1e-4)
    stitch = dict(folded.named_children())["into_b1"]
    assert sorted(tuple(p.shape) for p in stitch.parameters()) == [(64,), (64, 48)]


def test_a_stitched_run_gives_a_part_of_it_the_weights_that_it_has(pair: tuple[Path, Path], tmp_path: Path) -> None:
    run = started(pair, tmp_path / "run")
    begin(run)
    space, whole = run.space, load_supernet(run).eval()
    arch = space.arch(route="A1-B")
    alone = Supernet(space.alone(arch), seed=4).eval()
    assert "took the shared weights of run" in initialise(alone, str(run.path))
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(alone(x, arch), whole(x, arch))


@pytest.mark.parametrize(
    ("space_name", "source", "why"),
    [
        ("stitch", "a", "it is one network, and space 'stitch:.*' was made of two; give stitch:A"),
        ("autoformer-mini", "both", "space 'autoformer-mini' is not made of two"),
        ("stitch", "turned", "is not the network that space"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    pair: tuple[Path, Path], tmp_path: Path, space_name: str, source: str, why: str
) -> None:
    weights = tmp_path / "w.safetensors"
    save_file({"cls_token": torch.zeros(1)}, weights)
    text = {"a": str(weights), "both": source_of(pair), "turned": source_of(pair[::-1])}[source]
    space = space_of(pair) if space_name == "stitch" else load_space(space_name, Task(8, 10, 1))
    with pytest.raises(CheckpointError, match=why):
        initialise(Supernet(space), text)


def test_a_space_without_one_of_the_networks_is_refused(pair: tuple[Path, Path]) -> None:
    part = space_of(pair).restrict(route=("A1-B", "B"))
    with pytest.raises(CheckpointError, match="routes A and B, the networks themselves, are not among"):
        initialise(Supernet(part), source_of(pair))
