"""Files that vitnas did not write, in and around every folder that it writes to, and whether they are still there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from problems.malformed import RUN

NAME = "thesis.txt"
TEXT = "the only copy of a thesis\n"
FOLDERS = (
    ".",
    "runs",
    RUN,
    f"{RUN}/checkpoints",
    f"{RUN}/latency",
    f"{RUN}/search-phone",
    f"{RUN}/predictor",
    "photos",
)
"""Not the folders of exports and bundles: with files of others in them they are refused, which is another case."""


@dataclass(frozen=True)
class Canaries:
    """Files of somebody else, with what is in them."""

    content: dict[Path, bytes]

    @classmethod
    def plant(cls, scene: Path, folders: tuple[str, ...] = FOLDERS) -> Canaries:
        for folder in folders:
            if (scene / folder).is_dir():
                (scene / folder / NAME).write_text(TEXT)
        return cls.of(*(scene / folder / NAME for folder in folders if (scene / folder).is_dir()))

    @classmethod
    def of(cls, *files: Path) -> Canaries:
        return cls({file: file.read_bytes() for file in files})

    def lost(self) -> list[str]:
        """Those that are gone or hold something else."""
        return [str(path) for path, content in self.content.items() if not _holds(path, content)]


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
