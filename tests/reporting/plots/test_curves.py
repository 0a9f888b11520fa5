"""Curves show the front at a useful scale; labels keep clear of one another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vitnas.errors import VitnasError
from vitnas.reporting.plots.curves import FEWEST_ERRORS, Curve, Panel, _heights, _steps, _widths, draw_curves
from vitnas.reporting.plots.figure import PALETTE, style
from vitnas.reporting.plots.labels import place_labels
from vitnas.reporting.plots.scale import scale_of

LATENCY, ACCURACY = scale_of("latency_ms"), scale_of("accuracy")


def new_axes():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def test_one_terrible_arch_does_not_flatten_the_front():
    others = np.array([[1.0, 90.0]] * 99 + [[1.0, 0.0]])
    curve = Curve("front", np.array([[1.0, 90.0], [2.0, 95.0]]), evaluated=others, limit=3.0)
    panel = Panel([curve], LATENCY)
    bottom, top = _heights([curve], [panel])
    assert 85 < bottom < 90 < 95 < top < 100
    left, right = _widths(panel)
    assert left < 1.0
    assert right > 3.0


def test_axes_never_show_less_than_a_few_errors():
    points = np.array([[0.4478, 97.2], [0.4484, 98.05]])
    curve = Curve("phone", points, errors=np.array([[0.071, 0.85], [0.071, 0.85]]))
    left, right = _widths(Panel([curve], LATENCY))
    bottom, top = _heights([curve], [Panel([curve], LATENCY)])
    for low, high, error, least, most in ((left, right, 0.071, 0.4478, 0.4484), (bottom, top, 0.85, 97.2, 98.05)):
        assert high - low >= FEWEST_ERRORS * error
        assert low < least - error
        assert high > most + error
    exact = Curve("exact", points)
    assert np.subtract(*_widths(Panel([exact], LATENCY))[::-1]) == pytest.approx(0.0006 * 1.1)


def test_one_point_of_a_huge_error_does_not_set_the_scale():
    points = np.array([[float(i), 90.0 + i] for i in range(9)])
    errors = np.full((9, 2), 0.1)
    errors[4] = 3.0
    bottom, top = _heights([Curve("f", points, errors=errors)], [])
    assert top - bottom < 1.3 * (8 + 0.2)


def test_marked_points_are_always_in_sight():
    curve = Curve("front", np.array([[1.0, 90.0], [2.0, 95.0]]))
    panel = Panel([curve], LATENCY, {"far": (9.0, 20.0)})
    assert _heights([curve], [panel])[0] < 20.0
    assert _widths(panel)[1] > 9.0


def test_steps_hold_the_best_so_far():
    steps = _steps(np.array([[3.0, 5.0], [1.0, 2.0], [2.0, 4.0]]))
    for x, y in steps:
        reached = 2.0 if x < 2 else 4.0 if x < 3 else 5.0
        assert y <= reached + 1e-9
        assert y >= 2.0
    corners = {(1.0, 2.0), (2.0, 2.0), (2.0, 4.0), (3.0, 4.0), (3.0, 5.0)}
    assert corners <= {tuple(np.round(point, 9)) for point in steps}


def test_labels_of_near_points_do_not_overlap():
    from matplotlib.text import Text

    with style():
        axes = new_axes()
        axes.set_xlim(0, 10)
        axes.set_ylim(0, 10)
        anchors = np.array([[5.0, 5.0], [5.2, 5.1], [5.1, 4.9], [9.5, 9.5]])
        line = np.column_stack([np.linspace(0, 10, 200)] * 2)
        place_labels(axes, anchors, ["knee: 0.219 ms, 96.5 %"] * 4, line, np.empty((0, 2)))
        renderer = axes.figure.canvas.get_renderer()
        boxes = [Text.get_window_extent(text, renderer) for text in axes.texts]
        assert len(boxes) == 4
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
        frame = axes.get_window_extent(renderer)
        assert all(
            frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes
        )
        on_line = axes.transData.transform(line)
        assert not any(((on_line >= box.min) & (on_line <= box.max)).all(axis=1).any() for box in boxes)


def test_odd_numbers_of_curves_are_refused(tmp_path):
    one, empty = Curve("front", np.array([[1.0, 2.0]])), Curve("empty", np.empty((0, 2)))
    for curves, said in (
        ([], "no points"),
        ([one, empty], r"\['empty'\] has no points"),
        ([one] * (len(PALETTE) + 1), "at most 7"),
    ):
        with pytest.raises(VitnasError, match=said):
            draw_curves([Panel(curves, LATENCY)], ACCURACY, "title", [tmp_path / "p.png"])
    with pytest.raises(VitnasError, match="5 devices side by side leave no room; give fronts of at most 4"):
        draw_curves([Panel([one], LATENCY)] * 5, ACCURACY, "title", [tmp_path / "p.png"])
    assert list(tmp_path.iterdir()) == []
