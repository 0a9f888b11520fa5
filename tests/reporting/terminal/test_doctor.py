"""What `vitnas doctor` says of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitnas.latency_lut.runtimes.saturation import SelfTest
from vitnas.reporting.terminal import doctor

ROOT = Path(__file__).parents[3]


def test_it_looks_at_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    found = doctor.examine()
    assert found["problems"] == []
    assert found["packages"]["torch"] == doctor.metadata.version("torch")
    doctor.print_examination(found)
    out = capsys.readouterr().out
    for word in ("torch", "cores", "free disk", "openvino", "Ready."):
        assert word in out


def test_it_says_how_wide_int8_weights_are_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saturated = SelfTest("ONNX Runtime 0", {"MatMul": 1_048_544})
    monkeypatch.setattr(doctor, "onnx_runtime_test", lambda: saturated)
    found = doctor.examine()
    assert found["int8"]["onnxruntime"] == "7-bit weights: this processor's kernels saturate (ONNX Runtime 0)"
    doctor.print_examination(found)
    assert found["int8"]["onnxruntime"] in capsys.readouterr().out

    def broken() -> SelfTest:
        raise ImportError("libonnx.so is gone")

    monkeypatch.setattr(doctor, "onnx_runtime_test", broken)
    assert "libonnx.so is gone" in doctor.examine()["int8"]["onnxruntime"]


def test_what_is_missing_is_a_problem(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "CORE", (*doctor.CORE, "no-such-package"))
    monkeypatch.setattr(doctor, "LEAST_FREE_GB", 1e9)
    found = doctor.examine()
    assert [problem.split()[0] for problem in found["problems"]] == ["package", "only"]
    doctor.print_examination(found)
    assert "problem: package no-such-package is missing" in capsys.readouterr().out
