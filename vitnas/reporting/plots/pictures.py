"""Which picture a file asks for, and the drawing of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitnas.errors import DataError, SettingsError, UnknownNameError, suggest
from vitnas.files import read_json
from vitnas.nas.fit_predictor import REPORT_FILE, PredictorFit
from vitnas.reporting.results import EVALUATIONS, Result, find_results


@dataclass(frozen=True)
class PlotRequest:
    """What is to be drawn.

    Attributes:
        files: runs, search folders, fronts, tables, predictors or an arch.
        out: pictures to write.
        title: above them; the picture's own when empty.
        space: of an arch, where it is one of a file.
        baselines: a file of networks found elsewhere.
    """

    files: Sequence[Path]
    out: Sequence[Path]
    title: str = ""
    space: str | None = None
    baselines: Path | None = None


def draw(what: str, request: PlotRequest) -> None:
    """Draws one of `PICTURES`."""
    if what not in PICTURES:
        raise UnknownNameError(f"--what {what}: no such picture; {suggest(what, PICTURES)}")
    if request.baselines is not None and what != "front":
        raise SettingsError(f"--baselines goes with fronts, not with --what {what}; leave it out")
    PICTURES[what](request)


def guess(path: Path) -> str:
    """What a file or folder shows best."""
    if path.is_dir():
        is_predictor = (path / REPORT_FILE).is_file() and not (path / "front.json").is_file()
        return "predictor" if is_predictor else "front"
    if path.suffix == ".parquet":
        return "front" if path.name == EVALUATIONS else "fidelity"
    data = read_json(path)
    keys = set(data) if isinstance(data, dict) else set()
    if keys == {"space", "genes"}:
        return "arch"
    return "predictor" if {"predictor", "scores"} <= keys else "front"


def named_results(paths: Sequence[Path]) -> dict[str, Result]:
    """The fronts of several paths, each by the shortest name that no other has; of one for several devices, those alone."""
    found = []
    for path in paths:
        results = find_results(path.parent if path.name == EVALUATIONS else path)
        alone = {result.folder for result in results if result.name.endswith(" alone")}
        found += [r for r in results if r.folder not in alone or r.name.endswith(" alone")]
    distinct = list({result.file.resolve(): result for result in found}.values())
    for prefix in (0, 1, 2):
        names = [_name(result, prefix) for result in distinct]
        if len(set(names)) == len(names):
            break
    else:
        names = [str(result.file) for result in distinct]
    return dict(zip(names, distinct, strict=True))


def _name(result: Result, folders: int) -> str:
    above = result.folder.resolve().parts[:-1]
    return "/".join([*above[len(above) - folders :], result.name])


def _draw_fronts(request: PlotRequest) -> None:
    from vitnas.reporting.baselines import read_baselines
    from vitnas.reporting.plots.pareto_plot import plot_fronts

    results = named_results(request.files)
    plot_fronts(
        {name: result.front for name, result in results.items()},
        request.out,
        evaluated={name: r.evaluated for name, r in results.items() if len(r.evaluated) > len(r.front.points)},
        baselines=read_baselines(request.baselines) if request.baselines is not None else (),
        title=request.title,
    )


def _draw_growth(request: PlotRequest) -> None:
    from vitnas.reporting.plots.growth_plot import plot_growth

    plot_growth(named_results(request.files), request.out, request.title)


def _draw_genes(request: PlotRequest) -> None:
    from vitnas.reporting.plots.genes_plot import plot_genes

    results = named_results(request.files)
    if len(results) > 1:
        raise SettingsError(f"genes are drawn of one front, and there are [{', '.join(results)}]; name its front.json")
    plot_genes(next(iter(results.values())), request.out, request.title)


def _draw_fidelity(request: PlotRequest) -> None:
    from vitnas.latency_lut.table import LatencyTable
    from vitnas.reporting.plots.fidelity import plot_fidelity

    path = _only(request, "table")
    if path.is_dir():
        tables = sorted([*path.glob("latency/*.parquet"), *path.glob("*.parquet")])
        if len(tables) != 1:
            raise DataError(
                f"'{path}' holds {len(tables)} latency tables; name the file of one: {[str(t) for t in tables]}"
            )
        path = tables[0]
    for out in request.out:
        plot_fidelity(LatencyTable.read(path), out)


def _draw_predictor(request: PlotRequest) -> None:
    from vitnas.reporting.terminal.predictors import plot_fit

    path = _only(request, "predictor")
    folder = path.parent if path.is_file() else path
    fit = PredictorFit.load(folder if (folder / REPORT_FILE).is_file() else folder / "predictor")
    for out in request.out:
        plot_fit(fit, out)


def _draw_arch(request: PlotRequest) -> None:
    from vitnas.reporting.plots.diagram import draw_blueprint
    from vitnas.search_spaces import Arch, load_space

    arch = Arch.from_json(read_json(_only(request, "arch")))
    space = load_space(request.space or arch.space)
    draw_blueprint(space.lower(space.check(arch)), request.out, request.title or str(arch.id))


def _only(request: PlotRequest, kind: str) -> Path:
    if len(request.files) != 1:
        raise SettingsError(f"{len(request.files)} files: one {kind} is drawn at a time; name one")
    return request.files[0]


PICTURES: dict[str, Callable[[PlotRequest], None]] = {
    "front": _draw_fronts,
    "hypervolume": _draw_growth,
    "genes": _draw_genes,
    "fidelity": _draw_fidelity,
    "predictor": _draw_predictor,
    "arch": _draw_arch,
}
