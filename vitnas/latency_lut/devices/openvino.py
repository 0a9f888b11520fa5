"""This machine's processor through OpenVINO."""

from __future__ import annotations

from vitnas.latency_lut.devices.measured import Int8Here, MeasuredHere
from vitnas.latency_lut.runtimes.saturation import SelfTest, openvino_test


class OpenVino(MeasuredHere):
    """OpenVINO with its precision pinned to fp32."""

    base = "cpu-openvino"
    runtime = "vitnas.latency_lut.runtimes.openvino:OpenVino"
    distribution = "openvino"
    module = "openvino"
    extra = "openvino"
    clock = "process_clock"


class OpenVinoInt8(Int8Here, OpenVino):
    """OpenVINO, int8 wherever weights are multiplied; proven from the precision of each executed layer."""

    base = "cpu-openvino-int8"
    runtime = "vitnas.latency_lut.runtimes.openvino:OpenVinoInt8"

    def self_test(self) -> SelfTest:
        return openvino_test()
