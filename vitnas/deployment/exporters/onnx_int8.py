"""ONNX in int8, with proof that ONNX Runtime multiplies integers in any session, not only in one set up for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitnas.deployment.exporters.exporter import Facts, Tolerance
from vitnas.deployment.exporters.onnx import Onnx
from vitnas.errors import ExportError
from vitnas.search_spaces.precision import Precision

PRODUCTS = ("Conv", "Gemm", "MatMul")
INTEGER = ("QLinearConv", "QGemm", "QLinearMatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
"""What ONNX Runtime calls its products of integers."""

WHATEVER = "it computes every layer in int8, whatever the arch says"
STATIC = Tolerance(max_difference=2.0, top1_agreement=0.9, accuracy_drop=0.02)
DYNAMIC = Tolerance(max_difference=1.0, top1_agreement=0.95, accuracy_drop=0.01)


class Int8(Onnx):
    """Static int8 (QDQ): ranges of activations are measured on training images, weights are by channel."""

    name = "onnx-int8"
    file = "model-int8.onnx"
    limits = STATIC
    quantises = True

    def refuses(self, precision: Precision) -> str | None:
        return WHATEVER

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        path = super().export(network, example, facts, folder)
        with _quiet():
            weights = self.weights()
            wanted = self.quantise(path, example, reduced=weights is not None and weights.reduced)
        integer = integer_products(path)
        if integer < wanted:
            raise ExportError(
                f"ONNX Runtime would run {wanted - integer} of {wanted} products of the int8 file in float, so it would be no "
                "faster; export 'onnx' instead"
            )
        return path

    def quantise(self, path: Path, example: Tensor, reduced: bool) -> int:
        """Makes the fp32 file an int8 one, with weights of 7 bits if `reduced`; gives how many products take integers."""
        import onnx

        from vitnas.latency_lut.runtimes.quantise import quantise

        wanted = sum(node.op_type in PRODUCTS for node in onnx.load(path).graph.node)
        quantise(path, path, lambda prepared: _ranges(prepared, example), PRODUCTS, reduced)
        return wanted


class DynamicInt8(Int8):
    """Dynamic int8: linear layers measure their input's range at every call; all else stays in float."""

    name = "onnx-int8-dynamic"
    file = "model-int8-dynamic.onnx"
    limits = DYNAMIC

    def quantise(self, path: Path, example: Tensor, reduced: bool) -> int:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        model = onnx.load(path)
        matrices = {weight.name for weight in model.graph.initializer if len(weight.dims) == 2}
        linear = [n.name for n in model.graph.node if n.op_type in ("MatMul", "Gemm") and n.input[1] in matrices]
        if not linear:
            raise ExportError("the network has no linear layer that dynamic int8 could speed up; choose 'onnx-int8'")
        del model.graph.value_info[:]  # shapes of weights that are about to be transposed
        wanted = [*linear, *(f"{name}_MatMul" for name in linear)]  # what a Gemm is called once it is taken apart
        how = {"per_channel": True, "reduce_range": reduced, "weight_type": QuantType.QInt8}
        quantize_dynamic(model, path, nodes_to_quantize=wanted, **how)
        return len(linear)


def integer_products(path: Path) -> int:
    """How many products a default session of a file computes from integers."""
    from vitnas.latency_lut.runtimes.onnx import executed_operators

    return sum(number for name, number in executed_operators(path).items() if name.endswith(INTEGER))


def _ranges(path: Path, example: Tensor) -> Any:
    """Least and greatest value of every tensor over the images."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator

    name = onnx.load(path).graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[Tensor] = iter(torch.split(example, 16))

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.batches, None)
            return None if batch is None else {name: batch.numpy()}

    calibrator = create_calibrator(
        path,
        None,
        augmented_model_path=str(path.with_suffix(".calibration.onnx")),
        calibrate_method=CalibrationMethod.MinMax,
    )
    calibrator.collect_data(Reader())
    found = calibrator.compute_data()
    path.with_suffix(".calibration.onnx").unlink(missing_ok=True)
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps advice about the very steps taken here from users."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
