"""A small convolutional network for 8x8 digits, its stages written in a loop.

vitnas count --space docs/examples/own_space.py --smallest
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vitnas.search_spaces import Gene, LayerSpec, SearchSpace, Site, Task

DEEPEST = 3


@dataclass(frozen=True, eq=False)
class Convolutional(SearchSpace):
    """Blocks on one map; every block chooses its kernel and the width of its inner layer."""

    def genes(self) -> Sequence[Gene]:
        return (
            Gene("width", (16, 24)),
            Gene("depth", tuple(range(1, DEEPEST + 1))),
            Gene("kernel", (3, 5), per="depth"),
            Gene("ratio", (2, 3, 4), per="depth"),
        )

    def sites(self) -> Sequence[Site]:
        size = self.task.side
        side = size // 2

        def stem(width: int) -> LayerSpec:
            image = (self.task.in_channels, size, size)
            return LayerSpec.of("conv_stem", image, (width, side, side), kernel=3, stride=2, act="relu")

        def block(width: int, kernel: int, ratio: int) -> LayerSpec:
            shape = (width, side, side)
            return LayerSpec.of("convnext_block", shape, shape, kernel=kernel, hidden=width * ratio)

        def head(width: int) -> LayerSpec:
            answer = (self.task.num_classes,)
            return LayerSpec.of(
                "map_classifier", (width, side, side), answer, norm="layer", pool_first=True, distilled=False
            )

        blocks = [Site(f"block{i}", ("width", f"kernel[{i}]", f"ratio[{i}]"), block) for i in range(DEEPEST)]
        return [Site("stem", ("width",), stem), *blocks, Site("head", ("width",), head)]


def space(task: Task = Task(image_size=8, num_classes=10, in_channels=1)) -> Convolutional:
    """The one function that such a file must have."""
    return Convolutional("own-convolutional", task)
