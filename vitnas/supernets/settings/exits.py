"""The settings of exits that a trained run is given: table [exits] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vitnas.search_spaces.cascades.exits import KINDS
from vitnas.settings import Count, Natural, Positive, Probability, Settings, about


@dataclass(frozen=True)
class ExitSettings(Settings):
    """Where the heads of exits stand, and how they learn; what they stand on stays as it is."""

    table = "exits"

    at: Annotated[
        tuple[int, ...], about("Depths that have an exit; left out, a third and two thirds of the deepest archs.")
    ] = ()
    kinds: Annotated[
        tuple[str, ...],
        about(
            "Heads: plain is that of the space, local convolves neighbours, global is attention among pooled patches."
        ),
    ] = KINDS
    steps: Annotated[Count, about("Steps of their training.")] = 600
    batch_size: Annotated[Count, about("Images a step.")] = 64
    learning_rate: Annotated[Positive, about("At the beginning; it falls to zero along a cosine.")] = 2e-3
    weight_decay: Annotated[Positive, about("Of the weights of the heads.")] = 0.02
    distil: Annotated[
        Probability, about("What the answers of the deepest head count for; the labels have the rest.")
    ] = 0.3
    temperature: Annotated[float, about("At which heads and the deepest one are compared.", gt=0)] = 2.0
    seed: Annotated[Natural, about("Of the heads, the archs and the images.")] = 0
