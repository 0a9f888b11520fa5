import dataclasses
import json

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from tests.latency_lut.pretended import PretendedDevice
from tests.latency_lut.test_table import make_table
from vitnas.latency_lut.calibration import Fidelity
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.rows import WholeNetwork
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.transfer import LEAST, transfer
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")
TOOK = np.linspace(1.0, 1.2, 12)
MACS = np.arange(12.0)


def table_of(fidelity, networks=(), rows=None):
    table = make_table()
    header = dataclasses.replace(table.header, fidelity=fidelity, networks=tuple(networks))
    return LatencyTable(header, table.rows if rows is None else rows)


def test_a_table_that_ranks_as_well_as_macs_has_no_caveat():
    noise = np.random.default_rng(0).normal(1.0, 0.01, 12)
    found = Fidelity.between(TOOK * noise, TOOK, macs=MACS)
    assert found.kendall < found.kendall_of_macs == pytest.approx(found.spearman_of_macs) == pytest.approx(1.0)
    assert found.ranks_badly is None  # worse by what chance explains
    assert table_of(found).warnings == []


def test_one_constant_is_marked_though_its_error_is_small():
    constant = Fidelity.between(np.full(12, 1.1), TOOK, macs=MACS)
    assert constant.mape < 0.1
    assert (constant.kendall, constant.kendall_of_macs) == (None, pytest.approx(1.0))
    (warning,) = table_of(constant).warnings
    assert "gives no order of 12 held-out networks, as all have one latency" in warning
    assert "profile again with a longer --budget" in warning


def test_rounding_makes_no_order():
    almost = Fidelity.between(np.full(12, 1.1) + MACS * 1e-14, TOOK, macs=MACS)
    assert almost.kendall is None


def test_a_constant_with_each_network_left_out_ranks_backwards():
    """What a transfer that learned nothing states: each network as the mean of the others."""
    left_out = (TOOK.sum() - TOOK) / 11
    found = Fidelity.between(left_out, TOOK, how="left out", macs=MACS)
    assert found.mape < 0.1
    assert found.kendall == pytest.approx(-1.0)
    (warning,) = table_of(found).warnings
    assert "ranks 12 networks left out in turn no better than chance might (Kendall -1.00)" in warning


def test_ranks_worse_than_those_of_macs_are_marked():
    order = [2, 0, 1, 5, 3, 4, 8, 6, 7, 11, 9, 10]
    found = Fidelity.between(TOOK[order], TOOK, macs=MACS)
    assert 0.3 < found.kendall < 0.8
    (warning,) = table_of(found).warnings
    assert f"worse than their multiply-accumulates do (Kendall {found.kendall:.2f} against 1.00)" in warning
    assert "by MACs alone 1.000" in str(found)


def test_macs_that_rank_no_better_are_no_reason():
    found = Fidelity.between(TOOK, TOOK, macs=np.random.default_rng(3).permutation(MACS))
    assert found.ranks_badly is None


def test_few_different_latencies_are_marked():
    networks = [WholeNetwork(str(i), {}, 1.0, 1.0 + 0.1 * (i // 6), 0.1, TOOK[i], True) for i in range(12)]
    (warning,) = table_of(Fidelity(12, 0.05, 1.0, 1.0, 0.8, 0.9), networks).warnings
    assert "gives 12 held-out networks only 2 different latencies" in warning


def test_a_kind_told_from_a_single_layer_is_marked():
    seen, rows = set(), []
    for row in make_table().rows:
        known = row.spec.kind not in seen
        seen.add(row.spec.kind)
        timing = row.timing if known else Timing(0.1, 0.01, 0.1, 0.1, 0, 0.04, "interpolated")
        rows.append(dataclasses.replace(row, timing=timing))
    warnings = table_of(Fidelity(8, 0.03, 0.9, 1.0, 0.95, 0.99), rows=tuple(rows)).warnings
    assert any("layers of kind 'feed_forward' from a single measured one" in text for text in warnings)


def test_a_profile_keeps_the_ranks_in_its_file(tmp_path):
    path = tmp_path / "t.parquet"
    few = ProfileSettings(fit_networks=8, test_networks=8)
    table = profile(SPACE, PretendedDevice(), path, few, progress=False)
    fidelity = LatencyTable.read(path).header.fidelity
    assert fidelity == table.header.fidelity
    assert fidelity.kendall == pytest.approx(1.0)
    assert 0.5 < fidelity.kendall_of_macs < 1.0
    assert fidelity.kendall_doubt >= 0


def test_a_table_of_an_older_vitnas_opens_without_them(tmp_path):
    path = tmp_path / "cpu.parquet"
    make_table().write(path)
    found = parquet.read_table(path)
    metadata = dict(found.schema.metadata)
    header = json.loads(metadata[b"vitnas.latency"])
    for name in ("kendall_of_macs", "spearman_of_macs", "kendall_doubt"):
        del header["fidelity"][name]
    metadata[b"vitnas.latency"] = json.dumps(header).encode()
    parquet.write_table(pyarrow.table(found.to_pydict()).replace_schema_metadata(metadata), path)
    again = LatencyTable.read(path)
    assert again.header.fidelity.kendall_of_macs is None
    assert again.warnings == []


class Noise(PretendedDevice):
    """Its times have nothing to do with the network."""

    name = "noise"

    def time(self, blueprints, settings, reference=None):
        rng = np.random.default_rng(len(self.asked))
        for timing in super().time(blueprints, settings, reference):
            yield dataclasses.replace(timing, median_ms=float(rng.normal(1.0, 0.06)))


def test_a_table_carried_over_that_learned_nothing_says_so(tmp_path):
    few = ProfileSettings(fit_networks=8, test_networks=8)
    old = profile(SPACE, PretendedDevice(), tmp_path / "old.parquet", few, progress=False)
    table = transfer(SPACE, Noise(), old, tmp_path / "new.parquet", samples=LEAST + 4, progress=False)
    fidelity = table.header.fidelity
    assert fidelity.mape < table.header.max_mape  # the error alone would not tell
    assert fidelity.how == "left out"
    (warning,) = table.warnings
    assert "left out in turn no better than chance" in warning
    assert "carry it over with more --samples" in warning
