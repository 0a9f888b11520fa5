"""Cascades are data that name what runs: the layers that neighbours share run once, and nothing is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitnas.errors import InvalidArchError, SearchError
from vitnas.search_spaces import Arch, Cascade, Task, load_space, with_exits
from vitnas.search_spaces.cascades.parts import num_common, parts_of
from vitnas.search_spaces.cascades.prefixes import prefixes

SPACE = with_exits(load_space("autoformer-mini"), (1, 2))


def arch(depth: int, width: int = 64, **genes: str) -> Arch:
    return SPACE.arch(width=width, depth=depth, mlp_ratio=(2.0,) * depth, heads=(2,) * depth, **genes)


LOW, MIDDLE, DEEP = arch(1, exit="local"), arch(2, exit="global"), arch(4)


@pytest.mark.parametrize("archs", [(LOW, MIDDLE, DEEP), (LOW, DEEP), (arch(3, 48), DEEP), (LOW, arch(3, 48), DEEP)])
def test_each_part_runs_what_no_part_before_it_has_run(archs: tuple[Arch, ...]) -> None:
    ran: list[tuple[str, object]] = []
    for part in parts_of(SPACE, archs):
        ran = [] if part.takes_image else ran
        assert [*ran, *part.trunk.items(), *part.branch.items()] == list(SPACE.lower(part.arch).items())
        ran += list(part.trunk.items())
    assert part.split == part.start, "the last part hands nothing on"


def test_prefixes_are_shared_up_to_their_head() -> None:
    parts = parts_of(SPACE, (LOW, MIDDLE, DEEP))
    assert [(part.start, part.split) for part in parts] == [(0, 3), (3, 5), (5, 5)]
    assert [part.takes_image for part in parts] == [True, False, False]
    assert [part.branch.sites[-1] for part in parts] == ["exit1", "exit2", "head"]


def test_big_and_little_have_the_image_alone_in_common() -> None:
    parts = parts_of(SPACE, (arch(3, 48), DEEP))
    assert [(part.start, part.split, part.takes_image) for part in parts] == [(0, 0, True)] * 2


def test_after_a_little_one_that_shares_less_the_big_one_begins_anew() -> None:
    first = SPACE.arch(width=64, depth=3, mlp_ratio=(2.0, 2.0, 2.0), heads=(2, 2, 3))
    second = SPACE.arch(width=64, depth=4, mlp_ratio=(2.0, 2.0, 2.0, 2.0), heads=(2, 2, 3, 2))
    third = SPACE.arch(width=64, depth=4, mlp_ratio=(2.0, 3.0, 2.0, 2.0), heads=(2, 2, 3, 2))
    parts = parts_of(SPACE, (first, second, third))
    assert [(part.start, part.split) for part in parts] == [(0, 7), (7, 7), (0, 0)]


def test_prefixes_of_an_arch_begin_as_it_does() -> None:
    found = prefixes(SPACE, DEEP)
    assert len(found) == 7  # three heads at each of two exits, and depth 3
    for shallow in found:
        assert num_common(SPACE.lower(shallow), SPACE.lower(DEEP)) == len(SPACE.lower(shallow)) - 1
    assert prefixes(SPACE, LOW) == []


def test_a_file_holds_a_cascade(tmp_path: Path) -> None:
    cascade = Cascade.of(SPACE, (LOW, MIDDLE, DEEP), "confidence", (0.9, 0.75), figures={"accuracy": 0.5})
    cascade.save(tmp_path / "cascade.json")
    read = Cascade.load(tmp_path / "cascade.json", SPACE)
    assert read == cascade
    assert (read.id, read.figures) == (cascade.id, {"accuracy": 0.5})
    assert Cascade.of(SPACE, (LOW, MIDDLE, DEEP), "confidence", (0.9, 0.7)).id != cascade.id


@pytest.mark.parametrize(
    ("archs", "thresholds", "message"),
    [
        ((LOW,), (), "two or more archs"),
        ((LOW, LOW), (0.5,), "each once"),
        ((LOW, DEEP), (0.5, 0.5), "1 thresholds"),
        ((LOW, DEEP), (float("nan"),), "all of them numbers"),
    ],
)
def test_what_is_no_cascade_is_refused(archs: tuple[Arch, ...], thresholds: tuple[float, ...], message: str) -> None:
    with pytest.raises(InvalidArchError, match=message):
        Cascade.of(SPACE, archs, "confidence", thresholds)


def test_a_cascade_of_another_space_is_refused(tmp_path: Path) -> None:
    Cascade.of(SPACE, (LOW, DEEP), "confidence", (0.9,)).save(tmp_path / "cascade.json")
    other = load_space(SPACE.name, Task(image_size=16, num_classes=10, in_channels=1))
    with pytest.raises(SearchError, match="image size or classes differ"):
        Cascade.load(tmp_path / "cascade.json", other)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(SearchError, match="choose the cascade anew"):
        Cascade.load(tmp_path / "other.json")


def test_archs_that_look_at_other_images_are_refused() -> None:
    space = load_space("attentivenas")
    first, second = (space.restrict(resolution=(size,)).smallest() for size in (192, 224))
    with pytest.raises(InvalidArchError, match="look at one image"):
        parts_of(space, (first, second))
