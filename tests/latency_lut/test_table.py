import dataclasses
import json
import subprocess
import sys

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from vitnas.errors import DeviceError
from vitnas.latency_lut.calibration import Calibration, Fidelity
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.rows import Header, Row
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import LayerSpec, Task, load_space
from vitnas.supernets.counting.counts import count, count_layer
from vitnas.supernets.counting.population import PopulationCounter

SPACE = load_space("autoformer-mini")


def make_table(space=SPACE, mape=0.03, intercept_ms=0.02, slope=1.3):
    rows = []
    for i, spec in enumerate(space.lowering.specs):
        timing = Timing(0.01 * (i + 1), 0.001, 0.009 * (i + 1), 0.012 * (i + 1), 20, 0.04)
        rows.append(Row(spec, timing, **dataclasses.asdict(count_layer(spec))))
    header = Header(
        device="cpu",
        fingerprint={"runtime": "pretended", "threads": 1},
        space=space.name,
        space_fingerprint=space.fingerprint,
        task=space.task,
        overhead_ms=0.003,
        reference_ms=0.04,
        calibration=Calibration(intercept_ms, slope),
        fidelity=Fidelity(8, mape, 0.9, 1.0, 0.95, 0.99),
        max_mape=0.1,
    )
    return LatencyTable(header, tuple(rows))


@given(seed=st.integers(0, 10**6), intercept=st.floats(0, 1), slope=st.floats(0.1, 3))
def test_a_population_costs_what_its_layers_cost(seed, intercept, slope):
    table = make_table(intercept_ms=intercept, slope=slope)
    codes = SPACE.genome.sample(5, np.random.default_rng(seed))
    by_spec = {row.spec: row.timing.median_ms for row in table.rows}
    blueprints = [SPACE.lower(arch) for arch in SPACE.decode(codes)]
    expected = [intercept + slope * sum(by_spec[spec] for spec in b) for b in blueprints]
    np.testing.assert_allclose(table.latency_ms(SPACE)(codes), expected, rtol=1e-12)
    counts = {name: cost(codes).tolist() for name, cost in table.counts(SPACE).items()}
    for name, found in counts.items():
        assert found == [getattr(count(b), name) for b in blueprints]


def test_counts_are_those_of_the_counter():
    codes = SPACE.genome.sample(100, np.random.default_rng(0))
    exact = PopulationCounter(SPACE)(codes)
    for name, cost in make_table().counts(SPACE).items():
        assert cost(codes).dtype == np.int64
        np.testing.assert_array_equal(cost(codes), getattr(exact, name))


def test_the_standard_deviation_holds_spread_and_model_error():
    codes = SPACE.genome.sample(20, np.random.default_rng(0))
    exact, rough = make_table(mape=0.0), make_table(mape=0.2)
    layers = np.array([len(SPACE.lower(arch)) for arch in SPACE.decode(codes)])
    expected = 1.3 * 0.001 / 1.349 * np.sqrt(np.pi / 2 / 20 * layers)
    np.testing.assert_allclose(exact.latency_std_ms(SPACE)(codes), expected)
    model = rough.latency_std_ms(SPACE)(codes) / rough.latency_ms(SPACE)(codes)
    assert (model >= 0.2 * 1.25).all()


def test_residuals_count_and_may_save():
    table = make_table()
    rows = tuple(dataclasses.replace(row, residual_ms=-0.002 if i % 2 else 0.003) for i, row in enumerate(table.rows))
    corrected = LatencyTable(table.header, rows)
    codes = SPACE.genome.sample(5, np.random.default_rng(0))
    residual = {row.spec: row.residual_ms for row in rows}
    extra = [sum(residual[spec] for spec in SPACE.lower(arch)) for arch in SPACE.decode(codes)]
    np.testing.assert_allclose(corrected.latency_ms(SPACE)(codes), table.latency_ms(SPACE)(codes) + extra)


def test_the_error_of_the_calibration_is_the_stated_one():
    table = make_table(mape=0.2)
    calibration = dataclasses.replace(table.header.calibration, error=0.05)
    stated = LatencyTable(dataclasses.replace(table.header, calibration=calibration), table.rows)
    codes = SPACE.genome.sample(20, np.random.default_rng(0))
    relative = stated.latency_std_ms(SPACE)(codes) / stated.latency_ms(SPACE)(codes)
    assert (relative >= 0.05).all()
    assert (relative < 0.06).all()


def test_an_interpolated_row_states_its_error():
    row = make_table().rows[0]
    guessed = dataclasses.replace(row, timing=Timing(1.0, 0.1349, 0.8, 1.2, 0, 0.04, "interpolated"))
    assert guessed.std_ms == pytest.approx(0.1)


def test_figures_of_another_device_never_mix():
    table = make_table()
    table.check_fingerprint({"runtime": "pretended", "threads": 1})
    with pytest.raises(DeviceError, match="threads 1 here, 2 there; clock 'not told' here, 'wall' there"):
        table.check_fingerprint({"runtime": "pretended", "threads": 2, "clock": "wall"})


def test_a_table_serves_a_smaller_space_of_the_same_layers():
    smaller = SPACE.restrict(depth=(3, 4), width=(64,))
    assert smaller.fingerprint != SPACE.fingerprint
    archs = smaller.sample(10, np.random.default_rng(0))
    table = make_table()
    np.testing.assert_allclose(
        table.latency_ms(smaller)(smaller.encode(archs)), table.latency_ms(SPACE)(SPACE.encode(archs))
    )


@pytest.mark.parametrize(
    ("space", "why"),
    [
        (load_space("autoformer-mini", Task(image_size=8, num_classes=7, in_channels=1)), "num_classes=10"),
        (load_space("deit"), "it is for Task"),
    ],
)
def test_a_table_of_another_space_is_refused(space, why):
    with pytest.raises(DeviceError, match="table lacks") as caught:
        make_table().latency_ms(space)
    message = str(caught.value)
    assert why in message
    assert f"vitnas profile --space {space.name} --device cpu" in message
    assert any(spec.key in message for spec in space.lowering.specs)


def test_a_part_of_the_space_is_not_enough():
    with pytest.raises(DeviceError, match="the space has changed since"):
        LatencyTable(make_table().header, make_table().rows[:-1]).check(SPACE)


def test_only_a_table_that_keeps_its_promise_has_no_warning():
    assert make_table(mape=0.03).warnings == []
    assert "by 25.0% on average, over its limit of 10%" in make_table(mape=0.25).warnings[0]
    unknown = dataclasses.replace(make_table().header, fidelity=None)
    assert "never compared" in LatencyTable(unknown, ()).warnings[0]


def test_a_warning_says_what_can_be_done_about_such_a_table():
    measured = make_table(mape=0.25)
    rows = [
        dataclasses.replace(row, timing=dataclasses.replace(row.timing, provenance="estimated"))
        for row in measured.rows
    ]
    estimate = LatencyTable(measured.header, tuple(rows))
    fidelity = dataclasses.replace(measured.header.fidelity, how="left out")
    carried = LatencyTable(dataclasses.replace(measured.header, fidelity=fidelity), estimate.rows)
    said = [table.warnings[0] for table in (measured, estimate, carried)]
    remedies = ("measure again on an idle machine", "`vitnas profile --device cpu --bundle DIR`", "more --samples")
    assert [[remedy in text for remedy in remedies] for text in said] == np.eye(3, dtype=bool).tolist()


def test_no_torch_is_loaded_to_cost_a_population(tmp_path):
    make_table().write(tmp_path / "cpu.parquet")
    code = (
        "import sys, pathlib, numpy as np; from vitnas.latency_lut.table import LatencyTable;"
        "from vitnas.search_spaces import load_space; s = load_space('autoformer-mini');"
        f"t = LatencyTable.read(pathlib.Path({str(tmp_path / 'cpu.parquet')!r}));"
        "print(t.latency_ms(s)(s.genome.sample(3, np.random.default_rng(0))).sum(), 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    expected = make_table().latency_ms(SPACE)(SPACE.genome.sample(3, np.random.default_rng(0))).sum()
    assert (float(out[0]), out[1]) == (pytest.approx(expected), "False")


# -- files ---------------------------------------------------------------------------------


@given(times=st.lists(st.floats(0, 1e6), min_size=4, max_size=4), provenance=st.sampled_from(["measured", "imported"]))
def test_what_is_written_is_read(tmp_path_factory, times, provenance):
    table = make_table()
    odd = dataclasses.replace(table.rows[0], timing=Timing(*times, 3, 0.04, provenance))
    table = LatencyTable(table.header, (odd, *table.rows[1:]))
    path = tmp_path_factory.mktemp("table") / "deep" / "cpu.parquet"
    table.write(path)
    again = LatencyTable.read(path)
    assert (again.header, again.rows) == (table.header, table.rows)
    assert [p.name for p in path.parent.iterdir()] == ["cpu.parquet"]


def edit(path, change):
    """Rewrites the file of a good table after `change(columns, metadata)`."""
    make_table().write(path)
    found = parquet.read_table(path)
    columns, metadata = found.to_pydict(), dict(found.schema.metadata)
    change(columns, metadata)
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), path)


def set_cell(name, row, value):
    return lambda columns, metadata: columns[name].__setitem__(row, value)


def change_header(**values):
    def change(columns, metadata):
        header = json.loads(metadata[b"vitnas.latency"])
        metadata[b"vitnas.latency"] = json.dumps({**header, **values}).encode()

    return change


def copy_row(columns, metadata):
    for values in columns.values():
        values[5] = values[4]


SPEC = LayerSpec.of("feed_forward", (17, 48), (17, 48), hidden=99)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_cell("median_ms", 3, -1.0), "row 3: median_ms must be finite and not negative, got -1.0"),
        (set_cell("iqr_ms", 0, float("nan")), "row 0: iqr_ms must be finite and not negative, got nan"),
        (set_cell("p90_ms", 2, float("inf")), "row 2: p90_ms must be finite"),
        (set_cell("residual_ms", 2, float("nan")), "row 2: residual_ms must be finite, got nan"),
        (set_cell("energy_mj", 2, -1.0), "row 2: energy_mj must be finite and not negative, got -1.0"),
        (set_cell("macs", 7, -5), "row 7: macs must be finite and not negative, got -5"),
        (set_cell("macs", 7, None), "row 7: macs must be finite and not negative, got None"),
        (set_cell("spec", 1, "{"), "row 1: "),
        (set_cell("spec", 1, "[]"), "row 1: "),
        (set_cell("spec", 1, json.dumps(SPEC.to_json())), "row 1: key"),
        (set_cell("provenance", 4, "guessed"), "row 4: Invalid enum value 'guessed'"),
        (copy_row, "rows 4 and 5: both are"),
        (lambda columns, metadata: columns.pop("p90_ms"), r"lacks the columns \['p90_ms'\]"),
        (lambda columns, metadata: columns.update(macs=["many"] * 24), "column 'macs' must be int64, got string"),
        (lambda columns, metadata: metadata.update({b"vitnas.format": b"99"}), "has format 99"),
        (lambda columns, metadata: metadata.pop(b"vitnas.latency"), "has no header"),
        (lambda columns, metadata: metadata.update({b"vitnas.latency": b"{"}), "damaged header"),
        (change_header(max_mape=-0.5), "header: max_mape must be finite and not negative, got -0.5"),
        (change_header(overhead_ms="fast"), "damaged header"),
        (change_header(calibration={"intercept_ms": -1.0, "slope": 1.0}), "header: intercept_ms must be finite"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, change, message):
    path = tmp_path / "cpu.parquet"
    edit(path, change)
    with pytest.raises(DeviceError, match=message) as caught:
        LatencyTable.read(path)
    assert "cpu.parquet" in str(caught.value)
    assert "vitnas profile" in str(caught.value)


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_a_file_cut_short_is_refused(tmp_path, length):
    path = tmp_path / "cpu.parquet"
    make_table().write(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DeviceError, match="is damaged or no parquet file|is not as vitnas wrote it"):
        LatencyTable.read(path)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(DeviceError, match="does not exist; make it with `vitnas profile`"):
        LatencyTable.read(tmp_path / "cpu.parquet")
