"""A search space from a Python file: its function `space(task)`, executed."""

from __future__ import annotations

import hashlib
import inspect
import linecache
import sys
import traceback
import types
from typing import Any

from vitnas.errors import SpaceError, VitnasError
from vitnas.search_spaces.space import SearchSpace, Source, Task

RULE = "the file must define one function `space(task: Task = Task(...)) -> SearchSpace`"


def space_from_python(file: Source, task: Task | None) -> SearchSpace:
    """The space of a file for a task, or for the default of its function's `task`."""
    module = types.ModuleType("own_space_" + hashlib.sha256((file.name + file.text).encode()).hexdigest()[:16])
    module.__file__ = file.name
    sys.modules[module.__name__] = module  # dataclasses look their annotations up there
    linecache.cache[file.name] = (len(file.text), None, file.text.splitlines(keepends=True), file.name)
    try:
        exec(compile(file.text, file.name, "exec"), module.__dict__)
        make: Any = getattr(module, "space", None)
        if not inspect.isfunction(make):
            have = [n for n, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module.__name__]
            raise SpaceError(f"{file.name}: {RULE}; its functions are {have}")
        parameters = inspect.signature(make).parameters
        if len(parameters) != 1:
            raise SpaceError(f"{file.name}: {RULE}; its function takes ({', '.join(parameters)})")
        default = next(iter(parameters.values())).default
        made = make(task or (default if isinstance(default, Task) else Task()))
        if not isinstance(made, SearchSpace):
            raise SpaceError(f"{file.name}: {RULE}; its function returned {type(made).__name__}")
        made.lowering  # noqa: B018  genes and sites are the file's code as well
    except VitnasError as error:
        raise SpaceError(str(error) if str(error).startswith(file.name) else f"{file.name}: {error}") from None
    except (Exception, SystemExit) as error:
        raise SpaceError(f"{file.name}{_line(file, error)}: {type(error).__name__}: {error}") from None
    return made


def _line(file: Source, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file.name]
    return f", line {lines[-1]}" if lines else ""
