"""What every goal promises, on data of every format that tells its truths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.contracts.goal_data import DATA, PICTURES, SIZE, drawn
from vitnas.deployment.exporters import EXPORTERS, Facts
from vitnas.deployment.folding import fold
from vitnas.deployment.verification import answers, compare
from vitnas.search_spaces import Blueprint, LayerSpec, SearchSpace, Task, load_space
from vitnas.search_spaces.answers import ANSWERS, CLASS, metric_of
from vitnas.supernets.augment import Augment, augment
from vitnas.supernets.data import Dataset, DataSettings, load_dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.goals import goal_of
from vitnas.supernets.goals.emphasis import Emphasis, emphasis_of
from vitnas.supernets.goals.pursuit import Pursuit
from vitnas.supernets.supernet import Supernet, build_network
from vitnas.supernets.training.lessons import Batch, take_lessons
from vitnas.supernets.training.samplers import Lesson

GOALS = sorted({answer for answer, _ in DATA})
MOVES = Augment(flip=0.5, crop_scale=0.5, crop_padding=2, rand_augment=2, rand_probability=1.0)


IDS = [f"{answer}-{make.__name__}" for answer, make in DATA]


@pytest.fixture(scope="module", params=DATA, ids=IDS)
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    answer, make = request.param
    place = make(tmp_path_factory.mktemp("pictures"), answer)
    return load_dataset(DataSettings(str(place), answer=answer, image_size=SIZE, test_share=0.0, max_damaged=0.0))


def small(task: Task) -> SearchSpace:
    return load_space("autoformer-mini", task).restrict(width=(48,), depth=(3,), mlp_ratio=(2.0,))


def test_every_goal_has_data_here() -> None:
    assert set(GOALS) == set(ANSWERS)


def test_all_formats_tell_the_same(dataset: Dataset) -> None:
    answer = dataset.task.answer
    pictures, truth = drawn(answer)
    if answer == "labels":
        truth = truth[:, truth.any(axis=0)]
    assert len(dataset.train) == len(dataset.val) == PICTURES
    assert dataset.task.answer_shape == (
        (len(dataset.classes), SIZE, SIZE) if answer == "mask" else (len(dataset.classes),)
    )
    x, found = dataset.val.pixels(np.arange(PICTURES))
    by_picture = {bytes(p.tobytes()): t for p, t in zip(pictures, truth, strict=True)}
    numbered = all(name.isdecimal() for name in dataset.classes)
    names = list(dataset.classes)
    for picture, own in zip(x.permute(0, 2, 3, 1).numpy(), found.numpy(), strict=True):
        expected = by_picture[picture.tobytes()]
        if not numbered and answer != "mask":
            _, order = _names_of(answer, truth)
            expected = expected[[order.index(n) for n in names]] if answer == "labels" else names.index(order[expected])
        assert np.array_equal(own, expected)


def _names_of(answer: str, truth: np.ndarray) -> tuple[int, list[str]]:
    from vitnas.supernets.data.shapes.truths import NAMES

    had = drawn(answer)[1].any(axis=0) if answer == "labels" else [True] * len(NAMES[answer])
    order = [name for name, has in zip(NAMES[answer], had, strict=True) if has]
    return len(order), order


@pytest.mark.slow
def test_a_network_learns_its_pictures_by_heart(dataset: Dataset) -> None:
    """And the subnet on shared weights answers as the network that is cut out."""
    space, goal = small(dataset.task), goal_of(dataset.task.answer)
    net, pursuit = Supernet(space, 0).train(), Pursuit(goal)
    x, truth = dataset.train.all()
    batch = Batch(x, truth, goal.soft(truth, dataset.task.num_classes))
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3)
    arch = space.largest()
    for _ in range(70):
        optimizer.zero_grad()
        marks = take_lessons(net, [Lesson(arch)], [batch], pursuit=pursuit)
        optimizer.step()
    found = evaluate(net.extract(arch), dataset.train)
    assert found.metric == metric_of(dataset.task.answer)
    assert found.value > 0.9, (found.value, marks)
    with torch.no_grad():
        assert torch.equal(net.eval()(x, arch), net.extract(arch)(x))


@pytest.mark.parametrize("answer", GOALS)
@pytest.mark.parametrize("asymmetric", [False, True])
def test_a_perfect_answer_has_the_least_loss(answer: str, asymmetric: bool) -> None:
    goal = goal_of(answer)
    emphasis = Emphasis(asymmetric=asymmetric and goal.binary)
    truth = torch.from_numpy(drawn(answer)[1])
    target = goal.soft(truth, int(truth.max()) + 1)
    perfect = 40 * (2 * target - 1)
    least = float(goal.loss(perfect, target, emphasis))
    assert least == pytest.approx(0, abs=1e-6)
    assert goal.score(perfect, truth) == 1
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        other = perfect + 60 * torch.randn(perfect.shape, generator=generator)
        assert float(goal.loss(other, target, emphasis)) > least
        assert goal.score(other, truth) < 1


@pytest.mark.parametrize("answer", GOALS)
def test_a_pupil_that_says_what_its_teacher_says_has_nothing_to_learn(answer: str) -> None:
    goal, shape = goal_of(answer), drawn(answer)[1].shape
    classes = (2, 5, *shape[1:]) if answer == "mask" else (2, 5)
    logits = torch.randn(classes, generator=torch.Generator().manual_seed(0), requires_grad=True)
    said = goal.says(logits.detach())
    for kind in ("cross_entropy", "alpha"):
        (gradient,) = torch.autograd.grad(goal.teach(logits, said, kind), logits)
        assert float(gradient.abs().max()) < 1e-6
        (gradient,) = torch.autograd.grad(goal.teach(logits, said.flip(1), kind), logits)
        assert float(gradient.abs().max()) > 1e-4


@pytest.mark.parametrize("answer", GOALS)
def test_augmentation_moves_truths_with_their_images(answer: str) -> None:
    """Of classes and labels nothing moves; a mask that is painted into the image moves as the image does."""
    goal = goal_of(answer)
    truth = torch.from_numpy(drawn(answer)[1])
    classes = int(truth.max()) + 1
    pixels = torch.from_numpy(drawn(answer)[0]).permute(0, 3, 1, 2)
    still = goal.soft(truth, classes)
    if answer != "mask":
        assert torch.equal(augment(pixels, truth, torch.arange(len(truth)), 0, MOVES, classes, goal)[1], still)
        return
    large = truth.repeat_interleave(4, 1).repeat_interleave(4, 2)
    painted = (large > 0).to(torch.uint8)[:, None] * 255
    for how in (
        Augment(flip=0.5),
        Augment(crop_scale=0.4),
        Augment(crop_padding=9),
        Augment(flip=0.5, crop_scale=0.4, crop_padding=3),
    ):
        images, target = augment(painted, large, torch.arange(len(large)), 0, how, classes, goal)
        told = target.sum(dim=1) > 0
        here, there = (images[:, 0] > 0.5) & told, (target[:, 1:].sum(dim=1) > 0) & told
        assert float((here & there).sum() / (here | there).sum()) > 0.98
    assert not torch.equal(
        augment(painted, large, torch.arange(len(large)), 0, MOVES, classes, goal)[1], goal.soft(large, classes)
    )


def test_masks_follow_every_operation_that_moves_pixels() -> None:
    goal = goal_of("mask")
    truth = torch.zeros(64, 48, 48, dtype=torch.uint8)
    truth[:, 12:36, 8:30] = 1
    painted = truth[:, None] * 255
    how = Augment(rand_augment=1, rand_probability=1.0)
    images, target = augment(painted, truth, torch.arange(64), 0, how, 2, goal)
    told = target.sum(dim=1) > 0
    assert bool((~told).any())  # what comes in from outside is ignored
    geometric = [i for i in range(64) if not torch.equal(target[i], goal.soft(truth[i : i + 1], 2)[0])]
    assert len(geometric) > 15
    for i in geometric:
        here, there = (images[i, 0] > 0.6) & told[i], (target[i, 1] > 0) & told[i]
        assert float((here & there).sum() / (here | there).sum()) > 0.9  # the edge is half a pixel wide


@pytest.mark.parametrize("answer", GOALS)
def test_mixing_keeps_what_is_known_of_every_question(answer: str) -> None:
    goal = goal_of(answer)
    truth = torch.from_numpy(drawn(answer)[1])
    pixels = torch.from_numpy(drawn(answer)[0]).permute(0, 3, 1, 2)
    classes = int(truth.max()) + 1
    for how in (Augment(mixup=1.0), Augment(cutmix=1.0)):
        _, target = augment(pixels, truth, torch.arange(len(truth)), 3, how, classes, goal)
        assert target.shape == goal.soft(truth, classes).shape
        assert float(target.min()) >= 0
        assert float(target.max()) <= 1
        if not goal.binary:
            assert torch.allclose(target.sum(dim=1), torch.ones(()))


@pytest.mark.parametrize("answer", GOALS)
def test_equal_counts_need_no_balance(answer: str) -> None:
    goal = goal_of(answer)
    logits, truth = torch.randn(8, 4, *(() if answer != "mask" else (3, 3))), torch.arange(8) % 4
    target = goal.soft(truth, 4) if answer == "class" else torch.rand_like(logits)
    for balance in ("logit", "weights"):
        emphasis = emphasis_of(torch.full((4,), 0.25), balance, goal.binary, asymmetric=False)
        assert torch.equal(goal.loss(logits, target, emphasis), goal.loss(logits, target))
    rare = emphasis_of(torch.tensor([0.7, 0.2, 0.09, 0.01]), "logit", goal.binary, asymmetric=False)
    assert rare.shift is not None
    assert rare.shift.tolist() == sorted(rare.shift.tolist(), reverse=True)
    assert float(rare.shift.mean()) == pytest.approx(0, abs=1e-6)


def with_head(answer: str) -> Blueprint:
    """Two layers: what is new of a goal is its head and what a format makes of its answers."""
    task, shape = Task(32, 4, 3, answer), (17, 16)
    head = LayerSpec.of("classifier", shape, (4,), pool="mean")
    own = ANSWERS.load(answer).head
    head = head if own is None else own(head, task.image_shape, 4)
    return Blueprint(("stem", "head"), (LayerSpec.of("patch_embedding", task.image_shape, shape, patch=8), head))


@pytest.mark.parametrize("answer", [answer for answer in GOALS if answer != CLASS])
@pytest.mark.parametrize("name", ["onnx", "coreml"])
@pytest.mark.heavy
def test_exports_answer_as_their_network(answer: str, name: str, tmp_path: Path) -> None:
    """Of classes the tests of exports and exporters hold the same."""
    torch.manual_seed(0)
    network = build_network(with_head(answer)).eval()
    x = torch.randn(4, 3, 32, 32)
    expected = answers(network, x)
    facts = Facts("by-hand", "0", "noise", (0.4,) * 3, (0.2,) * 3, 4, tuple("abcd"), answer=answer)
    exporter = EXPORTERS.load(name)()
    path = exporter.export(fold(network, x), x, facts, tmp_path)
    truth = goal_of(answer).decided(expected).to(torch.uint8)
    if answer == "labels":
        truth[0], truth[1] = 1, 0  # every label is there, and every one is absent
    parity = compare(expected, exporter.run(path, x), truth, answer)
    assert parity.breaches(exporter.limits) == []
    metric = metric_of(answer)
    told = parity.to_json()
    assert told[f"{metric}_after"] == pytest.approx(told[f"{metric}_before"], abs=0.01)


@pytest.mark.parametrize("make", [np.zeros, np.ones], ids=["none", "all"])
def test_labels_that_say_nothing_are_left_out_of_the_mean(make: Callable[..., np.ndarray]) -> None:
    goal = goal_of("labels")
    truth = torch.tensor([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=torch.uint8)
    logits = torch.tensor([[2.0, -1], [-1, 2], [1, -2], [-2, -3]])
    more = torch.from_numpy(make((4, 1), np.uint8))
    wider = goal.tally()
    wider.add(torch.cat([logits, torch.randn(4, 1)], 1), torch.cat([truth, more], 1))
    aps = wider.result().of_classes["ap"]
    assert np.isnan(aps[2]) if not more.any() else aps[2] == 1
    assert aps[:2] == pytest.approx((1.0, 0.75))
    assert wider.result().value == pytest.approx(np.nanmean(aps))
