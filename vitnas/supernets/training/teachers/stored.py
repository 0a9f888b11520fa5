"""A teacher's answers on disk: asked once on the very images that a training will see, read back at every step.

    FOLDER/
      teacher.json                  what the answers depend on
      steps-00000000.safetensors    those of steps 0 ... 255; the next file begins with step 256

A file of S steps with B images each holds `values` fp16 (S, B, K), `classes` int16 or int32 (S, B, K), `seeds` int64
(S, B) and `batch_seeds` int64 (S,); its metadata a hash of the tensors and of teacher.json. Files can be mapped into
memory; each is written as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vitnas.errors import CheckpointError, DataError
from vitnas.files import read_json, write_bytes, write_json
from vitnas.supernets.training.teachers.terms import Terms

FORMAT = {"format": "vitnas teacher answers", "version": 1}
STEPS_PER_FILE = 256
HEADER = "teacher.json"


@dataclass(frozen=True)
class StoredAnswers:
    """A folder of stored answers.

    Attributes:
        folder: where they lie.
        teacher: who gave them, as `load_teacher` names it.
        top_k: probabilities kept of each.
        terms: what they hold for.
    """

    folder: Path
    teacher: str
    top_k: int
    terms: Terms

    @classmethod
    def open(cls, folder: Path) -> StoredAnswers:
        header = read_json(folder / HEADER)
        if not isinstance(header, dict) or {key: header.get(key) for key in FORMAT} != FORMAT:
            raise DataError(
                f"'{folder / HEADER}' is not of format {FORMAT}; write the answers anew with `vitnas teach`"
            )
        try:
            return cls(folder, header["teacher"], header["top_k"], Terms(**header["terms"]))
        except (KeyError, TypeError) as error:
            raise DataError(
                f"'{folder / HEADER}' lacks an entry ({error}); write the answers anew with `vitnas teach`"
            ) from None

    def to_json(self) -> dict[str, Any]:
        return {**FORMAT, "teacher": self.teacher, "top_k": self.top_k, "terms": asdict(self.terms)}

    def write_header(self) -> None:
        write_json(self.folder / HEADER, self.to_json())

    def file(self, step: int) -> Path:
        """The file that holds a step."""
        return self.folder / f"steps-{step - step % STEPS_PER_FILE:08d}.safetensors"

    def write(self, first: int, tensors: Mapping[str, Tensor]) -> None:
        """Writes the file that begins with step `first`."""
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        metadata = {"sha256": self._digest(whole)}  # one entry, since the order of several is not kept
        write_bytes(
            self.file(first), save(whole, metadata), "what was written is kept, and `vitnas teach` goes on from it"
        )

    def read(self, step: int) -> dict[str, Tensor]:
        """The file that holds a step, mapped into memory; refuses one that is missing, damaged or of other answers."""
        path = self.file(step)
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            raise CheckpointError(f"'{path}' does not exist; let `vitnas teach` go on") from None
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"'{path}' cannot be read ({error}); delete it and let `vitnas teach` go on"
            ) from None
        if metadata.get("sha256") != self._digest(tensors):
            raise CheckpointError(
                f"'{path}' is not what was written for '{self.folder / HEADER}'; delete it and let `vitnas teach` go on"
            )
        return tensors

    def steps_in(self, first: int) -> int:
        """Steps in the file that begins with step `first`; none if it must be written anew."""
        try:
            return len(self.read(first)["batch_seeds"])
        except CheckpointError:
            return 0

    def _digest(self, tensors: Mapping[str, Tensor]) -> str:
        digest = hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode())
        for name in sorted(tensors):
            digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
            digest.update(tensors[name].numpy().data)
        return digest.hexdigest()
