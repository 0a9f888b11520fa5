"""Once-for-All's latency tables of its MobileNetV3 space: YAML, a file a resolution, or all of them in one JSON.

A row is named by what it does, such as
``expanded_conv-input:56x56x32-output:28x28x48-expand:128-kernel:5-stride:2-idskip:0-se:1-hs:0``, shapes being height x
width x channels. vitnas has no space of these networks, so the file gives a look-up of its own, `OFATable`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DeviceError
from vitnas.files import read_json
from vitnas.latency_lut.importers.foreign import ForeignTable, milliseconds
from vitnas.latency_lut.protocol import Timing

SHAPE = r"\d+(?:x\d+)*"
KEY = re.compile(
    rf"(?P<kind>\w+)-input:(?P<input>{SHAPE})-output:(?P<output>{SHAPE})"
    r"(?:-expand:(?P<expand>\d+)-kernel:(?P<kernel>\d+)-stride:(?P<stride>\d+)"
    r"-idskip:(?P<idskip>[01])(?:-se:(?P<se>[01])-hs:(?P<hs>[01]))?)?"
)
COLUMNS = ["mean_ms", "std_ms", "count"]

STEM, WIDTHS, STRIDES = 24, (32, 48, 96, 136, 192), (2, 2, 2, 1, 2)
SQUEEZE, HARD_SWISH = (0, 1, 0, 1, 1), (0, 0, 1, 1, 1)
LAST, FEATURES, CLASSES = 1152, 1536, 1000
KERNELS, EXPANSIONS, DEPTHS = (3, 5, 7), (3, 4, 6), (2, 3, 4)
STAGES, PLACES = len(WIDTHS), max(DEPTHS)

Block = tuple[int, int]
"""Expansion and kernel."""


@dataclass(frozen=True)
class OFATable:
    """Milliseconds of Once-for-All's MobileNetV3 networks, of width 1.2, on the device of the table.

    Attributes:
        rows: for each resolution, mean milliseconds by the name of the row.
        where: the file.
    """

    rows: Mapping[int, Mapping[str, float]]
    where: str = "Once-for-All's table"

    @classmethod
    def read(cls, path: Path) -> OFATable:
        """From a JSON file of all resolutions, a YAML file of one, or a folder of those."""
        foreign = read_ofa(path)
        rows: dict[int, dict[str, float]] = {}
        for name, timing in foreign.rows.items():
            resolution, _, key = name.partition("/")
            rows.setdefault(int(resolution), {})[key] = timing.median_ms
        return cls(rows, foreign.where)

    @property
    def resolutions(self) -> tuple[int, ...]:
        return tuple(sorted(self.rows))

    def latency_ms(self, resolution: int, stages: Sequence[Sequence[Block]]) -> float:
        """The latency of one network.

        Args:
            resolution: the side of its images.
            stages: for each of the five stages its blocks, 2 to 4, as (expansion, kernel).
        """
        if len(stages) != STAGES or not all(len(stage) in DEPTHS for stage in stages):
            raise DeviceError(
                f"a network of Once-for-All has {STAGES} stages of {DEPTHS[0]} to {DEPTHS[-1]} blocks, "
                f"got {[len(stage) for stage in stages]}"
            )
        total = self._once_ms(resolution)
        for stage, blocks in enumerate(stages):
            for place, (expansion, kernel) in enumerate(blocks):
                total += self._block_ms(resolution, stage, place, expansion, kernel)
        return total

    def population_ms(
        self,
        resolutions: NDArray[np.int64],
        depths: NDArray[np.int64],
        expansions: NDArray[np.int64],
        kernels: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Latencies of n networks by look-up.

        Args:
            resolutions: ``(n,)`` image sides.
            depths: ``(n, 5)`` blocks of every stage.
            expansions: ``(n, 20)`` four places a stage; those beyond the depth are left aside.
            kernels: ``(n, 20)`` likewise.
        """
        once, blocks = self._arrays
        at = np.searchsorted(self.resolutions, resolutions)
        choice = _POSITION[expansions] * len(KERNELS) + _POSITION[kernels]
        found: NDArray[np.float64] = once[at]
        for place in range(STAGES * PLACES):
            there = depths[:, place // PLACES] > place % PLACES
            found += np.where(there, blocks[place].take(at * blocks.shape[2] + choice[:, place]), 0.0)
        return found

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What every network pays at each resolution, and ``(places, resolutions, choices)`` of blocks."""
        once = np.array([self._once_ms(r) for r in self.resolutions])
        blocks = [
            [
                [self._block_ms(r, place // PLACES, place % PLACES, e, k) for e in EXPANSIONS for k in KERNELS]
                for r in self.resolutions
            ]
            for place in range(STAGES * PLACES)
        ]
        return once, np.array(blocks)

    def _once_ms(self, resolution: int) -> float:
        """Everything but the blocks."""
        side, last = _side(resolution, 0), _side(resolution, STAGES)
        keys = (
            f"Conv-input:{resolution}x{resolution}x3-output:{side}x{side}x{STEM}",
            f"expanded_conv-input:{side}x{side}x{STEM}-output:{side}x{side}x{STEM}"
            f"-expand:{STEM}-kernel:3-stride:1-idskip:1-se:0-hs:0",
            f"Conv_1-input:{last}x{last}x{WIDTHS[-1]}-output:{last}x{last}x{LAST}",
            f"AvgPool2D-input:{last}x{last}x{LAST}-output:1x1x{LAST}",
            f"Conv_2-input:1x1x{LAST}-output:1x1x{FEATURES}",
            f"Logits-input:1x1x{FEATURES}-output:{CLASSES}",
        )
        return sum(self._row(resolution, key) for key in keys)

    def _block_ms(self, resolution: int, stage: int, place: int, expansion: int, kernel: int) -> float:
        width = WIDTHS[stage]
        came = width if place else WIDTHS[stage - 1] if stage else STEM
        stride = 1 if place else STRIDES[stage]
        side = _side(resolution, stage + bool(place))
        out = _side(resolution, stage + 1)
        return self._row(
            resolution,
            f"expanded_conv-input:{side}x{side}x{came}-output:{out}x{out}x{width}-expand:{round(came * expansion)}"
            f"-kernel:{kernel}-stride:{stride}-idskip:{int(place > 0)}-se:{SQUEEZE[stage]}-hs:{HARD_SWISH[stage]}",
        )

    def _row(self, resolution: int, key: str) -> float:
        if resolution not in self.rows:
            raise DeviceError(f"{self.where} has no resolution {resolution}; it has {list(self.resolutions)}")
        if key not in self.rows[resolution]:
            raise DeviceError(f"{self.where} has no row '{key}' at resolution {resolution}")
        return self.rows[resolution][key]


def read_ofa(path: Path) -> ForeignTable:
    """Rows named ``RESOLUTION/KEY``, from a JSON or YAML file or a folder of YAML files."""
    if path.is_dir():
        files = sorted(path.glob("*.yaml"))
        if not files:
            raise DeviceError(f"folder '{path}' holds no .yaml file; name the folder of Once-for-All's tables")
        found = [read_ofa(file) for file in files]
        return ForeignTable(f"'{path}'", {name: t for table in found for name, t in table.rows.items()})
    by_resolution = _read_yaml(path) if path.suffix in (".yaml", ".yml") else _read_json(path)
    rows: dict[str, Timing] = {}
    for resolution, table in by_resolution.items():
        for key, (mean_ms, std_ms, count) in table.items():
            where = f"'{path}', resolution {resolution}, '{key}'"
            if KEY.fullmatch(key) is None:
                raise DeviceError(f"{where}: not named as Once-for-All names rows: KIND-input:HxWxC-output:HxWxC...")
            mean_ms, std_ms = milliseconds(where, "mean", mean_ms), milliseconds(where, "std", std_ms)
            rows[f"{resolution}/{key}"] = Timing(
                mean_ms,
                1.349 * std_ms,
                max(mean_ms - 2 * std_ms, 0.0),
                mean_ms + 1.282 * std_ms,
                count,
                0.0,
                "imported",
            )
    return ForeignTable(f"'{path}'", rows)


_POSITION = np.zeros(8, dtype=np.int64)
_POSITION[list(EXPANSIONS)] = _POSITION[list(KERNELS)] = range(3)  # 3 is the first of both


class _YamlEntry(msgspec.Struct):
    mean: float
    std: float = 0.0
    count: int = 1


def _read_yaml(path: Path) -> dict[int, dict[str, tuple[float, float, int]]]:
    try:
        entries = msgspec.yaml.decode(path.read_bytes(), type=dict[str, _YamlEntry])  # never executes anything
    except FileNotFoundError:
        raise DeviceError(f"'{path}' does not exist; check the path") from None
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise DeviceError(f"'{path}' is no latency table of Once-for-All: {error}") from None
    stems = [re.fullmatch(r"Conv-input:(\d+)x\1x3-.*", key) for key in entries]
    resolution = next((int(stem[1]) for stem in stems if stem), None)
    if resolution is None:
        raise DeviceError(
            f"'{path}' has no row 'Conv-input:HxWx3-...', so its resolution is not known; take the whole file"
        )
    return {resolution: {key: (entry.mean, entry.std, entry.count) for key, entry in entries.items()}}


def _read_json(path: Path) -> dict[int, dict[str, tuple[float, float, int]]]:
    data: Any = read_json(path)
    try:
        columns, tables = data["columns"], data["resolutions"]
        found = msgspec.convert(tables, dict[str, dict[str, tuple[float, float, int]]])
        by_resolution = {int(resolution): table for resolution, table in found.items()}
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise DeviceError(
            f"'{path}' is no latency table of Once-for-All: {error!r}; it should hold "
            '{"columns": ["mean_ms", "std_ms", "count"], "resolutions": {"224": {KEY: [...]}}}'
        ) from None
    if columns != COLUMNS:
        raise DeviceError(f"'{path}': columns must be {COLUMNS}, in milliseconds, got {columns}")
    return by_resolution


def _side(resolution: int, stage: int) -> int:
    """The side of the maps that come into a stage; after the last, what goes out."""
    side = (resolution + 1) // 2
    for stride in STRIDES[:stage]:
        side = (side - 1) // stride + 1
    return side
