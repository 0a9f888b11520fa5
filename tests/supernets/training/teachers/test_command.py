"""`vitnas teach` from the command line to answers that a training accepts."""

from typer.testing import CliRunner

from vitnas.cli import app
from vitnas.supernets.augment import Augment
from vitnas.supernets.data import load_dataset
from vitnas.supernets.training.teachers import Distil, StoredTeacher, make_teacher
from vitnas.supernets.training.train import train


def test_answers_are_for_the_training_that_the_settings_describe(tmp_path, small_run):
    run = small_run(tmp_path / "run", steps=1)
    train(run, progress=False)
    settings = tmp_path / "settings.toml"
    settings.write_text("[train]\nbatch_size = 32\nseed = 3\nepochs = 2\n\n[train.augment]\nflip = 0.5\nmixup = 0.8\n")
    call = ["teach", "--teacher", f"run:{run.path}", "--config", str(settings), "--out", str(tmp_path / "answers")]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    assert "answers to 80 steps" in done.output
    digits = load_dataset("digits")
    found = make_teacher(
        Distil(logits=str(tmp_path / "answers")), digits, Augment(flip=0.5, mixup=0.8), 32, 3, num_steps=80
    )
    assert isinstance(found, StoredTeacher)
    assert found.answers.teacher == f"run:{run.path}"
