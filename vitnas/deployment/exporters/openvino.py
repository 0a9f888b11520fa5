"""OpenVINO: its intermediate representation in fp32 and in int8, run on a processor."""

from __future__ import annotations

from importlib import util
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vitnas.deployment.compressed.proof import strays
from vitnas.deployment.compressed.qdq import refused_by_processors
from vitnas.deployment.exporters.exporter import Exporter, Facts
from vitnas.deployment.exporters.onnx import Onnx
from vitnas.deployment.exporters.onnx_int8 import STATIC, WHATEVER, Int8
from vitnas.deployment.exporters.timing import median_ms
from vitnas.errors import ExportError
from vitnas.latency_lut.runtimes.saturation import SelfTest, openvino_test
from vitnas.search_spaces.precision import Precision


class OpenVino(Exporter):
    """A folder with ``model.xml`` and ``model.bin``, any batch size; the facts lie in the model's own notes."""

    name = "openvino"
    folder: ClassVar[str] = "openvino"

    def missing(self) -> str | None:
        if util.find_spec("openvino") is None:
            return "the package 'openvino' is not installed; pip install \"vitnas[openvino]\""
        return None

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        import openvino

        path = folder / self.folder
        path.mkdir()
        graph = self.source().export(network, example, facts, path)
        model = openvino.convert_model(graph)
        for key, value in facts.as_text().items():
            model.set_rt_info(value, key.split("."))
        openvino.save_model(model, path / "model.xml", compress_to_fp16=False)
        del model  # it maps the file that goes now
        graph.unlink()
        return path

    def source(self) -> Onnx:
        """Writes the graph that is converted."""
        return Onnx()

    def self_test(self) -> SelfTest:
        return openvino_test()

    def refuses(self, precision: Precision) -> str | None:
        return refused_by_processors(precision)

    def strays(self, path: Path, network: nn.Module) -> dict[str, str]:
        from vitnas.deployment.compressed.openvino_model import integer_products, kept_bits

        compiled = self.compiled(path)
        return strays(network, integer_products(compiled, network), kept_bits(path, network), "OpenVINO")

    def run(self, path: Path, x: Tensor) -> Tensor:
        model = self.compiled(path)
        return torch.cat([torch.from_numpy(model(part.numpy())[0]) for part in torch.split(x, 64)])

    def latency_ms(self, path: Path, x: Tensor) -> float | None:
        request = self.compiled(path).create_infer_request()
        return median_ms(lambda: request.infer([x.numpy()]))

    def usage(self, file: str, shape: tuple[int, ...]) -> str:
        return (
            "import numpy as np, openvino\n"
            f'model = openvino.compile_model("{file}/model.xml", "CPU")\n'
            f"logits = model(np.zeros((1, {', '.join(map(str, shape))}), np.float32))[0]"
        )

    def compiled(self, path: Path) -> Any:
        import openvino

        from vitnas.latency_lut.runtimes.openvino import properties

        return openvino.Core().compile_model(path / "model.xml", "CPU", properties(torch.get_num_threads()))


class OpenVinoInt8(OpenVino):
    """The same from the int8 graph; refused where a product with weights would be computed in float."""

    name = "openvino-int8"
    folder = "openvino-int8"
    limits = STATIC
    quantises = True

    def refuses(self, precision: Precision) -> str | None:
        return WHATEVER

    def source(self) -> Onnx:
        graph, weights = Int8(), self.weights()
        graph.int8_range = "reduced" if weights is not None and weights.reduced else "full"
        return graph

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        from vitnas.latency_lut.runtimes.openvino import float_products

        path = super().export(network, example, facts, folder)
        in_float = float_products(self.compiled(path))
        if in_float:
            shown = ", ".join(f"{n} {name}" for name, n in in_float.items())
            raise ExportError(
                f"OpenVINO would run {shown} of the int8 model in float, so it would be no faster; export 'openvino' instead"
            )
        return path
