"""The search problem of Once-for-All's tutorial: MobileNetV3 networks, one phone's latency table, one accuracy predictor.

Needs acc_predictor.npz and latency_lut_note10.json in ../shared/data/nas/ofa_note10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitnas.files import read_json
from vitnas.search_spaces import OFF, Codes, SearchSpace
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "nas" / "ofa_note10"
RESOLUTIONS = (160, 176, 192, 208, 224)
KERNELS, EXPANSIONS, DEPTHS = (3, 5, 7), (3, 4, 6), (2, 3, 4)
WIDTHS = (24, 32, 48, 96, 136, 192)
STRIDES = (2, 2, 2, 1, 2)
SQUEEZED = (False, True, False, True, True)
HARD_SWISH = (False, False, True, True, True)
LAST, WIDEST = 1152, 1536
STAGES, BLOCKS = 5, 4


@dataclass(frozen=True, eq=False)
class OnceForAll(SearchSpace):
    """Five stages of two to four blocks, each with its own kernel and expansion, at five resolutions: 1e20 networks.

    It is searched, never built, so it has no sites.
    """

    def genes(self) -> Sequence[Gene]:
        stages = range(1, STAGES + 1)
        return (
            Gene("resolution", RESOLUTIONS),
            *(Gene(f"depth{s}", DEPTHS) for s in stages),
            *(Gene(f"kernel{s}", KERNELS, per=f"depth{s}") for s in stages),
            *(Gene(f"expansion{s}", EXPANSIONS, per=f"depth{s}") for s in stages),
        )

    def sites(self) -> Sequence[Site]:
        return ()


SPACE = OnceForAll("once-for-all")
FIRST_KERNEL = 1 + STAGES
FIRST_EXPANSION = FIRST_KERNEL + STAGES * BLOCKS
EACH_BLOCK = np.arange(STAGES * BLOCKS)


class Latency:
    """Milliseconds of a population on a Galaxy Note10: the sum over its layers."""

    def __init__(self) -> None:
        tables = read_json(FOLDER / "latency_lut_note10.json")["resolutions"]
        self._fixed = np.zeros(len(RESOLUTIONS))
        # The last entry of the axes of kernels and expansions answers -1: no block, no time.
        self._blocks = np.zeros((len(RESOLUTIONS), STAGES * BLOCKS, len(KERNELS) + 1, len(EXPANSIONS) + 1))
        for r, side in enumerate(RESOLUTIONS):
            self._read(r, side, {key: float(row[0]) for key, row in tables[str(side)].items()})

    def _read(self, r: int, image: int, ms: dict[str, float]) -> None:
        side = image // 2
        small = -(-image // 32)
        self._fixed[r] = (
            ms[f"Conv-input:{image}x{image}x3-output:{side}x{side}x{WIDTHS[0]}"]
            + ms[_block(side, side, WIDTHS[0], WIDTHS[0], WIDTHS[0], 3, 1, False, False)]
            + ms[f"Conv_1-input:{small}x{small}x{WIDTHS[-1]}-output:{small}x{small}x{LAST}"]
            + ms[f"AvgPool2D-input:{small}x{small}x{LAST}-output:1x1x{LAST}"]
            + ms[f"Conv_2-input:1x1x{LAST}-output:1x1x{WIDEST}"]
            + ms[f"Logits-input:1x1x{WIDEST}-output:1000"]
        )
        for stage in range(STAGES):
            for block in range(BLOCKS):
                width = WIDTHS[stage] if block == 0 else WIDTHS[stage + 1]
                stride = STRIDES[stage] if block == 0 else 1
                for k, kernel in enumerate(KERNELS):
                    for e, expansion in enumerate(EXPANSIONS):
                        self._blocks[r, stage * BLOCKS + block, k, e] = ms[
                            _block(
                                side,
                                -(-side // stride),
                                width,
                                WIDTHS[stage + 1],
                                width * expansion,
                                kernel,
                                stride,
                                SQUEEZED[stage],
                                HARD_SWISH[stage],
                                block > 0,
                            )
                        ]
                side = -(-side // stride)

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        r = codes[:, 0]
        kernels, expansions = codes[:, FIRST_KERNEL:FIRST_EXPANSION], codes[:, FIRST_EXPANSION:]
        found: NDArray[np.float64] = self._fixed[r] + self._blocks[r[:, None], EACH_BLOCK, kernels, expansions].sum(1)
        return found


class Accuracy:
    """Predicted top-1, in 0..1, by the published network of 128-400-400-400-1."""

    def __init__(self) -> None:
        with np.load(FOLDER / "acc_predictor.npz") as weights:
            self._layers = [(weights[f"{i}_weight"].T.copy(), weights[f"{i}_bias"]) for i in (0, 2, 4, 6)]

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        x = np.zeros((len(codes), 128), dtype=np.float32)
        # Twenty blocks of three kernels, twenty of three expansions, eight resolutions from 112 on.
        row, place = np.nonzero(codes[:, FIRST_KERNEL:] != OFF)
        x[row, 3 * place + codes[row, FIRST_KERNEL + place]] = 1
        x[np.arange(len(codes)), 120 + (np.array(RESOLUTIONS)[codes[:, 0]] - 112) // 16] = 1
        for weight, bias in self._layers[:-1]:
            x = np.maximum(x @ weight + bias, 0)
        weight, bias = self._layers[-1]
        return np.asarray((x @ weight + bias)[:, 0], dtype=np.float64)


def _block(
    side: int,
    out: int,
    width: int,
    wider: int,
    inner: int,
    kernel: int,
    stride: int,
    squeezed: bool,
    hard_swish: bool,
    skips: bool = True,
) -> str:
    return (
        f"expanded_conv-input:{side}x{side}x{width}-output:{out}x{out}x{wider}-expand:{inner}-kernel:{kernel}"
        f"-stride:{stride}-idskip:{skips:d}-se:{squeezed:d}-hs:{hard_swish:d}"
    )
