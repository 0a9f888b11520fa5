"""Where a network would run: on the Neural Engine, or with parts that fall back to processor or GPU.

The scheduler is not documented. Each rule stands for what papers and measurements show; a flag says what is likely.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vitnas.latency_lut.estimate.ops import Op

MANY_TOKENS = 196
MANY_SCORES = 100_000
"""Of all heads of one attention."""
MOST_AXES = 5
"""A Core ML tensor has no more."""
LARGEST_POOL, LARGEST_POOL_STRIDE = 13, 2
LARGEST_RESIZE = 2
GATHERS = frozenset({"gather", "index", "index_select", "embedding", "scatter", "index_put", "grid_sample", "cumsum"})


@dataclass(frozen=True)
class Placement:
    """What is likely, and why.

    Attributes:
        falls_back: at least one rule says that part of the network leaves the Neural Engine.
        reasons: the rules that say so.
        notes: what is slow there, but stays.
    """

    falls_back: bool
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "likely fall-back to processor or GPU" if self.falls_back else "Neural Engine"


def placement(ops: Sequence[Op]) -> Placement:
    """Reads the operators of a network."""
    reasons = [
        *_counted(ops, _is_hard, "hard-swish or hard-sigmoid: some converters write it so that it leaves the engine"),
        *_counted(ops, lambda op: op.name == "roll", "rolled maps (shifted windows): not supported in every release"),
        *_counted(ops, _too_many_axes, f"rearrangements of more than {MOST_AXES} axes, beyond what a tensor may have"),
        *_counted(ops, _many_tokens, f"attention between {MANY_TOKENS} or more tokens on several heads"),
        *_counted(ops, lambda op: op.kind == "move" and op.name in GATHERS, "gathering by index"),
        *_counted(ops, _large_pool, f"pooling windows above {LARGEST_POOL} or strides above {LARGEST_POOL_STRIDE}"),
        *_counted(ops, _large_resize, f"enlarging more than {LARGEST_RESIZE} times"),
    ]
    notes = [
        *_counted(ops, lambda op: op.name == "group_norm", "group norm, which the converter takes apart"),
        *_counted(ops, lambda op: op.kind == "move" and op.rank == MOST_AXES, "rearrangements of five axes"),
    ]
    return Placement(bool(reasons), tuple(reasons), tuple(notes))


def _counted(ops: Sequence[Op], rule: Callable[[Op], bool], what: str) -> list[str]:
    count = sum(rule(op) for op in ops)
    return [f"{count} x {what}"] if count else []


def _is_hard(op: Op) -> bool:
    return (op.activation or op.name) in ("hardswish", "hardsigmoid")


def _too_many_axes(op: Op) -> bool:
    return op.kind == "move" and op.rank > MOST_AXES


def _many_tokens(op: Op) -> bool:
    return op.kind == "softmax" and min(op.out_shape[-2:]) >= MANY_TOKENS and op.written >= MANY_SCORES


def _large_pool(op: Op) -> bool:
    return (
        op.kind == "pool"
        and op.out_shape[-2:] != (1, 1)
        and not op.name.startswith("adaptive")
        and (op.kernel > LARGEST_POOL or op.stride > LARGEST_POOL_STRIDE)
    )


def _large_resize(op: Op) -> bool:
    return op.kind == "resize" and op.written > LARGEST_RESIZE**2 * op.read
