"""The settings of making faster networks of a given one: tables [family] and [prune] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from vitnas.settings import Count, Natural, Positive, Settings, about


@dataclass(frozen=True)
class FamilySettings(Settings):
    """How the front of what one or two given networks become is found, without training."""

    table = "family"

    init: Annotated[
        str | None,
        about(
            "The network: timm:NAME, timm:NAME@FILE with its weights, the folder of an exported arch, or the file of an arch in a "
            "run; or two of these as stitch:A+B, the smaller first."
        ),
    ] = None
    evaluations: Annotated[
        Count,
        about(
            "Networks that the programme chooses and whose accuracy is measured, a quarter of which keep the same share of all; of "
            "two networks, routes of all latencies."
        ),
    ] = 20
    refine: Annotated[
        Natural, about("Networks near that front that are then evaluated as well; 0 leaves it as it is.")
    ] = 0
    order: Annotated[
        str,
        about(
            "What orders channels, so that the most important stay: activation, dimap, output_error, self_distillation, taylor or "
            "weight_gradient; none leaves them."
        ),
    ] = "output_error"
    importance: Annotated[
        str, about("What chooses between networks of one latency before they are evaluated: one of the same.")
    ] = "output_error"
    compensate: Annotated[
        bool, about("Let the channels that stay make up for those that are removed, by least squares.")
    ] = True
    shrinks: Annotated[
        Literal["channels", "ranks"],
        about("What a layer has less of: heads and channels, or, in plain transformers, the ranks of its weights."),
    ] = "channels"

    maps: Annotated[
        bool,
        about(
            "Let an affine map, fitted by least squares, stand in for a layer that is left out, where its time pays."
        ),
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        from vitnas.supernets.pruning.importances import IMPORTANCES, NO_ORDER

        one = "output_error"
        self.demand("importance", not self.maps or self.importance == one, f"'{one}' where maps stand in for layers")
        self.demand("maps", not (self.maps and self.shrinks == "ranks"), "false where shrinks is 'ranks'")
        for name in (self.importance, *([self.order] if self.order != NO_ORDER else [])):
            if name not in IMPORTANCES:
                IMPORTANCES.load(name)


@dataclass(frozen=True)
class PruneSettings(Settings):
    """How a given network is brought below a limit in rounds: score, sort, remove, tune."""

    table = "prune"

    init: Annotated[str | None, about("The network, as for `vitnas family`.")] = None
    rounds: Annotated[Count, about("Rounds, each of which saves the same share of the latency.")] = 4
    epochs: Annotated[
        Count, about("Passes over the training images after each round, with the given network as teacher.")
    ] = 1
    importance: Annotated[
        str,
        about(
            "What is weighed against milliseconds: weight_gradient, taylor, self_distillation, activation, dimap or output_error."
        ),
    ] = "taylor"
    learning_rate: Annotated[Positive, about("Peak learning rate of a round.")] = 5e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        from vitnas.supernets.pruning.importances import IMPORTANCES

        if self.importance not in IMPORTANCES:
            IMPORTANCES.load(self.importance)
