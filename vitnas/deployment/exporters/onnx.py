"""ONNX in fp32 with any batch size, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vitnas.deployment.compressed.proof import names_of, strays
from vitnas.deployment.compressed.qdq import precisions_of, refused_by_processors
from vitnas.deployment.exporters.exporter import Exporter, Facts
from vitnas.deployment.exporters.timing import median_ms
from vitnas.latency_lut.runtimes.saturation import SelfTest, onnx_runtime_test
from vitnas.search_spaces.precision import Precision


class Onnx(Exporter):
    """One ``.onnx`` file with the weights inside; the facts lie in its metadata."""

    name = "onnx"
    file: ClassVar[str] = "model.onnx"

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        import onnx

        from vitnas.deployment.compressed.onnx_graph import compress
        from vitnas.latency_lut.runtimes.onnx import to_onnx

        path = folder / self.file
        to_onnx(network, example[:2], path, dynamic_batch=True)
        model = onnx.load(path)
        if precisions_of(network):
            compress(model, network)
        save_with_facts(model, facts, path)
        return path

    def self_test(self) -> SelfTest:
        return onnx_runtime_test()

    def refuses(self, precision: Precision) -> str | None:
        return refused_by_processors(precision)

    def strays(self, path: Path, network: nn.Module) -> dict[str, str]:
        import onnx

        from vitnas.deployment.compressed.onnx_graph import integer_products, kept_bits

        return strays(network, integer_products(path), kept_bits(onnx.load(path)), "ONNX Runtime")

    def rounds_besides(self, path: Path, network: nn.Module) -> list[str]:
        from vitnas.deployment.compressed.onnx_graph import rounding_products

        found = rounding_products(path)
        return [
            site
            for site, precision in precisions_of(network).items()
            if not found.isdisjoint(names_of(network, site)) and not precision.integer
        ]

    def run(self, path: Path, x: Tensor) -> Tensor:
        from vitnas.latency_lut.runtimes.onnx import open_session

        session = open_session(path, threads=torch.get_num_threads())
        name = session.get_inputs()[0].name
        return torch.cat([torch.from_numpy(session.run(None, {name: part.numpy()})[0]) for part in torch.split(x, 64)])

    def latency_ms(self, path: Path, x: Tensor) -> float | None:
        from vitnas.latency_lut.runtimes.onnx import open_session

        session = open_session(path, threads=torch.get_num_threads())
        feed = {session.get_inputs()[0].name: x.numpy()}
        return median_ms(lambda: session.run(None, feed))

    def usage(self, file: str, shape: tuple[int, ...]) -> str:
        return (
            "import numpy as np, onnxruntime\n"
            f'session = onnxruntime.InferenceSession("{file}")\n'
            f'logits = session.run(None, {{"image": np.zeros((1, {", ".join(map(str, shape))}), np.float32)}})[0]'
        )


def save_with_facts(model: Any, facts: Facts, path: Path) -> None:
    """Writes a checked file that says what it is, and nothing of the machine that it was made on."""
    import onnx

    _forget_origin(model)
    onnx.helper.set_model_props(model, facts.as_text())
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _forget_origin(model: Any) -> None:
    """Drops the converter's notes: a quarter of a small file, and they hold paths of this machine."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.ClearField("doc_string")
