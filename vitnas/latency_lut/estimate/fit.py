"""Fits the prices to published measurements, and tells how far off they are on families they have not seen.

    python -m vitnas.latency_lut.estimate.fit published_latency.csv

writes a model of each group of machines anew. First guesses come from the maker's figures or from the scale of the rows, and
every price is fitted anew for each family left out. The form of the model is not: its classes of work, and that small tensors move cheaply, were kept because they did
better on families left out, so the stated errors are somewhat too kind. Where sizes were open, the mean over several is used.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitnas.files import write_json
from vitnas.latency_lut.calibration import Fidelity
from vitnas.latency_lut.estimate.cost import GUESS, PRICES, Floats, OperatorWork, Prices
from vitnas.latency_lut.estimate.evidence import flag
from vitnas.latency_lut.estimate.model import EstimateAccuracy, EstimatedTarget, EstimateModel, FallBack
from vitnas.latency_lut.estimate.ops import Op
from vitnas.latency_lut.estimate.published import GROUPS, MachineGroup, PublishedRow, fell_back, read_rows

RESIDENT_MB = (0.5, 1.0, 2.0, 4.0)
"""Sizes of the memory on the chip: one member of the model each."""
PRICE_SPREAD = 0.7
"""Standard deviation of ln(price / guess) before a measurement is seen."""
FACTOR_SPREAD = 0.3
SOURCE_SPREAD = 0.06
"""Publications differ by 4 to 7 % on the same network and phone."""
NOISE = 0.1
"""Standard deviation of ln(measured / estimated) of one network; what is further off counts less."""
MAX_IMAGE_SIZE = 288
"""Errors are stated up to here, as larger images are rare in the sources."""

Traces = Mapping[tuple[str, int], Sequence[Op]]


@dataclass(frozen=True)
class FittedPrices:
    """Prices and factors that go with some rows."""

    members: tuple[Prices, ...]
    factors: Mapping[str, float]

    def ms(self, ops: Sequence[Op], device: str) -> float:
        work = OperatorWork.of(ops)
        return self.factors[device] * float(np.mean([m.network_ms + m.cost_ms(work).sum() for m in self.members]))


def fit(rows: Sequence[PublishedRow], traces: Traces, group: MachineGroup = GROUPS["apple"]) -> FittedPrices:
    """The most likely prices given the rows of a group, none of which fell back."""
    found = [_fit_member(rows, traces, group, size) for size in RESIDENT_MB]
    factors = {d: float(np.exp(np.mean([np.log(f[d]) for _, f in found]))) for d in group.machines}
    return FittedPrices(tuple(prices for prices, _ in found), factors)


def first_guess(rows: Sequence[PublishedRow], traces: Traces, group: MachineGroup) -> Floats:
    """Prices before any measurement is seen, or at most its scale; a batch pays a call and a launch once."""
    if group.by_maker:
        return GUESS
    once = np.array([part in ("network", "launch") for part, _ in PRICES])
    guess = np.where(once, GUESS / group.batch, GUESS)
    total = [_total_ms(OperatorWork.of(traces[row.network]), guess, RESIDENT_MB[1]) for row in rows]
    scale = np.exp(np.median(np.log([row.ms or 0.0 for row in rows]) - np.log(total)))
    return np.asarray(guess * scale, dtype=np.float64)


def _total_ms(work: OperatorWork, prices: Floats, resident_mb: float) -> float:
    return float(prices[0] + work.cost_ms(prices, resident_mb)[0].sum())


def _fit_member(
    rows: Sequence[PublishedRow], traces: Traces, group: MachineGroup, resident_mb: float
) -> tuple[Prices, dict[str, float]]:
    from scipy.optimize import least_squares

    networks = sorted({row.network for row in rows})
    sources = sorted({row.source for row in rows})
    devices = list(group.machines)
    guess = first_guess(rows, traces, group)
    works = [OperatorWork.of(traces[network]) for network in networks]
    joined, starts = OperatorWork.join(works), np.concatenate([[0], np.cumsum([len(w) for w in works])[:-1]])
    network = np.array([networks.index(row.network) for row in rows])
    device = np.array([devices.index(row.device) for row in rows])
    source = np.array([sources.index(row.source) for row in rows])
    log_ms = np.log([row.ms or 0.0 for row in rows])
    _, pair, repeats = np.unique(np.stack([network, device]), axis=1, return_inverse=True, return_counts=True)
    weight = 1 / (NOISE * np.sqrt(repeats[pair.ravel()]))
    count, line = len(GUESS), np.arange(len(rows))
    factors = [machine.factor for machine in group.machines.values()]
    mean = np.concatenate([np.log(guess), np.log(factors), np.zeros(len(sources))])
    # The first device is the unit in which prices are given.
    spread = np.array(
        [PRICE_SPREAD] * count + [1e-4] + [FACTOR_SPREAD] * (len(devices) - 1) + [SOURCE_SPREAD] * len(sources)
    )

    def both(theta: Floats) -> tuple[Floats, Floats]:
        prices = np.exp(theta[:count])
        cost, slope = joined.cost_ms(prices, resident_mb)
        total = np.add.reduceat(cost, starts) + prices[0]
        slopes = np.add.reduceat(slope, starts, axis=0)
        slopes[:, 0] = 1.0
        miss = (np.log(total)[network] + theta[count + device] + theta[count + len(devices) + source] - log_ms) * weight
        # Of Huber's kind: a square near zero and a line far off, as the root of a sum of squares wants it.
        bent = np.sqrt(1 + miss**2)
        robust = np.sign(miss) * np.sqrt(2 * (bent - 1))
        steep = weight * np.where(np.abs(miss) < 1e-6, 1.0, np.abs(miss) / bent / np.maximum(np.abs(robust), 1e-12))
        jacobian = np.zeros((len(rows), len(theta)))
        jacobian[:, :count] = (slopes * prices / total[:, None])[network]
        jacobian[line, count + device] = 1.0
        jacobian[line, count + len(devices) + source] = 1.0
        return (
            np.concatenate([robust, (theta - mean) / spread]),
            np.vstack([jacobian * steep[:, None], np.diag(1 / spread)]),
        )

    found = least_squares(lambda t: both(t)[0], mean, lambda t: both(t)[1], max_nfev=60).x
    fitted = dict(zip(devices, np.exp(found[count : count + len(devices)]).tolist(), strict=True))
    return Prices.of(resident_mb, np.exp(found[:count])), fitted


@dataclass(frozen=True)
class UnseenNetwork:
    """A network on a device: the median over the sources, and what it was estimated at without its family."""

    model: str
    image_size: int
    family: str
    measured_ms: float
    estimated_ms: float


def leave_out(
    rows: Sequence[PublishedRow],
    traces: Traces,
    device: str,
    together: Callable[[PublishedRow], object],
    group: MachineGroup = GROUPS["apple"],
    largest: int = MAX_IMAGE_SIZE,
) -> list[UnseenNetwork]:
    """Estimates every network of a device by a fit to the rows of all others, on whatever device of the group.

    Args:
        rows: that did not fall back.
        traces: of all their networks.
        device: whose networks are estimated.
        together: what is left out at once.
        group: of the device.
        largest: larger images are fitted to, but not estimated.
    """
    asked = {row.network: row for row in rows if row.device == device and row.image_size <= largest}
    points = []
    for left_out in sorted({str(together(row)) for row in asked.values()}):
        found = fit([row for row in rows if str(together(row)) != left_out], traces, group)
        for network, row in sorted(asked.items()):
            if str(together(row)) == left_out:
                measured = [r.ms or 0.0 for r in rows if r.device == device and r.network == network]
                estimated = found.ms(traces[network], device)
                points.append(UnseenNetwork(*network, row.family, float(np.median(measured)), estimated))
    return points


def accuracy(points: Sequence[UnseenNetwork]) -> EstimateAccuracy:
    """Errors of points, and whether an interval that all other families gave would have held them."""
    measured, estimated = (np.array([getattr(p, n) for p in points]) for n in ("measured_ms", "estimated_ms"))
    off = np.abs(np.log(measured / estimated))
    families = np.array([p.family for p in points])
    inside: dict[float, list[NDArray[np.bool_]]] = {0.68: [], 0.9: []}
    for name in np.unique(families):
        others = off[families != name]
        for level, held in inside.items():
            held.append(off[families == name] <= _width(others, level))
    return EstimateAccuracy(
        Fidelity.between(estimated, measured), len(np.unique(families)), sigma=_width(off, 0.68), reach_90=_width(off, 0.9),
        within_sigma=float(np.concatenate(inside[0.68]).mean()), within_90=float(np.concatenate(inside[0.9]).mean()),
    )  # fmt: skip


def _width(off: Floats, level: float) -> float:
    """Half of the interval that holds this share of the next one; with few points wider than their own quantile."""
    if len(off) == 0:
        return float("inf")
    return float(np.quantile(off, min(1.0, level * (len(off) + 1) / len(off)), method="higher"))


def split(
    rows: Sequence[PublishedRow], traces: Traces, group: MachineGroup = GROUPS["apple"]
) -> tuple[list[PublishedRow], list[PublishedRow]]:
    """Rows that stayed on the accelerator, and rows that fell back."""
    fell = [group.falls_back and fell_back(row, traces[row.network]) for row in rows]
    return [r for r, f in zip(rows, fell, strict=True) if not f], [r for r, f in zip(rows, fell, strict=True) if f]


def trace_rows(rows: Sequence[PublishedRow]) -> tuple[list[PublishedRow], dict[tuple[str, int], list[Op]]]:
    """The operators of every network, and the rows whose network timm can build at its resolution."""
    from vitnas.errors import VitnasError
    from vitnas.latency_lut.estimate.networks import timm_ops

    traces: dict[tuple[str, int], list[Op]] = {}
    refused: set[tuple[str, int]] = set()
    for network in {row.network: None for row in rows}:
        try:
            traces[network] = timm_ops(*network)
        except VitnasError:
            refused.add(network)
    return [row for row in rows if row.network not in refused], traces


def fit_model(rows: Sequence[PublishedRow], traces: Traces, group: MachineGroup) -> EstimateModel:
    """The model that is shipped, with the error of each device on families left out."""
    stayed, fell = split(rows, traces, group)
    found = fit(stayed, traces, group)
    targets = {}
    for device in group.shipped:
        points = leave_out(stayed, traces, device, lambda row: row.family, group)
        targets[device] = EstimatedTarget(
            group.machines[device].chip,
            found.factors[device],
            sum(row.device == device for row in stayed),
            accuracy(points),
            flag(stayed, fell, traces, device, MAX_IMAGE_SIZE) if group.falls_back else None,
        )
    fallback = None
    if group.falls_back:
        extra = [row.ms - found.ms(traces[row.network], row.device) for row in fell if row.ms]
        low, middle, high = np.quantile(extra, [0.25, 0.5, 0.75])
        fallback = FallBack(len(extra), float(middle), float(low), float(high))
    return EstimateModel(
        format=3,
        fitted=datetime.date.today().isoformat(),
        runtime=group.runtime,
        precision=group.precision,
        batch=group.batch,
        members=found.members,
        devices=targets,
        fallback=fallback,
        sources=tuple(sorted({row.citation for row in rows})),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path, help="the published latencies")
    parser.add_argument("--only", choices=tuple(GROUPS), help="this group of machines alone")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("models"), help="folder for the models")
    given = parser.parse_args()
    for name, group in GROUPS.items():
        if given.only in (None, name):
            rows, traces = trace_rows(read_rows(given.csv, group))
            model = fit_model(rows, traces, group)
            write_json(given.out / f"{name}.json", asdict(model))
            for device, target in model.devices.items():
                print(f"{device}: factor {target.factor:.3f}, {target.accuracy}; flag: {target.flag}")
            print(model.fallback or "nothing tells which networks fall back")


if __name__ == "__main__":
    main()
