"""NASViT (Gong et al., 2022): mobile stages whose last four are transformers with talking heads, as released.

The authors name A0 to A5 without saying which archs they are; the smallest and largest archs of the space are
published. Where the released code departs from its own idea, this space does not: layer normalisation is over the
channels of a token (released: over tokens and channels together), and a transformer block has one residual scale
for its attention and one for its two FFNs (released: 80 each, of which the number of tokens modulo 8 picks one). A
network cut out of the supernet has as many parameters either way.
"""

from __future__ import annotations

from vitnas.search_spaces.published.mobile_stages import MobileStage, MobileStages, winner
from vitnas.search_spaces.space import Task


def nasvit(task: Task = Task(image_size=288)) -> MobileStages:
    """NASViT's released space, 190 to 1882 million MACs at 192 to 288 pixels."""
    smallest = (16, 16, 24, 32, 64, 112, 160, 208, 1792)
    largest = (24, 24, 32, 40, 72, 128, 184, 224, 1984)
    return MobileStages(
        "nasvit",
        task,
        resolution=(192, 224, 256, 288),
        stem=(16, 24),
        stages=(
            MobileStage((16, 24), (1, 2), (3, 5), (1,), stride=1),
            MobileStage((24, 32), (3, 4, 5), (3, 5), (4, 5, 6), stride=2),
            MobileStage((32, 40), (3, 4, 5, 6), (3,), (4, 5, 6), stride=2, excite=True),
            MobileStage((64, 72), (3, 4, 5, 6), (3,), (4, 5, 6), stride=2, attends=True),
            MobileStage((112, 120, 128), (3, 4, 5, 6, 7, 8, 9), (3,), (4, 5, 6), stride=2, excite=True, attends=True),
            MobileStage((160, 168, 176, 184), (3, 4, 5, 6, 7, 8), (3,), (6,), stride=1, excite=True, attends=True),
            MobileStage((208, 216, 224), (3, 4, 5, 6), (3,), (6,), stride=2, excite=True, attends=True),
        ),
        head=(1792, 1984),
        winners={
            "min": winner(192, smallest, (1, 3, 3, 3, 3, 3, 3), (3,) * 7, (1, 4, 4, 4, 4, 6, 6), 8_237_184, 189.789),
            "max": winner(
                288, largest, (2, 5, 6, 6, 9, 8, 6), (5, 5, 3, 3, 3, 3, 3), (1, 6, 6, 6, 6, 6, 6), 16_681_734, 1881.709
            ),
        },
    )
