"""How long each token mixer takes on this processor, and HiLo's claim in its authors' setting.

ONNX Runtime, one thread, batch 1, in turns with the reference network as in a latency table. A mixer is its whole layer:
norm, mixing and residual; `convnext` and `lookup` hold an FFN besides. Every mixer of the space `mixers` is
timed at the same width on each map, where the space offers it; a larger map would have those left out keep a
matrix over all pairs of places.

HiLo (LITv2) is said to be 1.4 times as fast as spatial reduction (r = 2) and 1.6 times as fast as windows of 7 on a CPU, at
14x14, width 768, 12 heads, windows of 2 and alpha 0.9, which is 10 low heads. Its authors timed batches of 64 of the
mixing alone; here it is batch 1 of whole layers, so that what all share brings the ratios nearer to 1.
`ratio.hilo_vs_window` is against windows of 7; windows of 2 stand beside it.

The quick sample: some mixers at 14x14 and HiLo's setting, in fewer and shorter blocks.
"""

from __future__ import annotations

from collections.abc import Mapping

import frame

from vitnas.latency_lut.devices.cpu import CPU
from vitnas.latency_lut.protocol import Timing, align
from vitnas.latency_lut.settings import TimingSettings
from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.search_spaces.published.mixer_choices import MIXERS
from vitnas.supernets.counting.counts import count_layer

WIDTHS = {56: 64, 28: 128, 14: 256}
"""Side of the map -> width, as a pyramid has them."""
QUICK = ("pooling", "large_kernel", "hilo", "spatial_reduction", "window", "attention")
QUICK_SETTINGS = TimingSettings(block_ms=10, blocks=7, warmup_ms=50, max_warmup_ms=200, max_repeats=3)

MAP = (768, 14, 14)
HILO_CLAIM = {
    "hilo": LayerSpec.of("hilo_attention", MAP, MAP, high_heads=2, low_heads=10, head_width=64, window=2),
    "sra": LayerSpec.of("spatial_reduction_attention", MAP, MAP, heads=12, head_width=64, reduction=2),
    "window": LayerSpec.of("window_attention", MAP, MAP, heads=12, head_width=64, window=7, shift=False),
    "window2": LayerSpec.of("window_attention", MAP, MAP, heads=12, head_width=64, window=2, shift=False),
}


def measure(quick: bool) -> frame.Results:
    settings = QUICK_SETTINGS if quick else TimingSettings()
    claimed = _time("HiLo's setting: 768 channels at 14x14", HILO_CLAIM, settings)
    results = {f"ratio.hilo_vs_{name}": claimed[name] / claimed["hilo"] for name in claimed if name != "hilo"}
    for side, width in WIDTHS.items():
        if quick and side != min(WIDTHS):
            continue
        asked = QUICK if quick else tuple(MIXERS)
        chosen = {name: MIXERS[name](width, side) for name in asked}
        offered = {name: spec for name, spec in chosen.items() if spec is not None}
        found = _time(f"{width} channels at {side}x{side}", offered, settings)
        results |= {f"ms.{name}.{side}x{side}": ms for name, ms in found.items()}
        if len(offered) < len(chosen):
            megabytes = 4 * side**4 / 1e6
            left_out = ", ".join(name for name in chosen if name not in offered)
            print(
                f"left out, as a matrix over all pairs takes {megabytes:.1f} MB a head or the map is refused: {left_out}"
            )
    return results


def _time(title: str, specs: Mapping[str, LayerSpec], settings: TimingSettings) -> dict[str, float]:
    """Milliseconds of each layer; those of one call share a quiet time of the reference."""
    timings = align(list(CPU().time([Blueprint.single(spec) for spec in specs.values()], settings)))
    by_name: dict[str, Timing] = dict(zip(specs, timings, strict=True))
    frame.show(
        title,
        ("mixer", "ms", "quartiles apart", "MMACs", "GMACs a second"),
        [
            (
                name,
                f"{t.median_ms:.3f}",
                f"{t.iqr_ms / t.median_ms:.1%}",
                f"{macs / 1e6:.1f}",
                f"{macs / t.median_ms / 1e6:.1f}",
            )
            for (name, t), macs in sorted(
                ((pair, count_layer(specs[pair[0]]).macs) for pair in by_name.items()),
                key=lambda row: row[0][1].median_ms,
            )
        ],
    )
    return {name: timing.median_ms for name, timing in by_name.items()}


if __name__ == "__main__":
    frame.run(__doc__, measure)
