"""Sizes of images: one number where they are square, height and width where not."""

from __future__ import annotations

from typing import Any

import pytest

from vitnas.errors import SettingsError
from vitnas.image_size import in_short, in_words, parse_image_size, settled
from vitnas.search_spaces import Task


def test_square_sizes_have_one_form() -> None:
    assert settled([224, 224], "here") == settled(224, "here") == 224
    assert settled([224, 320], "here") == (224, 320)
    assert Task(image_size=(32, 32)) == Task(image_size=32)
    assert Task(image_size=(32, 48)).image_shape == (3, 32, 48)
    assert (in_words(224), in_short(224), in_words((224, 320)), in_short((224, 320))) == (
        "224x224",
        "224",
        *["224x320"] * 2,
    )


def test_sizes_are_read_as_they_are_written() -> None:
    assert parse_image_size("224", "--image-size") == parse_image_size("224x224", "--image-size") == 224
    assert parse_image_size("224x320", "--image-size") == (224, 320)


@pytest.mark.parametrize("text", ["", "x", "224x", "224x320x3", "22.4"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--image-size"):
        parse_image_size(text, "--image-size")


@pytest.mark.parametrize("size", [0, -1, [224], [224, 320, 3], [224, 0], [1.5, 2]])
def test_other_sizes_are_refused(size: Any) -> None:
    with pytest.raises(SettingsError, match="here must be one whole number of at least 1, or height and width"):
        settled(size, "here")
