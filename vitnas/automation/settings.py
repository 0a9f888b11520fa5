"""What `vitnas auto` may be told: table [auto] of a settings file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from vitnas.loggers.names import LoggerNames, refuse_unknown
from vitnas.settings import Count, Natural, Seconds, Settings, TorchDevice, about

Baseline = Literal["uniform", "vit", "random", "stock"]
Strategy = Literal["halving", "supernet"]
MANY = 3
"""Limits from which on one supernet for all of them pays."""


@dataclass(frozen=True)
class AutoSettings(Settings):
    """How a network is found and trained within a time."""

    table = "auto"

    limits: Annotated[
        Mapping[str, float | tuple[float, ...]],
        about(
            "Device -> the most milliseconds that one image may take there. Several numbers, such as [1, 2, 4], ask for a "
            "network each; a device with one number has it for all of them."
        ),
    ] = field(default_factory=dict)
    seconds: Annotated[
        Seconds, about("Time for all trainings on this machine, baselines included, if no other work disturbs it.")
    ] = 3600.0
    formats: Annotated[tuple[str, ...], about("Formats of the network, see docs/export.md.")] = ("onnx",)
    spaces: Annotated[
        tuple[str, ...],
        about("Spaces that candidates come from; left out, all that suit the images, the likeliest first."),
    ] = ()
    baselines: Annotated[
        tuple[Baseline, ...],
        about(
            "What the network is held against, each trained as long as all that led to the network: uniform scales all "
            "genes of its space alike up to the limit, vit so scales a plain vision transformer (DeiT), random is drawn at "
            "the limit among all spaces, stock is the slowest within the limit of the networks that timm has too, as they "
            "were published. Each takes a share of the time."
        ),
    ] = ("uniform",)
    strategy: Annotated[
        Literal["auto", "halving", "supernet"],
        about(
            "Where networks come from: halving trains candidates alone and drops the worse of them; supernet trains one "
            "supernet for all limits, and trains its best archs at each limit further; auto takes the supernet for three "
            "limits and more, and where there is one already."
        ),
    ] = "auto"
    run: Annotated[
        str | None,
        about("Folder of a trained run; candidates are the best archs of its supernet, and begin with its weights."),
    ] = None
    init: Annotated[
        str | None, about("First weights of candidates that they fit, as `--init` of train-supernet takes them.")
    ] = None
    candidates: Annotated[Count | None, about("Archs that begin; left out, as many as the time allows.")] = None
    workers: Annotated[
        Count | None,
        about(
            "Trainings at a time; left out, as many as there are networks to train in the end, if there are threads or GPUs for all."
        ),
    ] = None
    torch_device: Annotated[
        TorchDevice, about("Where networks are trained: cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.")
    ] = "auto"
    seed: Annotated[Natural, about("Random seed.")] = 0
    loggers: LoggerNames = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unknown(self.loggers, self.table)
        counts = {len(values) for values in self._numbers.values() if len(values) != 1}
        right = all(values and all(_is_positive(ms) for ms in values) for values in self._numbers.values())
        self.demand("limits", right, "milliseconds above 0, one number or several a device")
        self.demand("limits", len(counts) < 2, "as many numbers for one device as for another, or a single one")
        self.demand("strategy", self.run is None or self.strategy != "halving", "'supernet' where `run` names one")

    @property
    def targets(self) -> tuple[dict[str, float], ...]:
        """The limits of each network that is wanted: device -> milliseconds."""
        numbers = self._numbers
        several = max((len(values) for values in numbers.values()), default=0)
        return tuple({name: ms[i % len(ms)] for name, ms in numbers.items()} for i in range(several))

    @property
    def way(self) -> Strategy:
        """The strategy, decided."""
        if self.strategy != "auto":
            return self.strategy
        return "supernet" if self.run is not None or len(self.targets) >= MANY else "halving"

    @property
    def _numbers(self) -> dict[str, tuple[float, ...]]:
        return {name: tuple(ms) if isinstance(ms, tuple | list) else (ms,) for name, ms in self.limits.items()}


def _is_positive(ms: object) -> bool:
    return isinstance(ms, int | float) and not isinstance(ms, bool) and 0 < ms < math.inf
