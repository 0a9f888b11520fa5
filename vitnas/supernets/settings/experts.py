"""The settings of experts weights averaging: table [train.experts] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vitnas.settings import Count, Settings, Share, about


@dataclass(frozen=True)
class ExpertSettings(Settings):
    """Experts weights averaging. Its authors' rates are not public; these are ours."""

    table = "train.experts"

    num: Annotated[Count, about("Copies of each feed-forward layer; 1 leaves the layers as they are.")] = 1
    share: Annotated[
        Share,
        about(
            "How far the weights of each copy move towards the mean of the others after the last step; rises linearly "
            "from zero."
        ),
    ] = 0.2

    def share_at(self, step: int, num_steps: int) -> float:
        """The share after this step, the first one being 0."""
        return self.share * (step + 1) / num_steps
