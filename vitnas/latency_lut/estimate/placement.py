"""Where a network would run: on the Neural Engine, or with parts that fall back to processor or GPU.

The scheduler is not documented. Each rule stands for what somebody reported, and known networks decide whether it is
believed: a rule that one of them contradicts, or that too few bear out, is a note and no alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vitnas.latency_lut.estimate.ops import Op

MANY_TOKENS = 196
MANY_SCORES = 100_000
"""Of all heads of one attention."""
MOST_AXES = 5
"""A Core ML tensor has no more."""
LARGEST_POOL, LARGEST_POOL_STRIDE = 13, 2
LARGEST_RESIZE = 2
GATHERS = frozenset({"gather", "index", "index_select", "embedding", "scatter", "index_put", "grid_sample", "cumsum"})
ENOUGH = 3
"""Networks that bear a rule out. From three on, and none against it, it is 90 % certain that a rule holds more often than
not: a share that may be anything is below a half with probability ``0.5 ** (n + 1)``."""


@dataclass(frozen=True)
class Support:
    """Known networks with what a rule asks for, on one device and on its kin.

    Attributes:
        fits: fell back.
        contradicts: stayed on the engine; a network that did both, in two publications, counts on both sides.
        fits_elsewhere: fell back on other devices of the chip's maker.
        contradicts_elsewhere: stayed there.
    """

    fits: int = 0
    contradicts: int = 0
    fits_elsewhere: int = 0
    contradicts_elsewhere: int = 0

    @property
    def believed(self) -> bool:
        return self.fits >= ENOUGH and not self.contradicts

    def __str__(self) -> str:
        if not any((self.fits, self.contradicts, self.fits_elsewhere, self.contradicts_elsewhere)):
            return "no known network has it"
        here = f"known networks with it: {self.fits} fell back and {self.contradicts} stayed on this device"
        return f"{here}, {self.fits_elsewhere} and {self.contradicts_elsewhere} on its kin"


@dataclass(frozen=True)
class Flag:
    """What known networks say of the flag on one device.

    Attributes:
        support: by rule.
        caught: networks that fell back and were flagged by the rules that all other families bear out.
        fell: networks that fell back.
        false_alarms: networks that stayed and were flagged so.
    """

    support: Mapping[str, Support] = field(default_factory=dict)
    caught: int = 0
    fell: int = 0
    false_alarms: int = 0

    @property
    def precision(self) -> float | None:
        """The share of alarms that are right; None without alarms."""
        alarms = self.caught + self.false_alarms
        return self.caught / alarms if alarms else None

    @property
    def recall(self) -> float | None:
        """The share of networks that fell back and were flagged; None where none did."""
        return self.caught / self.fell if self.fell else None

    def __str__(self) -> str:
        alarms = self.caught + self.false_alarms
        right = f"{self.caught} of {alarms} alarms right (precision {self.precision:.0%})" if alarms else "no alarm"
        named = (
            f"{self.caught} of {self.fell} fall-backs named (recall {self.recall:.0%})" if self.fell else "no fall-back"
        )
        return f"{right}, {named}"


@dataclass(frozen=True)
class Placement:
    """What is likely, and why.

    Attributes:
        falls_back: at least one rule that is believed says that part of the network leaves the Neural Engine.
        reasons: the rules that say so.
        notes: rules that are not believed, and what is slow on the engine, but stays.
    """

    falls_back: bool
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "likely fall-back to processor or GPU" if self.falls_back else "Neural Engine"


def placement(ops: Sequence[Op], support: Mapping[str, Support]) -> Placement:
    """Reads the operators of a network.

    Args:
        ops: of the network.
        support: of each rule on the device in question.
    """
    reasons: list[str] = []
    notes: list[str] = []
    for name, (rule, what) in RULES.items():
        found = support.get(name, Support())
        (reasons if found.believed else notes).extend(_counted(ops, rule, f"{what} ({found})"))
    notes += [
        *_counted(ops, lambda op: op.name == "group_norm", "group norm, which the converter takes apart"),
        *_counted(ops, lambda op: op.kind == "move" and op.rank == MOST_AXES, "rearrangements of five axes"),
    ]
    return Placement(bool(reasons), tuple(reasons), tuple(notes))


def traits(ops: Sequence[Op]) -> frozenset[str]:
    """The rules that a network meets."""
    return frozenset(name for name, (rule, _) in RULES.items() if any(map(rule, ops)))


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


RULES: Mapping[str, tuple[Callable[[Op], bool], str]] = {
    "hard": (_is_hard, "hard-swish or hard-sigmoid: some converters write it so that it leaves the engine"),
    "roll": (lambda op: op.name == "roll", "rolled maps (shifted windows): not supported in every release"),
    "axes": (_too_many_axes, f"rearrangements of more than {MOST_AXES} axes, beyond what a tensor may have"),
    "tokens": (_many_tokens, f"attention between {MANY_TOKENS} or more tokens on several heads"),
    "gather": (lambda op: op.kind == "move" and op.name in GATHERS, "gathering by index"),
    "pool": (_large_pool, f"pooling windows above {LARGEST_POOL} or strides above {LARGEST_POOL_STRIDE}"),
    "resize": (_large_resize, f"enlarging more than {LARGEST_RESIZE} times"),
}
"""What is said to leave the engine: the operators meant, and the words for it."""
