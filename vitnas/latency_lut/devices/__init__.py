"""Devices by name; third parties add theirs through the entry point group `vitnas.devices`."""

from __future__ import annotations

import re
from collections.abc import Callable

from vitnas.errors import DeviceError
from vitnas.latency_lut.devices.device import Device
from vitnas.registry import Registry

DEVICES: Registry[Callable[[], Device]] = Registry(
    "device",
    "vitnas.devices",
    {
        "cpu": "vitnas.latency_lut.devices.cpu:CPU",
        "cpu-int8": "vitnas.latency_lut.devices.cpu:CPUInt8",
        "cpu-openvino": "vitnas.latency_lut.devices.openvino:OpenVino",
        "cpu-openvino-int8": "vitnas.latency_lut.devices.openvino:OpenVinoInt8",
        "cpu-torch": "vitnas.latency_lut.devices.pytorch:Torch",
        "cpu-torch-compiled": "vitnas.latency_lut.devices.pytorch:TorchCompiled",
        "cpu-litert": "vitnas.latency_lut.devices.litert:LiteRT",
        "cuda": "vitnas.latency_lut.devices.cuda:Cuda",
        "cuda-graphs": "vitnas.latency_lut.devices.cuda:CudaGraphs",
        "cuda-onnxruntime": "vitnas.latency_lut.devices.cuda:CudaOnnxRuntime",
        "cuda-tensorrt": "vitnas.latency_lut.devices.cuda:CudaTensorRT",
        "browser": "vitnas.latency_lut.browser.device:Browser",
        "browser-webgpu": "vitnas.latency_lut.browser.device:BrowserWebGPU",
        "iphone12": "vitnas.latency_lut.estimate.device:iphone12",
        "iphone13": "vitnas.latency_lut.estimate.device:iphone13",
        "iphone14": "vitnas.latency_lut.estimate.device:iphone14",
        "galaxy-s24-npu": "vitnas.latency_lut.estimate.device:galaxy_s24_npu",
        "i7-12700h": "vitnas.latency_lut.estimate.device:i7_12700h",
        "rtx4090": "vitnas.latency_lut.estimate.device:rtx4090",
    },
)


OPTIONS = re.compile(r"(?P<base>.+?)(-(?P<threads>[1-9]\d*)threads)?(-batch(?P<batch>[1-9]\d*))?")
"""How a device's name tells its options: ``cpu-2threads-batch8``."""


def load_device(name: str, threads: int | None = None, batch: int | None = None) -> Device:
    """The device of this name; nothing is measured yet.

    Args:
        name: one of `DEVICES`, with or without options, such as ``cpu-2threads``.
        threads: that a call may use; None for what the name says, or one.
        batch: images a call takes; None for what the name says, or one.
    """
    told = OPTIONS.fullmatch(name)
    if name in DEVICES or told is None:
        base, in_name = name, {}
    else:
        base, in_name = told["base"], {k: int(told[k]) for k in ("threads", "batch") if told[k]}
    asked = {k: v for k, v in (("threads", threads), ("batch", batch)) if v is not None}
    for option, value in asked.items():
        if in_name.get(option, value) != value:
            raise DeviceError(
                f"device '{name}' already says {option}, and {option} = {value} is asked for; say it once"
            )
    device = DEVICES.load(base if base in DEVICES else name)()
    options = in_name | asked
    return device.at(options.get("threads", 1), options.get("batch", 1)) if options else device


__all__ = ["DEVICES", "Device", "load_device"]
