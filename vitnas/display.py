"""How results show themselves: each names its view, and the views live in reporting, where tables and pictures are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from vitnas.registry import Registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

T = TypeVar("T")


@dataclass(frozen=True)
class View(Generic[T]):
    """Three ways to look at one kind of result.

    Attributes:
        frame: the result as a pandas frame.
        figure: the result as a matplotlib figure.
        html: the result as a notebook shows it.
    """

    frame: Callable[[T], DataFrame]
    figure: Callable[[T], Figure]
    html: Callable[[T], str]


VIEWS: Registry[View[Any]] = Registry(
    "view",
    "vitnas.views",
    {
        "archs": "vitnas.reporting.views.archs:ARCHS",
        "arch": "vitnas.reporting.views.archs:ARCH",
        "counted": "vitnas.reporting.views.counted:VIEW",
        "estimate": "vitnas.reporting.views.estimate:VIEW",
        "fit": "vitnas.reporting.views.fit:VIEW",
        "front": "vitnas.reporting.views.front:VIEW",
        "run": "vitnas.reporting.views.run:VIEW",
        "scoreboard": "vitnas.reporting.views.scoreboard:VIEW",
        "search": "vitnas.reporting.views.search:VIEW",
        "table": "vitnas.reporting.views.table:VIEW",
    },
)


class Shown:
    """A result that notebooks show, that becomes a pandas frame, and that draws itself.

    The class of a result knows only the name of its view: ``class ParetoFront(Shown, view="front")``. The view, and
    with it pandas and matplotlib, is imported on first use.
    """

    _view: ClassVar[str]

    def __init_subclass__(cls, view: str | None = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if view is not None:
            cls._view = view

    def to_frame(self) -> DataFrame:
        """The result as a pandas frame."""
        return VIEWS.load(self._view).frame(self)

    def plot(self) -> Figure:
        """The result as a matplotlib figure, which a notebook shows and ``figure.savefig(path)`` keeps."""
        return VIEWS.load(self._view).figure(self)

    def _repr_html_(self) -> str:
        return VIEWS.load(self._view).html(self)
