"""What a file may change of a built-in space, and in which form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

from vitnas.errors import SpaceError


def changeable(space: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that hold numbers, words or lists of them, with a value in the form of each."""
    forms = {name: _form_of(space, name) if value == () else value for name, value in values.items()}
    return {name: form for name, form in forms.items() if _is_plain(form)}


def _form_of(space: type, name: str) -> Any:
    """A value of the form that a field takes which holds nothing, such as () for choices of whole numbers."""
    hint = get_type_hints(space)[name]
    own = get_args(hint) if get_origin(hint) is tuple else ()
    return (own[0](),) if own and own[0] in (bool, int, float, str) else ()


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str) or (
        isinstance(value, tuple) and bool(value) and all(_is_plain(v) for v in value)
    )


def in_form_of(old: Any, new: Any, where: str) -> Any:
    """A value of the file in the form of the one that it takes the place of."""
    if isinstance(old, tuple) and isinstance(new, list) and new:
        return tuple(in_form_of(old[0], v, where) for v in new)
    if isinstance(old, float) and type(new) is int:
        return float(new)
    if type(new) is not type(old):
        raise SpaceError(f"{where}: got {new!r}; it takes the form of {list(old) if isinstance(old, tuple) else old!r}")
    return new
