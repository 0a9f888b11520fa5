"""What `vitnas auto` may be told: table [auto] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from vitnas.settings import Count, Natural, Positive, Seconds, Settings, about

Baseline = Literal["uniform", "vit", "random", "stock"]


@dataclass(frozen=True)
class AutoSettings(Settings):
    """How a network is found and trained within a time."""

    table = "auto"

    limits: Annotated[dict[str, Positive], about("Device -> the most milliseconds that one image may take there.")] = (
        field(default_factory=dict)
    )
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
    init: Annotated[
        str | None, about("First weights of candidates that they fit, as `--init` of train-supernet takes them.")
    ] = None
    candidates: Annotated[Count | None, about("Archs that begin; left out, as many as the time allows.")] = None
    workers: Annotated[
        Count | None, about("Trainings at a time, a thread each; left out, one for every two processor cores.")
    ] = None
    seed: Annotated[Natural, about("Random seed.")] = 0
