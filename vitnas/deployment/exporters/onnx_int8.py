"""ONNX in int8, with proof that ONNX Runtime multiplies integers in any session, not only in one set up for it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from vitnas.deployment.exporters.exporter import Facts, Limits
from vitnas.deployment.exporters.onnx import Onnx
from vitnas.errors import ExportError

STATIC = Limits(max_difference=2.0, top1_agreement=0.9, accuracy_drop=0.02)
DYNAMIC = Limits(max_difference=1.0, top1_agreement=0.95, accuracy_drop=0.01)


class Int8(Onnx):
    """Static int8 (QDQ): ranges of activations are measured on training images, weights are by channel."""

    name = "onnx-int8"
    file = "model-int8.onnx"
    limits = STATIC
    products: ClassVar[tuple[str, ...]] = ("Conv", "Gemm", "MatMul")
    """Endings of the operators that must run in integers."""

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        path = super().export(network, example, facts, folder)
        with _quiet():
            self.quantise(path, example)
        counts = integer_and_float(path, self.products)
        if sum(counts[1].values()) or not sum(counts[0].values()):
            shown = ", ".join(f"{n} {name}" for name, n in counts[1].items()) or "all of it"
            raise ExportError(
                f"ONNX Runtime would run {shown} of the int8 file in float, so it would be no faster; export 'onnx' instead"
            )
        return path

    def quantise(self, path: Path, example: Tensor) -> None:
        """Makes the fp32 file an int8 one."""
        from vitnas.latency_lut.runtimes.quantise import quantise

        quantise(path, path, lambda prepared: _ranges(prepared, example), ("Conv", "Gemm", "MatMul"))


class DynamicInt8(Int8):
    """Dynamic int8: products with weights measure their input's range at every call; convolutions stay in float."""

    name = "onnx-int8-dynamic"
    file = "model-int8-dynamic.onnx"
    limits = DYNAMIC
    products = ()

    def quantise(self, path: Path, example: Tensor) -> None:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            path,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )


def integer_and_float(path: Path, products: tuple[str, ...]) -> tuple[Counter[str], Counter[str]]:
    """The operators of a default session that multiply integers, and the products that it would run in float."""
    from vitnas.latency_lut.runtimes.onnx import executed_operators
    from vitnas.latency_lut.runtimes.onnx_runtime import is_integer

    integer: Counter[str] = Counter()
    in_float: Counter[str] = Counter()
    for name, number in executed_operators(path).items():
        if is_integer(name) and name not in ("QuantizeLinear",):
            integer[name] += number
        elif products and name.endswith(products):
            in_float[name] += number
    return integer, in_float


def _ranges(path: Path, example: Tensor) -> Any:
    """Least and greatest value of every tensor over the images."""
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator

    from vitnas.latency_lut.runtimes.onnx import INPUT

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[Tensor] = iter(example.split(16))

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch.numpy()}

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
