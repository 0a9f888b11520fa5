import csv
import json

import numpy as np
import pytest

from tests.latency_lut.pretended import PretendedDevice, layer_ms
from vitnas.errors import DeviceError, InvalidArchError
from vitnas.latency_lut.assemble import Origin
from vitnas.latency_lut.importers import import_table, read_foreign
from vitnas.latency_lut.settings import TimingSettings
from vitnas.search_spaces import Blueprint, load_space

SPACE = load_space("autoformer-mini")
ORIGIN = Origin("board", {"processor": "one that somebody has"}, max_mape=0.1, source="times.csv")
ARCHS = SPACE.sample(24, np.random.default_rng(0))


def lines(unit=1.0, archs=ARCHS):
    """What the pretended device would say, in the unit of 1 / `unit` milliseconds."""
    blueprints = [
        Blueprint((), ()),
        *(Blueprint.single(spec) for spec in SPACE.lowering.specs),
        *(SPACE.lower(arch) for arch in archs),
    ]
    found = [timing.median_ms * unit for timing in PretendedDevice().time(blueprints, TimingSettings())]
    names = ["", *(spec.key for spec in SPACE.lowering.specs)]
    for name, ms in zip(names, found, strict=False):
        yield {"layer": name, "median_ms": ms}
    for arch, ms in zip(archs, found[len(names) :], strict=True):
        yield {"layer": "", "median_ms": ms, "arch": json.dumps(arch.to_json())}


@pytest.fixture
def write(tmp_path):
    def to_file(rows, columns=("layer", "median_ms", "arch"), rename=None):
        path = tmp_path / "times.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            file.write(",".join((rename or {}).get(c, c) for c in columns) + "\n")
            writer.writerows(rows)
        return path

    return to_file


@pytest.mark.parametrize(("unit", "factor"), [("ms", 1.0), ("us", 1e3), ("s", 1e-3)])
def test_times_of_layers_and_networks_make_a_table(write, unit, factor):
    path = write(lines(factor), rename={"median_ms": f"median_{unit}"})
    table = import_table(SPACE, ORIGIN, read_foreign("csv", path))
    assert table.provenances == {"imported": len(SPACE.lowering.specs)}
    assert [r.timing.median_ms for r in table.rows] == pytest.approx([layer_ms(r.spec) for r in table.rows])
    header = table.header
    assert (header.device, header.source) == ("board", "times.csv")
    assert [n.held_out for n in header.networks].count(True) == 12
    assert header.fidelity.mape == pytest.approx(0, abs=1e-6)


def test_layers_that_a_file_lacks_are_interpolated(write):
    rows = [row for i, row in enumerate(lines(archs=[])) if i == 0 or i % 2]
    table = import_table(SPACE, ORIGIN, read_foreign("csv", write(rows)))
    assert table.provenances == {"imported": 12, "interpolated": 12}
    assert "never compared" in table.warnings[0]


def test_rows_of_another_space_are_refused(write):
    path = write([*lines(), {"layer": "feed_forward 9x9>9x9 hidden=3", "median_ms": 1.0}])
    with pytest.raises(
        DeviceError, match="1 of 26 rows are no layers of space 'autoformer-mini', such as 'feed_forward 9x9"
    ):
        import_table(SPACE, ORIGIN, read_foreign("csv", path))
    path = write([{"layer": "", "median_ms": 1.0, "arch": json.dumps(load_space("deit").smallest().to_json())}])
    with pytest.raises(InvalidArchError, match="belongs to space 'deit'"):
        import_table(SPACE, ORIGIN, read_foreign("csv", path))
    path = write([row for row in lines() if not row["layer"].startswith("attention")])
    with pytest.raises(DeviceError, match=r"no timing of any layer of kind \['attention'\]"):
        import_table(SPACE, ORIGIN, read_foreign("csv", path))


KEY = SPACE.lowering.specs[0].key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows; its first line should be layer,median_ms"),
        ("layer,median_ms\n", "has no rows"),
        (f"layer,median\n{KEY},1\n", "column 'median' must end in its unit, one of _s, _ms, _us, _ns"),
        (f"layer,median_kg\n{KEY},1\n", "column 'median_kg' must end in its unit"),
        (f"layer,latency_ms\n{KEY},1\n", "unknown column 'latency_ms'"),
        (f"layer,iqr_ms\n{KEY},1\n", r"lacks the column median_ms; it has \['layer', 'iqr_ms'\]"),
        ("median_ms\n1\n", "lacks the column layer"),
        (f"layer,median_ms,median_us\n{KEY},1,1000\n", "columns 'median_ms' and 'median_us' are the same time"),
        (f"layer,median_ms\n{KEY},-1\n", "line 2: median_ms must be finite and not negative, got -1"),
        (f"layer,median_ms\n{KEY},nan\n", "line 2: median_ms must be finite and not negative, got nan"),
        (f"layer,median_ms\n{KEY},fast\n", "line 2: median_ms must be a number, got 'fast'"),
        (f"layer,median_ms\n{KEY}\n", "line 2: median_ms must be a number, got ''"),
        (f"layer,median_ms\n{KEY},1\n{KEY},2\n", "line 3: layer '.*' stands in the file twice"),
        ("layer,median_ms,arch\n,1,{}\n", "line 2: column 'arch' holds no arch"),
        ("layer,median_ms,arch\nx,1,{}\n", "a line is a layer or a whole network"),
        ("layer,median_ms,blocks\nx,1,few\n", "blocks must be a number, got 'few'"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    path = tmp_path / "times.csv"
    path.write_text(text)
    with pytest.raises(DeviceError, match=message) as caught:
        read_foreign("csv", path)
    assert "times.csv" in str(caught.value)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(DeviceError, match="does not exist"):
        read_foreign("csv", tmp_path / "none.csv")
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DeviceError, match="is no CSV file"):
        read_foreign("csv", tmp_path / "a.csv")
