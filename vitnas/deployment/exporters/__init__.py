"""Formats that a network can leave in, one file each."""

from __future__ import annotations

from vitnas.deployment.exporters.exporter import Exporter, Facts, Tolerance
from vitnas.registry import Registry

EXPORTERS: Registry[type[Exporter]] = Registry(
    "export format",
    "vitnas.exporters",
    {
        "coreml": "vitnas.deployment.exporters.coreml:CoreML",
        "coreml-4bit": "vitnas.deployment.exporters.coreml:FourBit",
        "coreml-8bit": "vitnas.deployment.exporters.coreml:EightBit",
        "coreml-palette": "vitnas.deployment.exporters.coreml:Palettised",
        "executorch": "vitnas.deployment.exporters.executorch:ExecuTorch",
        "litert": "vitnas.deployment.exporters.litert:LiteRT",
        "onnx": "vitnas.deployment.exporters.onnx:Onnx",
        "onnx-int8": "vitnas.deployment.exporters.onnx_int8:Int8",
        "onnx-int8-dynamic": "vitnas.deployment.exporters.onnx_int8:DynamicInt8",
        "openvino": "vitnas.deployment.exporters.openvino:OpenVino",
        "openvino-int8": "vitnas.deployment.exporters.openvino:OpenVinoInt8",
        "torch": "vitnas.deployment.exporters.torch:Torch",
    },
)

__all__ = ["EXPORTERS", "Exporter", "Facts", "Tolerance"]
