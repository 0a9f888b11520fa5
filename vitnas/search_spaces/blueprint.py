"""LayerSpec and Blueprint: what an architecture is made of, layer by layer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from vitnas.errors import SpaceError
from vitnas.search_spaces.precision import FLOAT

Scalar = int | float | str | bool
Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerSpec:
    """Everything needed to build, count, time and draw one layer.

    Shapes leave out the batch: tokens are ``(T, C)``, maps ``(C, H, W)``, logits ``(K,)``. The precision, a name of a
    `Precision`, says how the layer's products with weights are computed where it runs; its weights are the same at any.
    """

    kind: str
    in_shape: Shape
    out_shape: Shape
    attrs: tuple[tuple[str, Scalar], ...] = ()
    precision: str = FLOAT.name

    @classmethod
    def of(cls, kind: str, in_shape: Sequence[int], out_shape: Sequence[int], **attrs: Scalar) -> LayerSpec:
        return cls(kind, tuple(in_shape), tuple(out_shape), tuple(sorted(attrs.items())))

    def __getitem__(self, name: str) -> Any:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Scalar]:
        return dict(self.attrs)

    @cached_property
    def key(self) -> str:
        """One line that names this layer at this shape, the same on every machine."""
        shapes = ">".join("x".join(map(str, s)) for s in (self.in_shape, self.out_shape))
        precision = [] if self.precision == FLOAT.name else [f"in {self.precision}"]
        return " ".join([self.kind, shapes, *(f"{name}={value}" for name, value in self.attrs), *precision])

    def to_json(self) -> dict[str, Any]:
        precision = {} if self.precision == FLOAT.name else {"precision": self.precision}
        shapes = {"in": list(self.in_shape), "out": list(self.out_shape)}
        return {"kind": self.kind, **shapes, "attrs": dict(self.attrs), **precision}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LayerSpec:
        return cls.of(data["kind"], data["in"], data["out"], **data["attrs"]).at(data.get("precision", FLOAT.name))

    def at(self, precision: str) -> LayerSpec:
        """The same layer at another precision."""
        return self if precision == self.precision else replace(self, precision=precision)

    @classmethod
    def join(cls, specs: Iterable[LayerSpec]) -> LayerSpec:
        """The spec whose weights hold those of all `specs`: every number at its largest, and in float."""
        first, *rest = (spec.at(FLOAT.name) for spec in specs)
        for spec in rest:
            if _form(spec) != _form(first):
                raise SpaceError(
                    f"one site cannot share weights between '{first.key}' and '{spec.key}'; give them two sites"
                )
            attrs = {n: max(v, spec[n]) if isinstance(v, int | float) else v for n, v in first.attrs}
            first = cls.of(
                first.kind,
                [max(pair) for pair in zip(first.in_shape, spec.in_shape, strict=True)],
                [max(pair) for pair in zip(first.out_shape, spec.out_shape, strict=True)],
                **attrs,
            )
        return first


def _form(spec: LayerSpec) -> tuple[object, ...]:
    """What layers that share weights must have in common."""
    return spec.kind, len(spec.in_shape), len(spec.out_shape), [name for name, _ in spec.attrs]


@dataclass(frozen=True)
class Blueprint:
    """The layers of one network in order, each at its site; neighbouring shapes must agree."""

    sites: tuple[str, ...]
    layers: tuple[LayerSpec, ...]

    def __post_init__(self) -> None:
        for here, left, right in zip(self.sites[1:], self.layers, self.layers[1:], strict=False):
            if left.out_shape != right.in_shape:
                raise SpaceError(
                    f"site '{here}' takes {right.in_shape}, but the layer before it gives {left.out_shape}"
                )

    def __iter__(self) -> Iterator[LayerSpec]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def items(self) -> Iterator[tuple[str, LayerSpec]]:
        return zip(self.sites, self.layers, strict=True)

    @property
    def in_shape(self) -> Shape:
        return self.layers[0].in_shape

    @property
    def out_shape(self) -> Shape:
        return self.layers[-1].out_shape

    @classmethod
    def single(cls, spec: LayerSpec) -> Blueprint:
        """One layer alone, as a network."""
        return cls(("layer",), (spec,))

    def to_json(self) -> list[dict[str, Any]]:
        return [{"site": site, **spec.to_json()} for site, spec in self.items()]

    def __str__(self) -> str:
        return json.dumps(self.to_json())
