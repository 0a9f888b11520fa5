"""A network as a picture: one bar a layer, as wide as the layer is inside."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitnas.reporting.plots.figure import FAINT, INK, PALETTE, check_suffix, save_figure, style
from vitnas.search_spaces import FLOAT, Blueprint, LayerSpec
from vitnas.search_spaces.blueprint import Shape

if TYPE_CHECKING:
    from vitnas.reporting.plots.picture import Picture

ROW_INCHES = 0.21
BARS_FROM, BARS_TO = 0.25, 0.65  # of the figure's width; names stand to the left, words to the right
CENTRE = (BARS_FROM + BARS_TO) / 2
MOST_LETTERS = 36
BAND = "#e3e3e3"


def draw_blueprint(blueprint: Blueprint, paths: Sequence[Path], title: str) -> Picture:
    """Draws the layers from input to output, written to every path (.png or .svg).

    The grey band is the channels that pass from layer to layer; a bar is the width inside the
    layer: heads side by side in an attention, the hidden width of a feed-forward.
    """
    for path in paths:
        check_suffix(path)
    from vitnas.reporting.plots.picture import Picture

    rows = _rows(blueprint)
    kinds = list(dict.fromkeys(spec.kind for spec in blueprint))
    colours = {kind: PALETTE[i % len(PALETTE)] for i, kind in enumerate(kinds)}
    # A classifier of many thousand classes would squeeze all else, so the last bar may be cut.
    widest = max(max(inner_width(spec), channels(spec.out_shape)) for spec in blueprint.layers[:-1] or blueprint)
    columns = 5 if sum(map(len, kinds)) < 60 else 4
    legend_rows = -(-(len(kinds) + 1) // columns)
    head = 0.5 + 0.22 * legend_rows
    height = ROW_INCHES * (rows[-1] + 1.6) + head
    with style():
        figure = Picture(figsize=(7.2, height))
        axes = figure.add_axes((0, 0, 1, 1 - head / height))
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(rows[-1] + 0.8, -0.8)
        unit = (BARS_TO - BARS_FROM) / widest
        _draw_band(axes, blueprint, rows, unit)
        for y, (site, spec) in zip(rows, blueprint.items(), strict=True):
            _draw_bar(axes, y, spec, min(inner_width(spec), widest) * unit, colours[spec.kind])
            axes.text(BARS_FROM - 0.02, y, site.replace("_", " "), ha="right", va="center", fontsize=8, color=FAINT)
            axes.text(BARS_TO + 0.02, y, describe(spec), ha="left", va="center", fontsize=8)
        figure.text(0.02, 1 - 0.12 / height, title, ha="left", va="top", fontsize=13, fontweight="bold")
        _add_legend(figure, colours, columns, 1 - 0.42 / height)
        for path in paths:
            save_figure(figure, path)
    return figure


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
    """The precision and the attributes of a layer in few words, as many as there is room for."""
    attrs = dict(spec.attrs)
    words = [] if spec.precision == FLOAT.name else [spec.precision]
    if "heads" in attrs and "head_width" in attrs:
        words.append(f"{attrs.pop('heads')} heads x {attrs.pop('head_width')}")
    if "hidden" in attrs:
        hidden = int(attrs.pop("hidden"))
        words.append(f"hidden {hidden} ({hidden / channels(spec.in_shape):.3g}x)")
    if spec.in_shape != spec.out_shape:
        words.append(" to ".join("x".join(map(str, shape)) for shape in (spec.in_shape, spec.out_shape)))
    for name, value in attrs.items():
        words.extend([f"{name} {value}"] if value and value is not True else [name] * bool(value))
    sure = 1 if spec.precision == FLOAT.name else 2
    kept = words[:sure]
    for word in words[sure:]:
        if len(", ".join([*kept, word])) > MOST_LETTERS:
            break
        kept.append(word)
    return ", ".join(kept).replace("_", " ")


def _rows(blueprint: Blueprint) -> list[float]:
    """Heights of the layers: those of one block, whose names begin alike, stand close together."""
    blocks = [site.rsplit("_", 1)[0] for site in blueprint.sites]
    rows = [0.0]
    for before, block in pairwise(blocks):
        rows.append(rows[-1] + (1.0 if block == before else 1.45))
    return rows


def _draw_band(axes: Any, blueprint: Blueprint, rows: Sequence[float], unit: float) -> None:
    for (y, spec), (below, _) in pairwise(zip(rows, blueprint, strict=True)):
        half = channels(spec.out_shape) * unit / 2
        axes.fill_betweenx([y, below], CENTRE - half, CENTRE + half, color=BAND, linewidth=0, zorder=1)


def _draw_bar(axes: Any, y: float, spec: LayerSpec, width: float, colour: str) -> None:
    heads = max(1, int(dict(spec.attrs).get("heads", 1)))
    part = width / heads
    for i in range(heads):
        left = CENTRE - width / 2 + i * part
        axes.barh(y, part, left=left, height=0.72, color=colour, edgecolor="white", linewidth=1, zorder=2)


def _add_legend(figure: Any, colours: dict[str, str], columns: int, top: float) -> None:
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color=colour, label=kind.replace("_", " ")) for kind, colour in colours.items()]
    handles.append(Patch(color=BAND, label="channels carried on"))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.02, top),
        ncols=columns,
        borderpad=0,
        borderaxespad=0,
        handlelength=1,
        handletextpad=0.5,
        columnspacing=1.4,
        labelcolor=INK,
        fontsize=9,
    )
