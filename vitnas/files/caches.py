"""Where things lie that can be made again."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """``VITNAS_CACHE``, or a folder where this system keeps what can be made again."""
    if given := os.environ.get("VITNAS_CACHE"):
        return Path(given).expanduser()
    try:
        return user_cache_path("vitnas", appauthor=False)
    except RuntimeError:  # an account without a home; the folder cannot be written, and nothing is kept
        return Path(os.devnull) / "vitnas"
