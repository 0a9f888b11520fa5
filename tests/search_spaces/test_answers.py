"""What a task asks, as spaces and files have it; of classes nothing has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vitnas.errors import SpaceError, UnknownNameError
from vitnas.run import RunFolder
from vitnas.search_spaces import SPACES, LayerSpec, Task, load_space
from vitnas.search_spaces.answers import ANSWERS, metric_of, metrics
from vitnas.search_spaces.answers.masks import mask_head

BEFORE = {
    ("autoformer-mini", None): "d8ebf46592067b85",
    ("swin", Task(64, 10, 3)): "5e06d5a2a8b9662d",
    ("staged-vit", None): "0c894bf9f0fb5505",
}
"""Fingerprints of spaces for classes, from before tasks asked for anything else."""


@pytest.mark.parametrize(("name", "task"), BEFORE)
def test_fingerprints_and_tables_of_classes_stay(name: str, task: Task | None) -> None:
    space = load_space(name, task)
    assert space.fingerprint == BEFORE[name, task]
    assert replace(space, task=replace(space.task, answer="labels")).fingerprint == space.fingerprint  # the same layers


def test_files_of_classes_stay(tmp_path: Path) -> None:
    assert Task(8, 10, 1).to_json() == {"image_size": 8, "num_classes": 10, "in_channels": 1}
    for answer in ANSWERS:
        space = load_space("autoformer-mini", Task(8, 10, 1, answer))
        run = RunFolder.create(tmp_path / answer, space, {})
        assert ("answer" in run.config["space"]) == (answer != "class")
        assert RunFolder.open(tmp_path / answer).space.task == space.task


def test_metrics_have_names_of_their_own() -> None:
    assert len(metrics()) == len(list(ANSWERS))
    assert {answer: metric_of(answer) for answer in ANSWERS} == {"class": "accuracy", "labels": "map", "mask": "miou"}
    with pytest.raises(UnknownNameError, match="no answer named 'masks'"):
        metric_of("masks")


FEWER_TOKENS = "staged-vit"
"""The space whose networks drop patches, so that no map of the image is left."""


def test_a_space_that_drops_patches_says_so() -> None:
    space = load_space(FEWER_TOKENS, Task(64, 5, 3, "mask"))
    with pytest.raises(SpaceError, match="tokens, which are no grid of an image"):
        space.lower(space.smallest())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SPACES if name != FEWER_TOKENS])
def test_every_other_space_answers_for_pixels(name: str) -> None:
    task = Task(64 if name != "asvit" else 224, 5, 3, "mask")
    space = load_space(name, task)
    for arch in (space.smallest(), space.largest()):
        blueprint = space.lower(arch)
        assert blueprint.out_shape == task.answer_shape == (5, *task.image_shape[1:])
        assert blueprint.layers[-1].kind == "mask_head"
    LayerSpec.join(space.lowering.specs_at()[blueprint.sites[-1]])
    assert space.fingerprint != load_space(name, replace(task, answer="class")).fingerprint


def test_the_head_reads_patches_alone() -> None:
    classifier = LayerSpec.of("classifier", (1 + 2 + 16, 32), (5,), pool="mean", registers=2)
    head = mask_head(classifier, (3, 64, 64), 5)
    assert (head["before"], head["height"], head["factor"]) == (3, 4, 4)
    assert mask_head(LayerSpec.of("map_classifier", (32, 8, 8), (5,)), (3, 64, 64), 5)["factor"] == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (LayerSpec.of("classifier", (32,), (5,)), "reads no map of the image"),
        (LayerSpec.of("classifier", (1 + 3 * 16, 32), (5,), pool="mean"), "reads 48 tokens, which are no grid"),
    ],
)
def test_what_has_no_place_in_the_image_is_refused(spec: LayerSpec, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        mask_head(spec, (3, 64, 64), 5)
