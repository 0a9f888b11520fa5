"""What operators cost on an accelerator: the slower of arithmetic and traffic each, and a constant. Needs no torch.

An operator takes ``launch + max(arithmetic, traffic) + activation``, the maximum rounded off, where every class of
work has a price of its own. Traffic is not proportional to bytes: a tensor that is small beside the memory on the
chip never leaves it, so `b` megabytes count as ``b * b / (b + resident_mb)``. How large that memory is nobody says:
the model is the mean over several sizes. All prices are positive and times add up, so a network is its constant and
the sum of its layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vitnas.latency_lut.estimate.ops import Op

Floats = NDArray[np.float64]

BYTES = 2
"""Of a number in fp16, the only precision of a Neural Engine of these generations."""
SHARPNESS = 4.0
"""Exponent of the rounded maximum: at a tie the sum is 2 ** (1 / 4) of either."""

ARITHMETIC = {"conv": 0.19, "pointwise": 0.19, "linear": 0.25, "matmul": 0.4, "depthwise": 0.8}
"""Milliseconds for 10^9 MACs, as one would guess them from 11 TOPS before seeing a measurement."""
TRAFFIC = {
    "map": 0.015, "tokens": 0.015, "elementwise": 0.015, "pool": 0.015, "norm": 0.04, "group_norm": 0.04,
    "softmax": 0.06, "move": 0.03, "reshape": 0.01, "matmul": 0.03, "five_axes": 0.04, "six_axes": 0.1,
}  # fmt: skip
"""Milliseconds for a megabyte read or written, guessed from 34 GB/s and how often each kind goes over its data."""
WEIGHTS = {"weights": 0.02}
"""Milliseconds for a megabyte of constants, which no memory on the chip holds."""
ACTIVATION = {"gelu": 0.01, "silu": 0.03, "hard": 0.015}
"""Milliseconds for a megabyte that a costly activation is applied to."""
LAUNCH = {"plain": 0.002, "pixel": 0.004, "reshape": 0.0005, "six_axes": 0.05}
"""Milliseconds for each operator; `pixel` ones leave one place, as in squeeze and excitation."""
NETWORK = {"network": 0.28}
"""Milliseconds for each call of a network."""

GROUPS = {
    "network": NETWORK, "arithmetic": ARITHMETIC, "traffic": TRAFFIC, "weights": WEIGHTS, "activation": ACTIVATION,
    "launch": LAUNCH,
}  # fmt: skip
PRICES = tuple((group, name) for group, names in GROUPS.items() for name in names)
GUESS: Floats = np.array([GROUPS[group][name] for group, name in PRICES])
_PLACE = {price: i for i, price in enumerate(PRICES)}

_TRAFFIC_OF = {
    "conv": "map", "grouped": "map", "depthwise": "map", "linear": "tokens", "matmul": "matmul", "norm": "norm",
    "softmax": "softmax", "activation": "elementwise", "elementwise": "elementwise", "reduce": "pool", "pool": "pool",
    "reshape": "reshape", "move": "move", "resize": "move",
}  # fmt: skip
_ACTIVATIONS = {
    "gelu": "gelu", "tanh": "gelu", "sigmoid": "gelu", "silu": "silu", "mish": "silu", "hardswish": "hard",
    "hardsigmoid": "hard",
}  # fmt: skip


@dataclass(frozen=True)
class OperatorWork:
    """The operators of one network as arrays, one entry an operator; -1 in a class means that it has none."""

    arithmetic: NDArray[np.int64]
    gmacs: Floats
    traffic: NDArray[np.int64]
    moved_mb: Floats
    weights_mb: Floats
    activation: NDArray[np.int64]
    activated_mb: Floats
    launch: NDArray[np.int64]

    @classmethod
    def of(cls, ops: Sequence[Op]) -> OperatorWork:
        places = np.array([_classes(op) for op in ops], dtype=np.int64).reshape(-1, 4)
        sizes = np.array(
            [(op.macs / 1e3, op.read + op.written, op.weights, op.written) for op in ops], dtype=np.float64
        ).reshape(-1, 4)
        gmacs, moved, weights, written = (sizes * [1e-6, *[BYTES / 1e6] * 3]).T
        return cls(places[:, 0], gmacs, places[:, 1], moved, weights, places[:, 2], written, places[:, 3])

    @classmethod
    def join(cls, works: Sequence[OperatorWork]) -> OperatorWork:
        return cls(*(np.concatenate([getattr(w, name) for w in works]) for name in cls.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.gmacs)

    def cost_ms(self, prices: Floats, resident_mb: float) -> tuple[Floats, Floats]:
        """Milliseconds of every operator, and their derivative by every price ``(operators, prices)``."""
        rows = np.arange(len(self))
        moved = self.moved_mb**2 / (self.moved_mb + resident_mb + 1e-12)
        arithmetic = np.where(self.arithmetic >= 0, prices[self.arithmetic], 0.0) * self.gmacs
        weight = _PLACE["weights", "weights"]
        traffic = prices[self.traffic] * moved + prices[weight] * self.weights_mb
        larger = np.maximum(np.maximum(arithmetic, traffic), 1e-12)
        slower = larger * ((arithmetic / larger) ** SHARPNESS + (traffic / larger) ** SHARPNESS) ** (1 / SHARPNESS)
        active = self.activation >= 0
        cost = slower + prices[self.launch] + np.where(active, prices[self.activation] * self.activated_mb, 0.0)
        slope = np.zeros((len(self), len(prices)))
        by_arithmetic, by_traffic = ((part / slower) ** (SHARPNESS - 1) for part in (arithmetic, traffic))
        computes = self.arithmetic >= 0
        slope[rows[computes], self.arithmetic[computes]] = (by_arithmetic * self.gmacs)[computes]
        slope[rows, self.traffic] += by_traffic * moved
        slope[:, weight] += by_traffic * self.weights_mb
        slope[rows[active], self.activation[active]] = self.activated_mb[active]
        slope[rows, self.launch] = 1.0
        return cost, slope


@dataclass(frozen=True)
class Prices:
    """One member of the model: the prices that go with a size of the memory on the chip."""

    resident_mb: float
    prices: Mapping[str, Mapping[str, float]]

    @cached_property
    def array(self) -> Floats:
        return np.array([self.prices[group][name] for group, name in PRICES])

    @classmethod
    def of(cls, resident_mb: float, array: Floats) -> Prices:
        named = {group: {n: float(f"{array[_PLACE[group, n]]:.4g}") for n in names} for group, names in GROUPS.items()}
        return cls(resident_mb, named)

    @property
    def network_ms(self) -> float:
        return self.prices["network"]["network"]

    def cost_ms(self, work: OperatorWork) -> Floats:
        return work.cost_ms(self.array, self.resident_mb)[0]


def _classes(op: Op) -> tuple[int, int, int, int]:
    """Where the prices of an operator stand: arithmetic, traffic, activation, launch."""
    arithmetic = {"conv": "conv" if op.kernel > 1 else "pointwise", "grouped": "conv" if op.kernel > 1 else "pointwise"}
    computes = arithmetic.get(op.kind, op.kind)
    traffic, launch = _TRAFFIC_OF[op.kind], "plain"
    if op.name == "group_norm":
        traffic = "group_norm"
    if op.kind == "reshape":
        launch = "reshape"
    elif op.out_shape[-2:] == (1, 1):
        launch = "pixel"
    if op.kind in ("move", "reshape") and op.rank >= 5:
        traffic = "five_axes" if op.rank == 5 else "six_axes"
        launch = "six_axes" if op.rank > 5 and op.kind == "move" else launch
    applied = _ACTIVATIONS.get(op.activation or op.name if op.kind == "activation" else op.activation, "")
    return (
        _PLACE.get(("arithmetic", computes), -1),
        _PLACE["traffic", traffic],
        _PLACE.get(("activation", applied), -1),
        _PLACE["launch", launch],
    )
