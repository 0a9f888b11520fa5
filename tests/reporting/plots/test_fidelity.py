import dataclasses

import pytest

from tests.latency_lut.pretended import PretendedDevice
from vitnas.errors import DeviceError
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.reporting.plots.fidelity import plot_fidelity, print_fidelity, worst_networks
from vitnas.search_spaces import Arch, load_space

SPACE = load_space("autoformer-mini")
FEW = ProfileSettings(fit_networks=6, test_networks=7)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A true table, but for one held-out network that is said to take half as long again."""
    path = tmp_path_factory.mktemp("table") / "pretended.parquet"
    found = profile(SPACE, PretendedDevice(), path, FEW, progress=False)
    networks = list(found.header.networks)
    odd = next(i for i, n in enumerate(networks) if n.held_out)
    networks[odd] = dataclasses.replace(networks[odd], predicted_ms=1.5 * networks[odd].measured_ms)
    return dataclasses.replace(found, header=dataclasses.replace(found.header, networks=tuple(networks)))


def test_the_worst_are_held_out_and_in_order(table):
    worst = worst_networks(table)
    assert len(worst) == 5
    assert all(n.held_out for n in worst)
    misses = [abs(n.predicted_ms / n.measured_ms - 1) for n in worst]
    assert misses == sorted(misses, reverse=True)
    assert misses[0] == pytest.approx(0.5)


def test_the_report_names_archs_that_can_be_built(table, capsys):
    print_fidelity(table)
    out = capsys.readouterr().out
    assert "24 layers of autoformer-mini on pretended: 24 measured" in out
    assert "7 held-out networks: MAPE 0.0%" in out
    assert "a rough figure: fewer than 50" in out
    worst = worst_networks(table)[0]
    assert worst.arch in out
    assert "+50.0%" in out
    assert SPACE.check(Arch.from_json({"space": SPACE.name, "genes": worst.genes})).id == worst.arch


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_says_what_it_shows(table, tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    plot_fidelity(table, path)
    assert path.stat().st_size > 5000
    if suffix == "svg":
        text = path.read_text()
        for words in ("autoformer-mini on pretended", "within 10 %", "held out", "Measured latency (ms)"):
            assert words in text


def test_a_table_never_compared_has_no_picture(table, tmp_path, capsys):
    alone = LatencyTable(dataclasses.replace(table.header, fidelity=None, networks=()), table.rows)
    print_fidelity(alone)
    assert "not compared with whole networks" in capsys.readouterr().out
    with pytest.raises(DeviceError, match="nothing to draw"):
        plot_fidelity(alone, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
