"""This machine's processor through OpenVINO."""

from __future__ import annotations

from vitnas.latency_lut.devices.measured import Int8Here, MixedHere
from vitnas.latency_lut.runtimes.saturation import SelfTest, openvino_test


class OpenVino(MixedHere):
    """OpenVINO with its precision pinned to fp32 where a layer does not say otherwise."""

    base = "cpu-openvino"
    runtime = "vitnas.latency_lut.runtimes.openvino:OpenVino"
    distribution = "openvino"
    module = "openvino"
    extra = "openvino"
    clock = "process_clock"

    def self_test(self) -> SelfTest:
        return openvino_test()


class OpenVinoInt8(Int8Here, OpenVino):
    """OpenVINO, int8 wherever weights are multiplied; proven from the precision of each executed layer."""

    base = "cpu-openvino-int8"
    runtime = "vitnas.latency_lut.runtimes.openvino:OpenVinoInt8"
