"""`vitnas doctor`."""

from __future__ import annotations

from vitnas.commands.options import AsJson, emit


def doctor(as_json: AsJson = False) -> None:
    """Look at this machine: versions, cores, GPU, disk, and what each missing extra would add.

    Exit code 2 if something that vitnas needs is missing. Example: vitnas doctor
    """
    import typer

    from vitnas.reporting.terminal.doctor import examine, print_examination

    found = examine()
    emit(found, as_json, print_examination)
    if found["problems"]:
        raise typer.Exit(2)
