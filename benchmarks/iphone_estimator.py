"""How far estimates of an iPhone's latency are from what was published, on families the model has not seen.

Every network that timm can build of the file of published latencies is traced; each family of an iPhone 12 in turn is
estimated by prices fitted to all other families, on whatever phone. Networks up to 288 pixels count, the median
of the sources is the truth, and networks that fell back are left out, as their note says so or because they are
1.5 times slower than the maker's figures allow without any memory on the chip (see docs/iphone-estimate.md).

Keys: family_mape, family_spearman, loo_mape, loo_spearman (one network left out instead of its family), points,
within_68 and within_90 (the share inside intervals that other families gave), macs_family_mape and
macs_family_spearman (a line through the MACs instead), fallback_recall and fallback_precision (of the placement
flag, when only other families decide which of its rules are believed), fallback_points (networks that fell back) and
fallback_alarms. Those of another phone bear its name in front. No phone was touched.

The quick sample: no image above 288 pixels is fitted to, iPhone 12 alone, nothing left out one by one.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from frame import run, show

from vitnas.latency_lut.calibration import Calibration, Fidelity
from vitnas.latency_lut.estimate.evidence import flag
from vitnas.latency_lut.estimate.fit import (
    MAX_IMAGE_SIZE,
    Traces,
    UnseenNetwork,
    accuracy,
    leave_out,
    split,
    trace_rows,
)
from vitnas.latency_lut.estimate.published import PublishedRow, read_rows

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "published_latency.csv"
PLOT = ROOT / "docs" / "images" / "iphone-estimate.png"


def measure(quick: bool, data: Path, plot: Path) -> Mapping[str, float]:
    if not data.is_file():
        sys.exit(f"skipped: '{data}' is not there; name the file of published latencies with --data")
    if importlib.util.find_spec("timm") is None:
        sys.exit("skipped: timm is not installed")
    known = read_rows(data)
    rows, traces = trace_rows([row for row in known if not quick or row.image_size <= MAX_IMAGE_SIZE])
    stayed, fell = split(rows, traces)
    results: dict[str, float] = {}
    for device in ("iphone12",) if quick else ("iphone12", "iphone13", "iphone14"):
        before = "" if device == "iphone12" else f"{device}_"
        points = leave_out(stayed, traces, device, lambda row: row.family)
        found = accuracy(points)
        results |= {
            f"{before}family_mape": found.fidelity.mape,
            f"{before}family_spearman": found.fidelity.spearman or 0.0,
            f"{before}points": len(points),
            f"{before}within_68": found.within_sigma,
            f"{before}within_90": found.within_90,
        }
        results |= _flag(stayed, fell, traces, device, before)
        show(f"{device}, its family left out", ("network", "px", "measured", "estimated", "error"), _lines(points))
        if device == "iphone12":
            by_macs = _macs_alone(stayed, traces, points)
            results |= {"macs_family_mape": by_macs.mape, "macs_family_spearman": by_macs.spearman or 0.0}
            if not quick:
                _plot(points, found.sigma, plot)
    if not quick:
        alone = accuracy(leave_out(stayed, traces, "iphone12", lambda row: row.network)).fidelity
        results |= {"loo_mape": alone.mape, "loo_spearman": alone.spearman or 0.0}
    return results


def _lines(points: Sequence[UnseenNetwork]) -> list[tuple[str, ...]]:
    return [
        (
            p.model, str(p.image_size), f"{p.measured_ms:.2f}", f"{p.estimated_ms:.2f}",
            f"{p.estimated_ms / p.measured_ms - 1:+.0%}",
        )
        for p in points
    ]  # fmt: skip


def _macs_alone(rows: Sequence[PublishedRow], traces: Traces, points: Sequence[UnseenNetwork]) -> Fidelity:
    """The same test for a constant and a price of a MAC."""
    macs = {network: float(sum(op.macs for op in ops)) / 1e9 for network, ops in traces.items()}
    on_device = [row for row in rows if row.device == "iphone12" and row.ms]
    estimated = []
    for p in points:
        others = [row for row in on_device if row.family != p.family and row.image_size <= MAX_IMAGE_SIZE]
        line = Calibration.fit(
            np.array([macs[r.network] for r in others]), np.array([r.ms for r in others], dtype=float)
        )
        estimated.append(float(line(np.array([macs[p.model, p.image_size]]))[0]))
    return Fidelity.between(np.array(estimated), np.array([p.measured_ms for p in points]))


def _flag(
    stayed: Sequence[PublishedRow], fell: Sequence[PublishedRow], traces: Traces, device: str, before: str
) -> dict[str, float]:
    """How the placement flag does; a network whose sources disagree counts on both sides."""
    found = flag(stayed, fell, traces, device, MAX_IMAGE_SIZE)
    show(
        f"{device}, rules of the flag",
        ("rule", "fell back", "stayed", "fell back elsewhere", "stayed elsewhere", "believed"),
        [
            (
                name, str(s.fits), str(s.contradicts), str(s.fits_elsewhere), str(s.contradicts_elsewhere),
                "yes" if s.believed else "no",
            )
            for name, s in found.support.items()
        ],
    )  # fmt: skip
    precision = {} if found.precision is None else {f"{before}fallback_precision": found.precision}
    return precision | {
        f"{before}fallback_recall": found.recall or 0.0,
        f"{before}fallback_alarms": float(found.caught + found.false_alarms),
        f"{before}fallback_points": float(found.fell),
    }


def _plot(points: Sequence[UnseenNetwork], sigma: float, path: Path) -> None:
    from matplotlib.figure import Figure

    from vitnas.reporting.plots.figure import FAINT, MARKERS, PALETTE, save_figure, style

    with style():
        figure = Figure(figsize=(6.4, 5.6), layout="constrained")
        axes = figure.add_subplot()
        families = sorted({p.family for p in points})
        for i, name in enumerate(families):
            own = [p for p in points if p.family == name]
            axes.plot(
                [p.measured_ms for p in own], [p.estimated_ms for p in own], MARKERS[i // 2 % len(MARKERS)], ls="none", ms=6,
                color=PALETTE[i % len(PALETTE)], label=name, alpha=0.85, mec="white", mew=0.5,
            )  # fmt: skip
        low, high = 0.5, 90.0
        line = np.array([low, high])
        axes.plot(line, line, color=FAINT, lw=1)
        axes.fill_between(line, line * np.exp(-sigma), line * np.exp(sigma), color=FAINT, alpha=0.15, lw=0)
        axes.set(
            xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), xlabel="published, ms (median of the sources)",
            ylabel="estimated without its family, ms", title="iPhone 12, Core ML fp16, up to 288 pixels",
        )  # fmt: skip
        ticks = (0.5, 1, 2, 5, 10, 20, 50)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ticks, [f"{t:g}" for t in ticks])
            axis.set_ticks([], minor=True)
        axes.legend(loc="upper left", fontsize=8)
        save_figure(figure, path)


if __name__ == "__main__":
    run(
        __doc__,
        measure,
        {
            "--data": {"type": Path, "default": DATA, "help": "the file of published latencies"},
            "--plot": {"type": Path, "default": PLOT, "help": "where a full run draws estimated against published"},
        },
    )
