"""The command line: one thin function a command, each a call that a notebook could make as well."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitnas import __version__
from vitnas.errors import InvalidArchError, SettingsError, VitnasError
from vitnas.files import read_json
from vitnas.quantities import parse_count, parse_ms

if TYPE_CHECKING:
    from vitnas.search_spaces import Arch, SearchSpace, Task

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Search vision transformers for your device: train one supernet, profile the device, search, export.",
    epilog="Start with: vitnas demo",
)
spaces_app = typer.Typer(invoke_without_command=True, help="List the search spaces, or show one.")
app.add_typer(spaces_app, name="spaces")

SpaceName = Annotated[str, typer.Option("--space", help="Search space, see `vitnas spaces`, or a .toml or .py file.")]
RunPath = Annotated[Path, typer.Option("--run", help="Run folder that `vitnas train-supernet` made.")]
Config = Annotated[Path | None, typer.Option(help="TOML file of settings, one table a command; flags win over it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
ImageSize = Annotated[int | None, typer.Option(help="Image side in pixels; default: as the space was published.")]
Classes = Annotated[int | None, typer.Option(help="Number of classes; default: as the space was published.")]
Channels = Annotated[int | None, typer.Option(help="Image channels; default: as the space was published.")]


def main() -> None:
    """Runs a command; a `VitnasError` becomes its message and exit code 2."""
    try:
        app()
    except VitnasError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"vitnas {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


@spaces_app.callback()
def spaces(context: typer.Context, as_json: AsJson = False) -> None:
    """List the search spaces.

    Example: vitnas spaces show autoformer-tiny
    """
    if context.invoked_subcommand is None:
        from vitnas.reporting.spaces import list_spaces, print_spaces

        _emit(list_spaces(), as_json, print_spaces)


@spaces_app.command("show")
def spaces_show(
    name: Annotated[str, typer.Argument(help="A name from `vitnas spaces`, or a .toml or .py file.")],
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Show genes, size, smallest and largest counts of a space.

    Example: vitnas spaces show deit
    """
    from vitnas.reporting.spaces import describe_space, print_space

    _emit(describe_space(_space(name, image_size, classes, channels)), as_json, print_space)


@app.command()
def count(
    space: SpaceName = "autoformer-tiny",
    arch: Annotated[str | None, typer.Option(help="Arch file, or the name of a published arch.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Count this many random archs.")] = None,
    smallest: Annotated[bool, typer.Option("--smallest", help="Count the smallest arch.")] = False,
    largest: Annotated[bool, typer.Option("--largest", help="Count the largest arch.")] = False,
    seed: Annotated[int, typer.Option(help="Of the random archs.")] = 0,
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Count parameters, MACs and memory of archs.

    Example: vitnas count --space deit --arch DeiT-S
    """
    if sum([arch is not None, sample is not None, smallest, largest]) != 1:
        raise SettingsError("say which archs to count: exactly one of --arch, --sample, --smallest and --largest")
    from vitnas.reporting.counts import describe_counts, print_counts

    found = _space(space, image_size, classes, channels)
    archs = [_arch(found, arch)] if arch else [found.smallest()] if smallest else [found.largest()]
    if sample is not None:
        import numpy as np

        archs = found.sample(sample, np.random.default_rng(seed))
    _emit(describe_counts(found, archs), as_json, print_counts)


@app.command("train-supernet")
def train_supernet(
    space: SpaceName = "autoformer-mini",
    data: Annotated[str, typer.Option(help="Data set; 'digits' is built in.")] = "digits",
    out: Annotated[Path | None, typer.Option(help="Folder of the new run (default: runs/DATA-SPACE).")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run instead, after a stop or a kill.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its peak.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Which subnets a step trains: uniform or sandwich.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, batches and archs.")] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads; default: all cores.")] = None,
    config: Config = None,
) -> None:
    """Train one set of weights for a whole space.

    Example: vitnas train-supernet --data digits
    """
    from vitnas.run import RunFolder
    from vitnas.settings import read_settings

    flags = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "sampler": sampler,
        "seed": seed,
        "threads": threads,
    }
    if resume is not None:
        given = [name for name, value in {**flags, "out": out, "config": config}.items() if value is not None]
        if given:
            raise SettingsError(
                f"--resume goes on with the settings of the run; leave out --{given[0].replace('_', '-')}"
            )
        run = RunFolder.open(resume)
        from vitnas.supernets.training import train
    else:
        from vitnas.search_spaces import load_space
        from vitnas.supernets.data import load_dataset
        from vitnas.supernets.training import TrainSettings, start_run, train

        settings = read_settings(TrainSettings, config, "train", flags)
        loaded = load_space(space, load_dataset(data).task)
        run = start_run(out or Path("runs") / f"{data}-{loaded.name}", loaded, data, settings)
    train(run)
    print(f"{run.path}: trained; next, profile your device: vitnas profile --run {run.path} --device cpu")


@app.command()
def profile(
    run: Annotated[Path | None, typer.Option(help="Run folder whose space to profile.")] = None,
    space: Annotated[
        str | None, typer.Option(help="Search space or its file to profile, when there is no run.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where to measure: cpu is this machine, ONNX Runtime, one thread.")
    ] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Table to write (default: RUN/latency/DEVICE.parquet).")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Short measurements, a few percent less sure.")] = False,
    config: Config = None,
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
) -> None:
    """Measure a latency table of a device.

    Example: vitnas profile --run runs/digits --device cpu
    """
    from dataclasses import asdict

    from vitnas.latency_lut.devices import load_device
    from vitnas.latency_lut.profile import ProfileSettings
    from vitnas.latency_lut.profile import profile as measure
    from vitnas.run import RunFolder
    from vitnas.settings import read_settings

    if (run is None) == (space is None):
        raise SettingsError("say what to profile: --run RUN, or --space NAME without a run, but not both")
    target = load_device(device)
    settings = read_settings(ProfileSettings, config, "profile", asdict(ProfileSettings.quick()) if quick else {})
    if run is not None:
        opened = RunFolder.open(run)
        found, path = opened.space, out or opened.latency_file(device)
    else:
        assert space is not None
        found = _space(space, image_size, classes, channels)
        path = out or Path(f"{found.name}-{device}.parquet")
    table = measure(found, target, path, settings)
    for warning in table.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{path}: {len(table.rows)} layers; {table.header.fidelity}")


@app.command()
def search(
    run: RunPath,
    device: Annotated[str, typer.Option(help="Whose latency counts; it needs a table, see `vitnas profile`.")] = "cpu",
    latency: Annotated[str | None, typer.Option(help="Most that a network may take, such as 1.5ms.")] = None,
    params: Annotated[str | None, typer.Option(help="Most parameters, such as 6M.")] = None,
    macs: Annotated[str | None, typer.Option(help="Most multiply-accumulates, such as 1.3G.")] = None,
    evaluations: Annotated[int | None, typer.Option(help="Archs to evaluate for real.")] = None,
    workers: Annotated[int | None, typer.Option(help="Ray workers; 1 stays in this process. Same result.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same front.")] = None,
    table: Annotated[Path | None, typer.Option(help="Latency table (default: RUN/latency/DEVICE.parquet).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result (default: RUN/search-DEVICE).")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Search the best networks under your limits.

    Example: vitnas search --run runs/digits --latency 0.4ms
    """
    from vitnas.nas.run_search import search_run
    from vitnas.nas.settings import SearchSettings
    from vitnas.reporting.fronts import describe_front, print_front
    from vitnas.run import RunFolder
    from vitnas.settings import read_settings

    limits = {
        "latency_ms": parse_ms(latency, "--latency") if latency else None,
        "num_params": parse_count(params, "--params") if params else None,
        "macs": parse_count(macs, "--macs") if macs else None,
    }
    given = {name: most for name, most in limits.items() if most is not None}
    flags = {"limits": given or None, "evaluations": evaluations, "workers": workers, "seed": seed}
    settings = read_settings(SearchSettings, config, "search", flags)
    opened = RunFolder.open(run)
    front = search_run(opened, device, settings, table_file=table, folder=out, ray_address=ray_address)
    _emit(describe_front(front), as_json, print_front)
    if not as_json:
        print(f"written to {out or opened.path / f'search-{device}'}/front.json")


@app.command()
def export(
    run: RunPath,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    arch: Annotated[str | None, typer.Option(help="Arch file, or the name of a published arch.")] = None,
    front: Annotated[Path | None, typer.Option(help="front.json of a search.")] = None,
    pick: Annotated[str, typer.Option(help="Of the front: knee, fastest, best, an index or an arch id.")] = "knee",
    everything: Annotated[bool, typer.Option("--all", help="Every arch of the front, a folder each.")] = False,
    formats: Annotated[str | None, typer.Option("--format", help="Formats, separated by commas: onnx.")] = None,
    force: Force = False,
    config: Config = None,
) -> None:
    """Write a subnet as files that run, and check them.

    Example: vitnas export --run R --front F --out knee
    """
    from vitnas.deployment.export import ExportSettings, export_all
    from vitnas.deployment.export import export as write
    from vitnas.nas.pareto import ParetoFront
    from vitnas.run import RunFolder
    from vitnas.settings import read_settings
    from vitnas.supernets.checkpoints import load_supernet
    from vitnas.supernets.data import load_dataset

    if (arch is None) == (front is None):
        raise SettingsError("say what to export: --arch FILE, or --front FILE, but not both")
    if everything and front is None:
        raise SettingsError("--all exports every arch of a front; give it with --front FILE")
    opened = RunFolder.open(run)
    wanted = formats.split(",") if formats else None
    settings = read_settings(ExportSettings, config, "export", {"formats": wanted})
    latencies: list[dict[str, float]] = [{}]
    if front is not None:
        loaded = ParetoFront.load(front, opened.space)
        points = list(loaded.points) if everything else [loaded.pick(pick)]
        archs = [point.arch for point in points]
        device = loaded.config.get("origin", {}).get("device", "device")
        latencies = [{device: p.objectives["latency_ms"]} if "latency_ms" in p.objectives else {} for p in points]
    else:
        assert arch is not None
        archs = [_arch(opened.space, arch)]
    supernet, dataset = load_supernet(opened), load_dataset(opened.config["data"]["name"])
    if everything:
        export_all(opened.space, supernet, archs, dataset, out, settings, force=force, latency_ms=latencies)
        print(f"{out}: {len(archs)} networks, each with its report.json")
        return
    report = write(opened.space, supernet, archs[0], dataset, out, settings, force=force, latency_ms=latencies[0])
    for name, found in report["formats"].items():
        print(
            f"{out / found['file']}: {name}, accuracy {found['accuracy_after']:.1%}, "
            f"differs from the supernet by {found['max_difference']:.1e} at most"
        )


@app.command()
def plot(
    files: Annotated[list[Path], typer.Argument(help="front.json files to compare, or one arch file to draw.")],
    out: Annotated[Path, typer.Option(help="Picture to write, .png or .svg.")] = Path("front.png"),
    title: Annotated[str, typer.Option(help="Above the picture.")] = "",
    space: Annotated[
        str | None, typer.Option(help="File of the space, when an arch is of a space of your own.")
    ] = None,
) -> None:
    """Draw Pareto fronts, or the layers of one arch.

    Example: vitnas plot run/search-cpu/front.json
    """
    from vitnas.nas.pareto import ParetoFront
    from vitnas.reporting.pareto_plot import plot_fronts

    data = read_json(files[0])
    if len(files) == 1 and isinstance(data, dict) and set(data) == {"space", "genes"}:
        from vitnas.reporting.diagram import draw_blueprint
        from vitnas.search_spaces import Arch, load_space

        arch = Arch.from_json(data)
        found = load_space(space or arch.space)
        draw_blueprint(found.lower(found.check(arch)), [out], title or str(arch.id))
    else:
        names = [path.stem if len(files) == 1 else str(path.parent) for path in files]
        tables = {name: path.with_name("evaluations.parquet") for name, path in zip(names, files, strict=True)}
        plot_fronts(
            {name: ParetoFront.load(path) for name, path in zip(names, files, strict=True)},
            [out],
            evaluated={name: table for name, table in tables.items() if table.is_file()},
            title=title,
        )
    print(out)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of everything that the demo makes.")] = Path("demo"),
    workers: Annotated[int, typer.Option(min=1, help="Ray workers that evaluate.")] = 2,
) -> None:
    """Walk the whole way on handwritten digits.

    Interrupted, it goes on where it stopped. Example: vitnas demo --out demo
    """
    from vitnas.demo import run_demo

    run_demo(out, workers)


def _space(name: str, image_size: int | None, classes: int | None, channels: int | None) -> SearchSpace:
    from dataclasses import replace

    from vitnas.search_spaces import load_space

    space = load_space(name)
    given = {"image_size": image_size, "num_classes": classes, "in_channels": channels}
    for key, value in given.items():
        if value is not None and value < 1:
            raise SettingsError(f"{key} = {value}: must be at least 1")
    changes = {key: value for key, value in given.items() if value is not None}
    task: Task = replace(space.task, **changes)
    return load_space(name, task) if changes else space


def _arch(space: SearchSpace, text: str) -> Arch:
    """An arch from a file, or a published one by its name."""
    from vitnas.search_spaces import Arch

    if text in space.published():
        return space.named(text)
    path = Path(text)
    if not path.is_file():
        names = ", ".join(space.published()) or "none"
        raise InvalidArchError(f"--arch {text}: no such file, and no published arch of '{space.name}' (have {names})")
    return space.check(Arch.from_json(read_json(path)))


def _emit(data: Any, as_json: bool, show: Any) -> None:
    if as_json:
        print(json.dumps(data, indent=2))
    else:
        show(data)


if __name__ == "__main__":
    main()
