"""The program: what `vitnas` and `python -m vitnas` start."""

from __future__ import annotations

from vitnas import interruption


def main() -> None:
    """Runs the command line, and ends well on signals, also on those that come while it is loaded."""
    interruption.watch()
    from vitnas.cli import main

    main()


if __name__ == "__main__":
    main()
