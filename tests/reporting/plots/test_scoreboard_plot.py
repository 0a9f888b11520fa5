"""The picture of a network against its baselines."""

from __future__ import annotations

from vitnas.automation.scoreboard import Line, Scoreboard
from vitnas.reporting.plots.figure import save_figure
from vitnas.reporting.plots.scoreboard_plot import plot_scoreboard

OURS = Line("network", "efficientformerv2", 64, "a" * 12, 0.9825, (0.978, 0.986), {"cpu": 0.92}, 2_260_000, 2.2)
THEIRS = Line("vit", "deit", 64, "b" * 12, 0.5317, (0.516, 0.547), {"cpu": 1.12}, 200_000, 2.2)
BOARD = Scoreboard("shapes", "test", 4000, {"cpu": 1.5}, (OURS, THEIRS), {})


def test_each_network_has_its_line_and_figures(tmp_path):
    picture = plot_scoreboard(BOARD)
    [axes] = picture.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["network\nefficientformerv2, 64 px, 0.92 ms", "vit\ndeit, 64 px, 1.12 ms"]
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert [(round(x, 6), y) for x, y in points] == [(98.25, 0), (53.17, 1)]
    ends = [tuple(line.get_xdata()) for line in axes.lines if line.get_marker() != "o"]
    assert [tuple(round(x, 6) for x in pair) for pair in ends] == [(97.8, 98.6), (51.6, 54.7)]
    assert "4,000 test images" in axes.get_xlabel()
    save_figure(picture, tmp_path / "board.png")
    assert (tmp_path / "board.png").stat().st_size > 5000
