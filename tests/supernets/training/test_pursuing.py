"""Which weights a training gives to classes, and what does not go with what is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.contracts.goal_data import SIZE, arrays
from vitnas.errors import SettingsError
from vitnas.search_spaces import load_space
from vitnas.supernets.data import Dataset, DataSettings, load_dataset
from vitnas.supernets.settings.distil import Distil
from vitnas.supernets.settings.resolution import Resolution
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.pursuing import check_pursuit, pursuit_of


def data(folder: Path, answer: str) -> Dataset:
    return load_dataset(DataSettings(str(arrays(folder, answer)), answer=answer, image_size=SIZE, test_share=0.0))


@pytest.mark.parametrize(
    ("answer", "settings", "message"),
    [
        ("class", {"loss": "asymmetric"}, "is for labels"),
        ("mask", {"loss": "asymmetric"}, "is for labels"),
        ("mask", {"balance": "logit"}, "choose balance 'weights'"),
        ("mask", {"resolution": Resolution(sizes=(8, 16))}, "answer for each pixel"),
        ("labels", {"distil": Distil(logits="answers")}, "stored answers of one class"),
        ("labels", {"loss": "asymmetric", "balance": "logit"}, None),
        ("mask", {"balance": "weights"}, None),
    ],
)
def test_settings_go_with_what_is_asked(
    tmp_path: Path, answer: str, settings: dict[str, object], message: str | None
) -> None:
    dataset = data(tmp_path, answer)
    space, how = load_space("autoformer-mini", dataset.task), replace(TrainSettings(), **settings)  # type: ignore[arg-type]
    if message is None:
        check_pursuit(how, dataset, space)
        return
    with pytest.raises(SettingsError, match=message):
        check_pursuit(how, dataset, space)


def test_rare_classes_weigh_more(tmp_path: Path) -> None:
    dataset = data(tmp_path, "mask")
    k = dataset.task.num_classes
    pursuit = pursuit_of(TrainSettings(balance="weights"), dataset)
    weights, frequencies = pursuit.emphasis.weights, pursuit.goal.frequencies(dataset.train, k)
    assert weights is not None
    assert float(frequencies.sum()) == pytest.approx(1)
    assert float((weights.double() * frequencies).sum()) == pytest.approx(1, rel=1e-5)
    assert int(weights.argmin()) == int(frequencies.argmax()) == 0  # the ground
    logits, truth = torch.zeros(1, k, SIZE, SIZE), torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
    plain, less = (
        float(one.loss(logits, one.goal.soft(truth, k))) for one in (pursuit_of(TrainSettings(), dataset), pursuit)
    )
    assert less == pytest.approx(plain * float(weights[0]), rel=1e-5)
