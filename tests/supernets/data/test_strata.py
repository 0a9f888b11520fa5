"""Laws of the one draw by which a few images are taken."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vitnas.supernets.data import Pixels
from vitnas.supernets.data.strata import apportioned, by_class, drawn

COUNTS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def images(labels: np.ndarray) -> Pixels:
    """Every image shows its own number."""
    return Pixels.of(np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1), labels)


@given(COUNTS, st.integers(0, 400), st.integers(0, 99), st.randoms(use_true_random=False))
def test_every_class_has_its_share_however_the_images_lie(counts: list[int], n: int, seed: int, order) -> None:
    labels = np.repeat(np.arange(len(counts)) * 3, counts)
    mixed = labels.tolist()
    order.shuffle(mixed)
    found = [drawn(np.array(each), n, seed) for each in (labels, mixed)]
    wanted = min(n, len(labels))
    in_class = [
        np.bincount(np.array(each)[rows], minlength=3 * len(counts))[::3]
        for each, rows in zip((labels, mixed), found, strict=True)
    ]
    assert in_class[0].tolist() == in_class[1].tolist()
    assert in_class[0].sum() == wanted
    assert (np.abs(in_class[0] - wanted * np.array(counts) / len(labels)) < 1).all()
    for rows in found:
        assert (np.diff(rows) > 0).all()  # each once, in the order in which they lie
        assert len(rows) == wanted
    assert np.array_equal(found[0], drawn(labels, n, seed))


@given(COUNTS, st.integers(0, 99))
def test_the_whole_is_taken_where_as_many_are_asked_for(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    for n in (len(labels), len(labels) + 7):
        assert np.array_equal(drawn(labels, n, seed), np.arange(len(labels)))


def test_another_seed_draws_others_and_no_class_is_always_first() -> None:
    labels = np.repeat(np.arange(10), 20)
    assert not np.array_equal(drawn(labels, 50, 0), drawn(labels, 50, 1))
    met = {int(labels[drawn(labels, 1, seed)[0]]) for seed in range(100)}
    assert met == set(range(10))
    assert apportioned(np.array([1, 1, 998]), 10, np.random.default_rng(0)).tolist() == [0, 0, 10]


@given(st.lists(st.integers(0, 5), max_size=40))
def test_classes_are_taken_apart(labels: list[int]) -> None:
    y = np.array(labels, dtype=np.int64)
    found = list(by_class(y))
    assert [sorted({int(y[i]) for i in members}) for members in found] == [[label] for label in sorted(set(labels))]
    assert sorted(int(i) for members in found for i in members) == list(range(len(labels)))


def test_images_are_sampled_and_shuffled_by_their_own_labels() -> None:
    labels = np.repeat(np.arange(4), 50)
    part = images(labels).only(np.arange(40, 200))  # 10 of the first class, 50 of the others
    few = part.sample(16, seed=3)
    assert np.bincount(few.labels[few.rows]).tolist() == [1, 5, 5, 5]
    mixed = few.shuffled(seed=1)
    assert sorted(mixed.rows.tolist()) == few.rows.tolist() != mixed.rows.tolist()
    assert np.array_equal(mixed.rows, few.shuffled(seed=1).rows)
    assert not np.array_equal(mixed.rows, few.shuffled(seed=2).rows)
    assert np.array_equal(part.sample(1000).rows, part.rows)
    assert len(images(labels[:0]).sample(5)) == 0
