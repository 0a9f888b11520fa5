"""Networks of which some layers multiply integers: files for measuring, and the proof of what runs in integers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from vitnas.errors import DeviceError
from vitnas.latency_lut.runtimes.onnx import BlueprintFiles
from vitnas.latency_lut.runtimes.quantise import quantise
from vitnas.search_spaces import FLOAT, Blueprint, LayerSpec, Precision
from vitnas.supernets.counting.counts import count_in_float

WEIGHT_BITS, ACTIVATION_BITS = (7, 8), 8
"""What processors multiply in integers."""


class MixedFiles(BlueprintFiles):
    """As `BlueprintFiles`; a layer takes and gives floats whatever it computes in, so that any chain of layers is a network.

    Nothing in such a file undoes what ONNX Runtime does to products by itself, so it is to be opened without `WITHOUT_FUSION`;
    layers in float beside others have that done to them before.
    """

    def __init__(self, folder: Path, batch: int = 1, seed: int = 0) -> None:
        super().__init__(folder, batch, seed)
        self._fused: dict[LayerSpec, Path] = {}

    def _layer(self, spec: LayerSpec) -> Path:
        if spec.precision == FLOAT.name:
            return super()._layer(spec)
        if spec not in self._layers:
            precision, plain = Precision.of(spec.precision), super()._layer(spec.at(FLOAT.name))
            if precision.weight_bits not in WEIGHT_BITS or precision.activation_bits != ACTIVATION_BITS:
                raise DeviceError(
                    f"layer '{spec.key}': no runtime of processors multiplies such integers; take w8a8 or w7a8"
                )
            path = quantise(plain, self._new_path(), reduced=precision.weight_bits == WEIGHT_BITS[0], with_weights=True)
            self._layers[spec] = path
        return self._layers[spec]

    def _links(self, blueprint: Blueprint) -> list[Path]:
        if not is_mixed(blueprint):
            return super()._links(blueprint)
        return [self._beside_integers(spec) for spec in blueprint]

    def _beside_integers(self, spec: LayerSpec) -> Path:
        if spec.precision != FLOAT.name:
            return self._layer(spec)
        if spec not in self._fused:
            self._fused[spec] = _fused(self._layer(spec), self._new_path())
        return self._fused[spec]


def is_mixed(blueprint: Blueprint) -> bool:
    """Whether any layer multiplies integers."""
    return any(spec.precision != FLOAT.name for spec in blueprint)


def products_in_integers(blueprint: Blueprint) -> int:
    """How many products are to run in integers: those with weights of all layers that are not in float, as PyTorch computes them."""
    return sum(count_in_float(spec.at(FLOAT.name)).calls for spec in blueprint if spec.precision != FLOAT.name)


def check_integers(runtime: str, blueprint: Blueprint, executed: Mapping[str, int]) -> None:
    """Refuses a network of which not exactly the products of the layers in integers run in integers.

    Args:
        runtime: for the message.
        blueprint: of the network.
        executed: how many products each operator of the runtime computes in integers.
    """
    expected = products_in_integers(blueprint)
    if (found := sum(executed.values())) == expected:
        return
    kinds = ", ".join(dict.fromkeys(spec.kind for spec in blueprint if spec.precision != FLOAT.name))
    shown = ", ".join(f"{n} {name}" for name, n in sorted(executed.items())) or "none"
    raise DeviceError(
        f"{runtime} would run {found} products in integers where {expected} with weights of [{kinds}] are asked for: {shown}; such a "
        "figure would be labelled wrongly, so it is refused. Keep these layers in float (keep of [compress], or of "
        "`space.compressed`), or measure with another runtime"
    )


def _fused(source: Path, target: Path) -> Path:
    """A file with the optimisations done that a session of integers has to leave out."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return target
