"""Hardware-aware neural architecture search for vision transformers.

The public names are those of `__init__.pyi`, which says where each lives. A name is imported on first use, so that
`import vitnas` loads neither torch, ray nor pandas.
"""

import importlib as _importlib
import re as _re
from pathlib import Path as _Path

__version__ = "0.1.0"

_STUB = _Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
_HOMES = {
    name: module for module, name in _re.findall(r"^from (vitnas\.\S+) import (\w+) as \2$", _STUB, _re.MULTILINE)
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vitnas' has no attribute '{name}'")
    found = globals()[name] = getattr(_importlib.import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
