import dataclasses

import numpy as np
import pytest

from tests.latency_lut.pretended import PretendedDevice, layer_ms
from vitnas.errors import DeviceError
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.transfer import in_network_ms, transfer
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")
FEW = ProfileSettings(fit_networks=8, test_networks=8)
DEAR = {"attention": 5.0, "feed_forward": 2.0}


class OtherDevice(PretendedDevice):
    """Attention is dear here, everything else cheap but for what every call costs."""

    name = "other"

    def network_ms(self, blueprint):
        return 1.0 + sum(DEAR.get(spec.kind, 3.0) * layer_ms(spec) for spec in blueprint)

    def time(self, blueprints, settings, reference=None):
        for blueprint, timing in zip(blueprints, super().time(blueprints, settings, reference), strict=True):
            yield dataclasses.replace(timing, median_ms=self.network_ms(blueprint))


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return profile(SPACE, PretendedDevice(), tmp_path_factory.mktemp("old") / "old.parquet", FEW, progress=False)


def test_a_handful_of_networks_tells_what_is_dear_on_a_new_device(old, tmp_path):
    device, path = OtherDevice(), tmp_path / "other.parquet"
    table = transfer(SPACE, device, old, path, samples=12, progress=False)
    assert len(device.asked) == 12
    assert all(len(blueprint) > 1 for blueprint in device.asked)
    codes = SPACE.genome.sample(200, np.random.default_rng(5))
    truth = np.array([device.network_ms(SPACE.lower(arch)) for arch in SPACE.decode(codes)])
    error = np.abs(table.latency_ms(SPACE)(codes) / truth - 1)
    scaled = old.latency_ms(SPACE)(codes)
    by_one_factor = np.abs(scaled * np.median(truth / scaled) / truth - 1)
    assert error.mean() < min(0.03, by_one_factor.mean() / 2)
    again = LatencyTable.read(path)
    assert (again.header, again.rows) == (table.header, table.rows)
    assert [p.name for p in tmp_path.iterdir()] == ["other.parquet"]


def test_such_a_table_says_where_it_comes_from(old, tmp_path):
    table = transfer(SPACE, OtherDevice(), old, tmp_path / "other.parquet", samples=10, progress=False)
    header = table.header
    assert table.provenances == {"estimated": len(SPACE.lowering.specs)}
    assert (header.device, header.fingerprint) == ("other", OtherDevice().fingerprint())
    assert "table of device 'pretended'" in header.source
    assert header.fidelity.how == "left out"
    assert header.fidelity.networks == len(header.networks) == 10
    counts = [(row.num_params, row.macs) for row in table.rows]
    assert counts == [(row.num_params, row.macs) for row in old.rows]
    assert in_network_ms(SPACE, table).sum() > 0


def test_what_cannot_be_carried_over_is_refused(old, tmp_path):
    with pytest.raises(DeviceError, match="3 samples are too few to state an error"):
        transfer(SPACE, OtherDevice(), old, tmp_path / "a.parquet", samples=3, progress=False)
    with pytest.raises(DeviceError, match="table lacks"):
        transfer(load_space("deit"), OtherDevice(), old, tmp_path / "a.parquet", progress=False)
    with pytest.raises(DeviceError, match="is a folder"):
        transfer(SPACE, OtherDevice(), old, tmp_path, progress=False)
    slow = OtherDevice(pause_s=0.2)
    settings = dataclasses.replace(FEW, group=1)
    with pytest.raises(DeviceError, match=r"networks were timed within the budget.*the timings are kept"):
        transfer(SPACE, slow, old, tmp_path / "a.parquet", settings=settings, progress=False, budget_s=0.5)
    assert not (tmp_path / "a.parquet").exists()
