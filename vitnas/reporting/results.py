"""Results: the fronts that searches left on the disk, by run, folder or file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vitnas.errors import SearchError
from vitnas.files import is_locked
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.quantity import Quantity
from vitnas.reporting.evaluated import Evaluated, evaluated_on, read_evaluated
from vitnas.reporting.live import front_so_far

EVALUATIONS = "evaluations.parquet"
STUDY = "study.db"


@dataclass(frozen=True)
class Result:
    """One front, with the folder of the search that found it.

    Attributes:
        name: what tells it from the others that were found with it.
        file: of the front.
        front: what the search found, or has found so far.
        so_far: what a search that is still at work has evaluated; otherwise the table of the folder is read.
    """

    name: str
    file: Path
    front: ParetoFront
    so_far: Evaluated | None = None

    @property
    def folder(self) -> Path:
        return self.file.parent

    @property
    def run(self) -> Path | None:
        """The folder of the run whose supernet judged, where the search lies in it."""
        parent = self.folder.resolve().parent
        return self.folder.parent if (parent / "config.toml").is_file() else None

    @property
    def device(self) -> str | None:
        """The one device that the front is for."""
        found = self.front.config.get("origin", {}).get("device")
        return found if found and "," not in found else None

    @cached_property
    def evaluated(self) -> Evaluated:
        """All that was evaluated; the points of the front alone where no table lies beside it."""
        if self.so_far is not None:
            return self.so_far
        table = self.folder / EVALUATIONS
        found = read_evaluated(table) if table.is_file() else evaluated_on(self.front)
        # The front of one device of several has its own names for what the table calls by device.
        figures = {_name_on(self.device, name): values for name, values in found.figures.items()}
        return Evaluated(found.ids, found.archs, figures, found.failed)


def find_results(path: Path) -> list[Result]:
    """The fronts below a run, a search folder or a folder of searches, or the one of a file; at least one."""
    found = results_below(path)
    if not found:
        state = "holds no result of a search yet" if path.is_dir() else "does not exist"
        raise SearchError(f"'{path}' {state}; name a front.json, a search folder or a run, or run `vitnas search`")
    return found


def results_below(path: Path) -> list[Result]:
    """The same, and none where no search has evaluated anything yet."""
    if path.is_file():
        return [Result(path.parent.name or path.stem, path, ParetoFront.load(path))]
    return [result for folder in _searches(path) for result in _of_search(folder, folder.name)]


def _name_on(device: str | None, name: str) -> str:
    """What the front of one device calls a quantity."""
    quantity = Quantity.parse(name)
    return str(quantity.without_device) if device is not None and quantity.device == device else name


def newest_study(path: Path) -> Path | None:
    """The database that a search below a folder wrote to last."""
    studies = [folder / STUDY for folder in _searches(path) if (folder / STUDY).is_file()]
    return max(studies, key=lambda study: study.stat().st_mtime) if studies else None


def _searches(path: Path) -> list[Path]:
    return [path] if _is_search(path) else sorted(each for each in path.glob("*") if _is_search(each))


def _is_search(folder: Path) -> bool:
    return (folder / "front.json").is_file() or (folder / "search.log").is_file()


def _of_search(folder: Path, name: str) -> list[Result]:
    """The front over all objectives and those of each device; of a search at work, the front so far."""
    file = folder / "front.json"
    if not file.is_file() or is_locked(folder):
        found = front_so_far(folder)
        if found is not None:
            return [Result(name, file, *found)]
    if not file.is_file():
        return []
    devices = sorted(folder.glob("front-*.json"))
    return [
        Result(name, file, ParetoFront.load(file)),
        *(Result(f"{name}, {one.stem.removeprefix('front-')} alone", one, ParetoFront.load(one)) for one in devices),
    ]
