"""Attributes: what a kind of layer is told beside its shapes, declared once with types, bounds and meanings."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Literal, NamedTuple, Self

from msgspec import Meta

from vitnas.errors import SpaceError, suggest
from vitnas.search_spaces import LayerSpec
from vitnas.settings import Kind, about, declared

# What several kinds are told. A kind that means something else annotates its own: the last description counts.
Activation = Annotated[Literal["gelu", "hardswish", "relu", "silu"], about("the activation")]
HeadWidth = Annotated[int, about("channels of one head", ge=1)]
Heads = Annotated[int, about("attention heads", ge=1)]
Hidden = Annotated[int, about("channels between expansion and reduction", ge=1)]
Leading = Annotated[int, about("tokens before the patches, the class token among them", ge=0)]
TokenNorm = Annotated[Literal["layer", "layer-1e-6"], about("the norm over channels, with epsilon 1e-5 or 1e-6")]
KeyWidth = Annotated[int, about("channels of one head's queries and keys", ge=1)]
Numbers = Annotated[str, Meta(pattern=r"^[1-9][0-9]*(\.[1-9][0-9]*)*$", examples=["7.3.3"])]
OddKernel = Annotated[int, about("side of the kernel", ge=1, extra={"odd": True})]
Rank = Annotated[int, about("the rank that a weight has at most", ge=1)]
Reduction = Annotated[int, about("how many times fewer rows and columns of keys and values", ge=1)]
Squeeze = Annotated[int, about("channels inside the squeeze-and-excitation", ge=1)]
Stride = Annotated[int, about("2 halves the map", ge=1, le=2)]
ValueWidth = Annotated[int, about("channels of one head's values", ge=1)]
Window = Annotated[int, about("side of the windows, which divide the map", ge=1)]


class Declared(NamedTuple):
    """One attribute as a kind of layer declares it; `default` is None where it must be given."""

    kind: Kind
    default: int | str | bool | None


@dataclass(frozen=True)
class Attributes:
    """The attributes of one layer. A kind lists its own in a frozen dataclass `Attrs` inside its class."""

    @classmethod
    def of(cls, spec: LayerSpec) -> Self:
        """Those of a spec; a missing, unknown or unfit one is refused."""
        known, given = declared_by(cls), dict(spec.attrs)
        where = f"layer kind '{spec.kind}'"
        for name, value in given.items():
            if name not in known:
                remedy = suggest(name, known) if known else "it takes none"
                raise SpaceError(f"{where} has no attribute '{name}'; {remedy}")
            if not known[name].kind.fits(value):
                raise SpaceError(f"{where}: {name} must be {known[name].kind.wanted}, got {value!r}{_remedy(value)}")
        for name, attribute in known.items():
            if name not in given and attribute.default is None:
                told = ", ".join(given) or "none"
                raise SpaceError(f"{where} needs the attribute '{name}', {attribute.kind.wanted}; given: {told}")
        return cls(**given)


def declared_by(cls: type[Attributes]) -> dict[str, Declared]:
    """The attributes that a class declares, by name."""
    defaults = {field.name: None if field.default is MISSING else field.default for field in fields(cls)}
    return {name: Declared(kind, defaults[name]) for name, kind in declared(cls).items()}


def _remedy(value: object) -> str:
    """How a number that is none came about."""
    return "; write // for a division without a rest" if isinstance(value, float) and value.is_integer() else ""
