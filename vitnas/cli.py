"""The command line: one file a command in `vitnas.commands`, put together here."""

from __future__ import annotations

from vitnas import interruption

if __name__ == "__main__":
    interruption.watch()  # before the imports below, which take a moment

import inspect
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from vitnas import __version__, extras
from vitnas.commands.auto import auto
from vitnas.commands.cascade import cascade
from vitnas.commands.compare import compare
from vitnas.commands.count import count
from vitnas.commands.dashboard import dashboard
from vitnas.commands.demo import demo
from vitnas.commands.devices import devices
from vitnas.commands.doctor import doctor
from vitnas.commands.estimate import estimate
from vitnas.commands.evaluate import evaluate
from vitnas.commands.exits import exits
from vitnas.commands.export import export
from vitnas.commands.family import family
from vitnas.commands.fuse import fuse
from vitnas.commands.grow import grow
from vitnas.commands.plot import plot
from vitnas.commands.predictor import predictor_app
from vitnas.commands.profile import profile
from vitnas.commands.prune import prune
from vitnas.commands.report import report
from vitnas.commands.score import score
from vitnas.commands.search import search
from vitnas.commands.spaces import spaces_app
from vitnas.commands.teach import teach
from vitnas.commands.train_supernet import train_supernet
from vitnas.commands.try_export import try_
from vitnas.commands.verify import verify
from vitnas.commands.with_settings import with_flags
from vitnas.errors import VitnasError
from vitnas.files import describe_trouble, disk_trouble
from vitnas.interruption import Stopped

COMMANDS: dict[str, Callable[..., Any]] = {
    command.__name__.rstrip("_").replace("_", "-"): command
    for command in (
        demo,
        auto,
        train_supernet,
        evaluate,
        teach,
        devices,
        profile,
        estimate,
        count,
        score,
        grow,
        search,
        family,
        prune,
        fuse,
        exits,
        cascade,
        export,
        verify,
        try_,
        plot,
        report,
        compare,
        dashboard,
        doctor,
    )
}
GROUPS = {"spaces": spaces_app, "predictor": predictor_app}


def make_app(*named: str) -> typer.Typer:
    """The command line with the parameters of the commands that are named; of the others, to be fast, only what they do."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help="Search vision transformers for your device: train one supernet, profile the device, search, export.",
        epilog="Start with: vitnas demo",
    )
    app.callback()(_options)
    for name, command in COMMANDS.items():
        if name in named:
            app.command(name)(with_flags(command))
        else:
            app.command(name, help=inspect.getdoc(command))(_not_named)
    for name, group in GROUPS.items():
        if name in named:
            app.add_typer(group, name=name)
        else:
            app.command(name, help=group.info.help)(_not_named)
    return app


def __getattr__(name: str) -> Any:
    """`app` is the whole command line."""
    if name == "app":
        return make_app(*COMMANDS, *GROUPS)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def _not_named() -> None:
    raise AssertionError("a command that runs is named")


def main() -> None:
    """Runs a command; an error of vitnas or of the disk becomes a message and exit code 2, a signal a line and 128 + its number."""
    try:
        try:
            words = [word for word in sys.argv[1:] if not word.startswith("-")]
            completing = "_VITNAS_COMPLETE" in os.environ
            make_app(*((*COMMANDS, *GROUPS) if completing else words[:1]))()
        finally:
            interruption.end()
    except Stopped as stop:
        print(stop, file=sys.stderr)
        raise SystemExit(stop.code) from None
    except VitnasError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except ModuleNotFoundError as error:
        if (needed := extras.missing(error)) is None:
            raise
        print(f"error: {needed}", file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        number = disk_trouble(error)
        if number is None and (behind := interruption.behind(error)) is not None:
            print(behind, file=sys.stderr)
            raise SystemExit(behind.code) from None
        if number is None:
            raise
        place = getattr(error, "filename", None)
        print(f"error: {describe_trouble(number, place)}", file=sys.stderr)
        raise SystemExit(2) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"vitnas {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


if __name__ == "__main__":
    main()
