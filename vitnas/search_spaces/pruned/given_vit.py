"""GivenViT: plain vision transformers as people have them, with what sets one family of them apart from another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vitnas.errors import SpaceError
from vitnas.image_size import in_short, settled
from vitnas.search_spaces.blueprint import Blueprint, LayerSpec, Scalar
from vitnas.search_spaces.space import Task


@dataclass(frozen=True)
class GivenViT:
    """Patches, perhaps a class token and registers, blocks of attention and FFN, one classifier.

    Attributes:
        name: how people call it.
        task: what it was made for.
        width: channels of every token.
        depth: number of blocks.
        heads: attention heads of a block, which share its width.
        hidden: FFN width.
        patch: side of a patch.
        pool: "class" reads the class token, "mean" averages the patches, "attention" reads all with a learned query.
        class_token: whether there is one.
        registers: learned tokens between class token and patches, which no classifier reads.
        pool_first: whether tokens are pooled before the last norm.
        norm_first: whether all tokens are normalised before the first block.
        norm: the norm of all layers.
        act: the activation of the FFNs.
        rotary: whether attention turns queries and keys by the places of their patches; then nothing else has a position.
    """

    name: str
    task: Task
    width: int
    depth: int
    heads: int
    hidden: int
    patch: int
    pool: Literal["class", "mean", "attention"] = "class"
    class_token: bool = True
    registers: int = 0
    pool_first: bool = False
    norm_first: bool = False
    norm: Literal["layer", "layer-1e-6"] = "layer-1e-6"
    act: Literal["gelu", "gelu-tanh", "quick-gelu"] = "gelu"
    rotary: bool = False
    family: str = field(default="deit", init=False)
    arch: None = field(default=None, init=False)

    def blueprint(self, task: Task) -> Blueprint:
        odd = any(side % self.patch for side in task.sides) and task.sides != self.task.sides
        if odd or min(task.sides) < self.patch:  # of a rest at its own size nothing is seen, as published
            nearest = settled(
                [max(1, round(side / self.patch)) * self.patch for side in task.sides], "the nearest size"
            )
            raise SpaceError(
                f"network '{self.name}': image size {in_short(task.image_size)} is not a multiple of its patch size {self.patch}; "
                f"the nearest that is: {in_short(nearest)}"
            )
        if self.rotary and not isinstance(task.image_size, int):
            raise SpaceError(
                f"network '{self.name}' turns queries and keys by their places in a square, and images of "
                f"{in_short(task.image_size)} are none; give one side"
            )
        leading, (height, width) = self.class_token + self.registers, task.sides
        shape = leading + (height // self.patch) * (width // self.patch), self.width
        stem = LayerSpec.of("patch_embedding", task.image_shape, shape, patch=self.patch, **self._stem_attrs)
        layers = {"stem": stem}
        for i in range(self.depth):
            layers[f"block{i}_attention"] = self._attention(shape)
            layers[f"block{i}_ffn"] = LayerSpec.of("feed_forward", shape, shape, hidden=self.hidden, **self._ffn_attrs)
        layers["head"] = self._head(shape, task.num_classes)
        return Blueprint(tuple(layers), tuple(layers.values()))

    def _attention(self, shape: tuple[int, int]) -> LayerSpec:
        full = self.width // self.heads
        widths = {"head_width": full, "key_width": full, "value_width": full}
        if self.rotary:
            widths["leading"] = self.class_token + self.registers
        kind = "rotary_attention" if self.rotary else "slim_attention"
        return LayerSpec.of(kind, shape, shape, heads=self.heads, **widths, **self._norm_attrs)

    def _head(self, shape: tuple[int, int], classes: int) -> LayerSpec:
        if self.pool == "attention":
            split = {"heads": self.heads, "head_width": self.width // self.heads, "hidden": self.hidden}
            return LayerSpec.of("attention_classifier", shape, (classes,), **split, **self._ffn_attrs)
        leading = _other(registers=(self.registers, 0), class_token=(self.class_token, True))
        read = _other(pool_first=(self.pool_first, False)) | self._norm_attrs
        return LayerSpec.of("classifier", shape, (classes,), pool=self.pool, **leading, **read)

    @property
    def _stem_attrs(self) -> dict[str, Scalar]:
        norm = {"norm": self.norm} if self.norm_first else {}
        leading = {"registers": (self.registers, 0), "class_token": (self.class_token, True)}
        return _other(**leading, positions=(not self.rotary, True)) | norm

    @property
    def _ffn_attrs(self) -> dict[str, Scalar]:
        return _other(act=(self.act, "gelu")) | self._norm_attrs

    @property
    def _norm_attrs(self) -> dict[str, Scalar]:
        return _other(norm=(self.norm, "layer-1e-6"))


def _other(**values: tuple[Scalar, Scalar]) -> dict[str, Scalar]:
    """Those that are not the default, which comes second: layers without them are those of other spaces."""
    return {name: value for name, (value, default) in values.items() if value != default}
