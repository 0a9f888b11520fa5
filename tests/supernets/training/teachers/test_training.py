"""A training by stored answers goes the way of one with the teacher at work."""

import pytest
import torch

from vitnas.supernets.augment import Augment
from vitnas.supernets.data import load_dataset
from vitnas.supernets.training.teachers import Distil, load_teacher, write_answers
from vitnas.supernets.training.train import train
from vitnas.supernets.weights.checkpoints import load_supernet


@pytest.mark.heavy
def test_stored_answers_of_all_classes_train_as_the_teacher_at_work(tmp_path, small_run):
    school = small_run(tmp_path / "school", steps=4)
    train(school, progress=False)
    text, digits = f"run:{school.path}", load_dataset("digits")
    changes = Augment(flip=0.5, rand_augment=1, cutmix=1.0)
    write_answers(tmp_path / "answers", load_teacher(text, digits), text, digits, changes, 16, 5, 6, top_k=10)
    runs = {
        "labels": Distil(),
        "live": Distil(teacher=text, weight=0.9, temperature=0.2),
        "stored": Distil(logits=str(tmp_path / "answers"), weight=0.9, temperature=0.2),
    }
    ends = {}
    for name, distil in runs.items():
        run = small_run(tmp_path / name, steps=6, seed=5, batch_size=16, augment=changes, distil=distil)
        train(run, progress=False)
        ends[name] = torch.cat([p.detach().flatten() for p in load_supernet(run).parameters()])
    apart = (ends["live"] - ends["stored"]).norm()
    assert apart < 0.05 * (ends["live"] - ends["labels"]).norm()
