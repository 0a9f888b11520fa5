from __future__ import annotations

import pytest

from vitnas.loggers.plain import hidden, numbers_of, parameters_of


def test_tables_become_names_and_what_is_no_number_is_left_out():
    told = {"loss": 2, "largest": {"accuracy": 0.5, "loss": None, "of": {"x": 1.5}}, "note": "text"}
    assert dict(numbers_of(told)) == {"loss": 2.0, "largest/accuracy": 0.5, "largest/of/x": 1.5}


def test_settings_become_parameters_without_what_is_left_out_and_without_passwords():
    told = {
        "train": {"steps": 6, "init": None, "augment": {"flip": 0.5}},
        "storage": "mysql://me:secret@db/x",
        "of": (1, 2),
    }
    assert dict(parameters_of(told)) == {
        "train.steps": 6,
        "train.augment.flip": 0.5,
        "storage": "mysql://db/x",
        "of": "(1, 2)",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host:5000/x", "https://host:5000/x"),
        ("cannot reach https://token@host, nor file:///tmp/a@b", "cannot reach https://host, nor file:///tmp/a@b"),
        ("sqlite:///runs/x.db", "sqlite:///runs/x.db"),
        ("latency_ms@cpu", "latency_ms@cpu"),
    ],
)
def test_credentials_are_hidden(text: str, shown: str):
    assert hidden(text) == shown
