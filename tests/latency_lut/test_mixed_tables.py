"""Tables of layers in float and in integers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.latency_lut.pretended import PretendedDevice
from vitnas.errors import DeviceError
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.devices.cpu import CPU
from vitnas.latency_lut.devices.menus import Compression
from vitnas.latency_lut.features import kind_of
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.refit import learn
from vitnas.latency_lut.runtimes import saturation
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.sitting import Sitting
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.transfer import transfer
from vitnas.search_spaces import Compressed, load_space
from vitnas.supernets.counting.counts import count_layer

BASE = load_space("autoformer-mini")
FEW = ProfileSettings(fit_networks=8, test_networks=8)


class MixedDevice(PretendedDevice):
    """A layer takes as long as its bit operations."""

    precisions = ("w7a8", "float")  # type: ignore[assignment]

    def time(self, blueprints: Any, settings: Any, reference: Any = None) -> Any:
        for blueprint in blueprints:
            self.asked.append(blueprint)
            ms = 0.01 + sum(count_layer(spec).bitops / 1e9 for spec in blueprint)
            yield Timing(ms, 0.01 * ms, 0.99 * ms, 1.02 * ms, settings.blocks, 0.05)


@pytest.fixture
def space() -> Compressed:
    return Compression().of(BASE, [MixedDevice()])


def test_one_call_measures_rows_at_every_precision_and_mixed_networks(space: Compressed, tmp_path: Path) -> None:
    assert space.menu == ("w7a8", "float")
    device = MixedDevice()
    table = profile(space, device, tmp_path / "mixed.parquet", FEW, progress=False)
    assert {row.spec.precision for row in table.rows} == {"w7a8", "float"}
    assert any(len({spec.precision for spec in blueprint}) == 2 for blueprint in device.asked if len(blueprint) > 2)
    again = LatencyTable.read(tmp_path / "mixed.parquet")
    assert again.rows == table.rows
    assert again.header.fingerprint["integers"] == "w7a8"
    codes = space.genome.sample(20, np.random.default_rng(0))
    truth = [0.01 + sum(count_layer(s).bitops / 1e9 for s in space.lower(a)) for a in space.decode(codes)]
    np.testing.assert_allclose(again.latency_ms(space)(codes), truth, rtol=0.05)
    plain = BASE.genome.sample(20, np.random.default_rng(0))
    compressed = space.encode([space.compress(arch) for arch in BASE.decode(plain)])
    np.testing.assert_array_equal(again.latency_ms(BASE)(plain), again.latency_ms(space)(compressed))
    counts = again.counts(space)
    assert (counts["bitops"](codes) <= 1024 * counts["macs"](codes)).all()


def test_a_kind_is_interpolated_apart_at_each_precision(space: Compressed) -> None:
    kinds = {kind_of(spec) for spec in space.lowering.specs}
    assert kinds == {
        "patch_embedding", "classifier", "attention", "feed_forward", "attention in w7a8", "feed_forward in w7a8",
    }  # fmt: skip


def test_a_table_without_rows_at_a_precision_says_how_to_get_them(space: Compressed, tmp_path: Path) -> None:
    table = profile(BASE, MixedDevice(), tmp_path / "plain.parquet", FEW, progress=False)
    assert "integers" not in table.header.fingerprint
    with pytest.raises(
        DeviceError, match=r"the 'pretended' table has no rows at w7a8 .*run `vitnas profile \.\.\. .*--compress`"
    ):
        table.check(space)


def test_a_plain_profile_does_not_lose_the_rows_of_a_mixed_table(space: Compressed, tmp_path: Path) -> None:
    path = tmp_path / "mixed.parquet"
    device = MixedDevice()
    mixed = profile(space, device, path, FEW, progress=False)
    before, asked = path.read_bytes(), len(device.asked)
    with pytest.raises(
        DeviceError, match="has rows at w7a8, .*one table serves both; measure them too with --compress, or"
    ):
        profile(BASE, device, path, FEW, progress=False)
    with pytest.raises(DeviceError, match="has rows at w7a8"):
        transfer(BASE, device, mixed, path, progress=False)
    assert (path.read_bytes(), len(device.asked)) == (before, asked)
    profile(BASE, device, tmp_path / "plain.parquet", FEW, progress=False)
    again = profile(space, device, tmp_path / "plain.parquet", FEW, progress=False)  # nothing of it is lost
    assert {row.spec.precision for row in again.rows} == {"w7a8", "float"}
    path.write_bytes(before[: len(before) // 2])  # and nothing of a table that cannot be read
    profile(BASE, device, path, FEW, progress=False)


def test_a_plain_search_learns_on_a_mixed_table_with_the_networks_of_the_table(
    space: Compressed, tmp_path: Path
) -> None:
    table = profile(space, MixedDevice(), tmp_path / "mixed.parquet", FEW, progress=False)
    plain = BASE.decode(BASE.genome.sample(3, np.random.default_rng(5)))
    compressed = [space.compress(arch) for arch in plain]
    timings = [Timing(ms, 0.01, ms, ms, 3, 0.05) for ms in (0.3, 0.4, 0.5)]
    as_base, as_mixed = learn(BASE, table, plain, timings), learn(space, table, compressed, timings)
    assert as_base.header == as_mixed.header
    assert as_base.rows == as_mixed.rows
    assert len(as_base.rows) == len(table.rows)
    alone = learn(BASE, replace(table, header=replace(table.header, networks=())), plain, timings)
    assert as_base.header.calibration != alone.header.calibration
    ours, theirs = Sitting.of_table(BASE, table), Sitting.of_table(space, table)
    assert ours is not None
    assert ours == theirs
    assert ours.reference is not None


def test_a_table_of_before_has_no_bit_operations_and_is_read() -> None:
    old = LatencyTable.read(Path(__file__).parents[1] / "old" / "0.1" / "latency" / "cpu.parquet")
    assert all(row.bitops == 1024 * row.macs for row in old.rows)


def test_a_device_in_float_alone_measures_nothing_else(tmp_path: Path) -> None:
    space = BASE.compressed(["w7a8"])
    with pytest.raises(DeviceError, match="device 'pretended' computes no 'w7a8' in integers here; it has float"):
        profile(space, PretendedDevice(), tmp_path / "t.parquet", progress=False)
    with pytest.raises(DeviceError, match="'iphone12' computes no 'w7a8'"):
        profile(space, load_device("iphone12"), tmp_path / "t.parquet", progress=False)
    with pytest.raises(DeviceError, match="computes all layers in integers; search precisions on 'cpu'"):
        profile(space, load_device("cpu-int8"), tmp_path / "t.parquet", progress=False)


@pytest.mark.parametrize("saturates", [True, False])
def test_the_processor_offers_the_integers_that_it_sums_exactly(
    saturates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = {"MatMul": 1_048_544.0 if saturates else float(saturation.EXACT)}
    monkeypatch.setattr(CPU, "self_test", lambda self: saturation.SelfTest("ONNX Runtime", sums))
    device = CPU()
    assert device.precisions == ("w7a8" if saturates else "w8a8", "float")
    assert device.fingerprint_of(mixed=True) == {
        **device.fingerprint_of(mixed=False),
        "integers": device.precisions[0],
    }
    with pytest.raises(
        DeviceError, match="device 'cpu' computes no 'w4a4' in integers here; it has .*, float. Add --simulate"
    ):
        device.check_precisions(["w4a4"])
    if saturates:
        with pytest.raises(DeviceError, match="^'w8a8' saturates on this processor: 1048544 for 2072640; use 'w7a8'$"):
            device.check_precisions(["w8a8"])


def test_what_the_self_test_finds_here_is_offered() -> None:
    found = saturation.onnx_runtime_test().saturates
    assert CPU().precisions == ("w7a8" if found else "w8a8", "float")


class OtherDevice(MixedDevice):
    name = "other"
    precisions = ("w8a8", "float")  # type: ignore[assignment]


class AbsentDevice(MixedDevice):
    name = "absent"
    precisions = ("float",)  # type: ignore[assignment]

    def missing(self) -> str | None:
        return "the package 'runtime' is not installed; pip install runtime"


def test_a_device_that_cannot_be_asked_says_what_is_missing() -> None:
    with pytest.raises(
        DeviceError, match="'absent' cannot be asked for its precisions here: the package 'runtime' is not"
    ):
        Compression().of(BASE, [AbsentDevice()])


def test_several_devices_have_what_all_of_them_have() -> None:
    assert Compression().of(BASE, [MixedDevice(), MixedDevice()]).menu == ("w7a8", "float")
    with pytest.raises(DeviceError, match="precisions are those of devices, and none is named"):
        Compression().of(BASE, [])
    with pytest.raises(
        DeviceError, match="no precision in common but float: 'pretended' has w7a8, float; 'other' has w8a8"
    ):
        Compression().of(BASE, [MixedDevice(), OtherDevice()])
    with pytest.raises(DeviceError, match="'iphone12' computes layers in float alone"):
        Compression().of(BASE, [MixedDevice(), "iphone12"])
    with pytest.raises(DeviceError, match="'a-board' computes layers in float alone"):
        Compression(("w8a8",)).of(BASE, ["a-board"])
    assert Compression(("w4a4",), simulated=True).of(BASE, ["iphone12"]).menu == ("w4a4", "float")


def test_a_space_that_says_how_it_is_compressed_keeps_that() -> None:
    by_kind = BASE.compressed(["w7a8"], by="kind", keep=["stem"])
    assert Compression().of(by_kind, [MixedDevice()]) is by_kind
    other = Compression(("w8a8",)).of(by_kind, [OtherDevice()])
    assert (other.by, other.keep, other.menu) == ("kind", ("stem",), ("w8a8", "float"))
    with pytest.raises(DeviceError, match="'other' computes no 'w7a8'"):
        Compression().of(by_kind, [OtherDevice()])
