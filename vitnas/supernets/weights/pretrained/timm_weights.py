"""The state dict of a timm model, read piece by piece; nothing may be missing and nothing left over."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from torch import Tensor

from vitnas.errors import CheckpointError

DERIVED = ("attention_bias_idxs", "relative_position_index", "attn_mask")
"""Endings of what timm saves although it follows from the shape."""


class TimmWeights:
    """Tensors by timm's names; remembers which were read."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state = {name: tensor for name, tensor in state.items() if not name.endswith(DERIVED)}
        self._unread = set(self._state)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._state:
            near = difflib.get_close_matches(name, self._state, n=1)
            raise CheckpointError(
                f"the pretrained weights have no '{name}', so they are of another architecture; choose the arch of the "
                f"model.{f' Nearest of theirs: {near[0]!r}' if near else ''}"
            )
        self._unread.discard(name)
        return self._state[name]

    def __contains__(self, name: str) -> bool:
        return name in self._state

    def modules(self, names: Mapping[str, str]) -> dict[str, Tensor]:
        """All tensors of some modules: ``{our name: timm's name}``, parts below them included."""
        found = {}
        for ours, theirs in names.items():
            leaves = [name for name in self._state if name.startswith(f"{theirs}.")]
            for name in leaves or [f"{theirs}.weight"]:  # the second is missing as well, and says so
                found[ours + name.removeprefix(theirs)] = self[name]
        return found

    def require_all_read(self) -> None:
        if self._unread:
            raise CheckpointError(
                f"the pretrained weights hold {len(self._unread)} tensors that the architecture has no place for, such as "
                f"'{min(self._unread)}'; choose the arch of the model, or drop what it adds to it"
            )
