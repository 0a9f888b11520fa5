"""Attributes: what a kind of layer is told beside its shapes, declared once with types, bounds and meanings."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from vitnas.errors import SpaceError, suggest
from vitnas.search_spaces import LayerSpec

# What several kinds are told. A kind that means something else annotates its own: the last description counts.
Activation = Annotated[Literal["gelu", "hardswish", "relu", "silu"], Meta(description="the activation")]
Count = Annotated[int, Meta(ge=1)]
CountOrNone = Annotated[int, Meta(ge=0)]
HeadWidth = Annotated[int, Meta(ge=1, description="channels of one head")]
Heads = Annotated[int, Meta(ge=1, description="attention heads")]
Hidden = Annotated[int, Meta(ge=1, description="channels between expansion and reduction")]
KeyWidth = Annotated[int, Meta(ge=1, description="channels of one head's queries and keys")]
Numbers = Annotated[str, Meta(pattern=r"^[1-9][0-9]*(\.[1-9][0-9]*)*$", examples=["7.3.3"])]
OddKernel = Annotated[int, Meta(ge=1, description="side of the kernel", extra={"odd": True})]
Reduction = Annotated[int, Meta(ge=1, description="how many times fewer rows and columns of keys and values")]
Squeeze = Annotated[int, Meta(ge=1, description="channels inside the squeeze-and-excitation")]
Stride = Annotated[int, Meta(ge=1, le=2, description="2 halves the map")]
ValueWidth = Annotated[int, Meta(ge=1, description="channels of one head's values")]
Window = Annotated[int, Meta(ge=1, description="side of the windows, which divide the map")]


class Declared(NamedTuple):
    """One attribute as a kind declares it; `default` is None where it must be given."""

    kind: Any
    rule: str
    meaning: str
    default: int | str | bool | None


@dataclass(frozen=True)
class Attributes:
    """The attributes of one layer. A kind lists its own in a frozen dataclass `Attrs` inside its class."""

    @classmethod
    def of(cls, spec: LayerSpec) -> Self:
        """Those of a spec; a missing, unknown or unfit one is refused."""
        declared, given = declared_by(cls), dict(spec.attrs)
        where = f"layer kind '{spec.kind}'"
        for name, value in given.items():
            if name not in declared:
                remedy = suggest(name, declared) if declared else "it takes none"
                raise SpaceError(f"{where} has no attribute '{name}'; {remedy}")
            if not _fits(value, declared[name].kind):
                raise SpaceError(f"{where}: {name} must be {declared[name].rule}, got {value!r}{_remedy(value)}")
        for name, attribute in declared.items():
            if name not in given and attribute.default is None:
                told = ", ".join(given) or "none"
                raise SpaceError(f"{where} needs the attribute '{name}', {attribute.rule}; given: {told}")
        return cls(**given)


def declared_by(cls: type[Attributes]) -> dict[str, Declared]:
    """The attributes that a class declares, by name."""
    key: Any = cls  # mypy takes the hash of instances for that of the class
    found: dict[str, Declared] = _declared_by(key)
    return found


@cache
def _declared_by(cls: type[Attributes]) -> dict[str, Declared]:
    kinds = get_type_hints(cls, include_extras=True)
    found = {}
    for field in fields(cls):
        kind = kinds[field.name]
        meaning = next((meta.description for meta in reversed(_metas(kind)) if meta.description), "")
        default = None if field.default is MISSING else field.default
        found[field.name] = Declared(kind, _rule(kind), meaning, default)
    return found


def _metas(kind: Any) -> tuple[Meta, ...]:
    return tuple(meta for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, Meta))


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _odd(kind: Any) -> bool:
    return any((meta.extra or {}).get("odd", False) for meta in _metas(kind))


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return not (_odd(kind) and isinstance(value, int) and value % 2 == 0)


def _rule(kind: Any) -> str:
    plain, metas = _plain(kind), _metas(kind)
    if plain is bool:
        return "true or false"
    if get_origin(plain) is Literal:
        return f"one of {', '.join(map(str, get_args(plain)))}"
    if plain is str:
        example = next((meta.examples[0] for meta in metas if meta.examples), None)
        return f"text such as '{example}'" if example else "text"
    lowest, highest, divisor = (_bound(metas, name) for name in ("ge", "le", "multiple_of"))
    number = "an odd whole number" if _odd(kind) else "a whole number"
    reach = "" if lowest is None else f" of at least {lowest}" if highest is None else f" from {lowest} to {highest}"
    return number + reach + ("" if divisor is None else f" and a multiple of {divisor}")


def _bound(metas: tuple[Meta, ...], name: str) -> int | None:
    return next((bound for meta in reversed(metas) if (bound := getattr(meta, name)) is not None), None)


def _remedy(value: object) -> str:
    """How a number that is none came about."""
    return "; write // for a division without a rest" if isinstance(value, float) and value.is_integer() else ""
