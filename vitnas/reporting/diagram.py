"""A network as a picture: one bar a layer, as wide as the layer is inside."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from vitnas.reporting.figure import FAINT, INK, PALETTE, check_suffix, save_figure, style
from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.search_spaces.blueprint import Shape

ROW_INCHES = 0.21


def draw_blueprint(blueprint: Blueprint, paths: Sequence[Path], title: str) -> None:
    """Draws the layers from input to output, written to every path (.png or .svg).

    The grey band is the channels that pass from layer to layer; a bar is the width inside the
    layer: heads side by side in an attention, the hidden width of a feed-forward.
    """
    for path in paths:
        check_suffix(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = _rows(blueprint)
    kinds = list(dict.fromkeys(spec.kind for spec in blueprint))
    colours = {kind: PALETTE[i % len(PALETTE)] for i, kind in enumerate(kinds)}
    # A classifier of many thousand classes would squeeze all else, so the last bar may be cut.
    widest = max(max(inner_width(spec), channels(spec.out_shape)) for spec in blueprint.layers[:-1] or blueprint)
    with style():
        figure = Figure(figsize=(7.2, ROW_INCHES * (rows[-1] + 1) + 0.9), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(-0.85 * widest, 0.95 * widest)
        axes.set_ylim(rows[-1] + 0.8, -0.8)
        axes.set_title(title, loc="left", pad=26, fontsize=13, fontweight="bold")
        _draw_band(axes, blueprint, rows)
        for y, (site, spec) in zip(rows, blueprint.items(), strict=True):
            _draw_bar(axes, y, spec, widest, colours[spec.kind])
            axes.text(-0.55 * widest, y, site.replace("_", " "), ha="right", va="center", fontsize=8, color=FAINT)
            axes.text(0.55 * widest, y, describe(spec), ha="left", va="center", fontsize=8)
        _add_legend(axes, colours)
        for path in paths:
            save_figure(figure, path)


def channels(shape: Shape) -> int:
    """Of tokens (T, C), of a map (C, H, W) or of logits (K,)."""
    return shape[0] if len(shape) == 3 else shape[-1]


def inner_width(spec: LayerSpec) -> int:
    """The channels between a layer's first and last projection; those it answers if it has none."""
    attrs = dict(spec.attrs)
    if "hidden" in attrs:
        return int(attrs["hidden"])
    if "heads" in attrs and "head_width" in attrs:
        return int(attrs["heads"]) * int(attrs["head_width"])
    return channels(spec.out_shape)


def describe(spec: LayerSpec) -> str:
    """The attributes of a layer in few words."""
    attrs = dict(spec.attrs)
    words = []
    if "heads" in attrs and "head_width" in attrs:
        words.append(f"{attrs.pop('heads')} heads x {attrs.pop('head_width')}")
    if "hidden" in attrs:
        hidden = int(attrs.pop("hidden"))
        words.append(f"hidden {hidden} ({hidden / channels(spec.in_shape):.3g}x)")
    if spec.in_shape != spec.out_shape:
        words.append(" to ".join("x".join(map(str, shape)) for shape in (spec.in_shape, spec.out_shape)))
    words.extend(f"{name} {value}" for name, value in attrs.items() if value)
    return ", ".join(words)


def _rows(blueprint: Blueprint) -> list[float]:
    """Heights of the layers: those of one block, whose names begin alike, stand close together."""
    blocks = [site.rsplit("_", 1)[0] for site in blueprint.sites]
    rows = [0.0]
    for before, block in pairwise(blocks):
        rows.append(rows[-1] + (1.0 if block == before else 1.45))
    return rows


def _draw_band(axes: Any, blueprint: Blueprint, rows: Sequence[float]) -> None:
    for (y, spec), (below, _) in pairwise(zip(rows, blueprint, strict=True)):
        width = channels(spec.out_shape)
        axes.fill_betweenx([y, below], -width / 2, width / 2, color="#e3e3e3", linewidth=0, zorder=1)


def _draw_bar(axes: Any, y: float, spec: LayerSpec, widest: int, colour: str) -> None:
    width = min(inner_width(spec), widest)
    heads = int(dict(spec.attrs).get("heads", 1))
    part = width / heads
    for i in range(heads):
        axes.barh(
            y, part, left=i * part - width / 2, height=0.72, color=colour, edgecolor="white", linewidth=1, zorder=2
        )


def _add_legend(axes: Any, colours: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color=colour, label=kind.replace("_", " ")) for kind, colour in colours.items()]
    handles.append(Patch(color="#e3e3e3", label="channels carried on"))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=min(len(handles), 5),
        borderpad=0,
        borderaxespad=0.4,
        handlelength=1,
        handletextpad=0.5,
        columnspacing=1.4,
        labelcolor=INK,
        fontsize=9,
    )
