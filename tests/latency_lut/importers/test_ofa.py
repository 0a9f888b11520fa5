import json
import re

import numpy as np
import pytest

from tests.oracle import SHARED
from vitnas.errors import DataError, DeviceError
from vitnas.latency_lut.importers import read_foreign
from vitnas.latency_lut.importers.ofa import DEPTHS, EXPANSIONS, KERNELS, OFATable

NOTE10 = SHARED / "data" / "nas" / "ofa_note10" / "latency_lut_note10.json"

# The network that the authors' tutorial prints for 192 pixels, as (expansion, kernel), and its latency there.
PUBLISHED = (
    ((3, 5), (3, 3)),
    ((4, 5), (4, 3)),
    ((6, 7), (3, 7), (4, 3)),
    ((4, 5), (4, 5), (4, 7), (3, 3)),
    ((6, 3), (6, 3), (6, 5)),
)
PUBLISHED_MS = 24.73


def every_key(resolution):
    """The names of all rows of one resolution, written down anew from the network's definition."""
    half = -(-resolution // 2)
    sides = [half]
    for stride in (2, 2, 2, 1, 2):
        sides.append(-(-sides[-1] // stride))
    last = sides[-1]
    yield f"Conv-input:{resolution}x{resolution}x3-output:{half}x{half}x24"
    yield (
        f"expanded_conv-input:{half}x{half}x24-output:{half}x{half}x24-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0"
    )
    widths = (24, 32, 48, 96, 136, 192)
    for i, stride in enumerate((2, 2, 2, 1, 2)):
        ways = [(sides[i], widths[i], stride, 0), (sides[i + 1], widths[i + 1], 1, 1)]
        for side, came, step, skip in ways:
            for e in (3, 4, 6):
                for k in (3, 5, 7):
                    yield (
                        f"expanded_conv-input:{side}x{side}x{came}-output:{sides[i + 1]}x{sides[i + 1]}x{widths[i + 1]}"
                        f"-expand:{came * e}-kernel:{k}-stride:{step}-idskip:{skip}-se:{i in (1, 3, 4):d}-hs:{i > 1:d}"
                    )
    yield f"Conv_1-input:{last}x{last}x192-output:{last}x{last}x1152"
    yield f"AvgPool2D-input:{last}x{last}x1152-output:1x1x1152"
    yield "Conv_2-input:1x1x1152-output:1x1x1536"
    yield "Logits-input:1x1x1536-output:1000"


def made_up(resolution):
    return {key: [round(0.1 + 0.01 * i, 4), 0.02, 50 + i] for i, key in enumerate(every_key(resolution))}


@pytest.fixture
def as_json(tmp_path):
    path = tmp_path / "note.json"
    tables = {str(r): made_up(r) for r in (160, 164, 224)}
    path.write_text(json.dumps({"columns": ["mean_ms", "std_ms", "count"], "resolutions": tables}))
    return path


def as_yaml(folder, resolution, change=lambda text: text):
    lines = [
        f"{key}:\n  count: {count}\n  mean: {mean}\n  std: {std}\n"
        for key, (mean, std, count) in made_up(resolution).items()
    ]
    path = folder / f"{resolution}_lookup_table.yaml"
    path.write_text(change("".join(lines)))
    return path


def draw(n, resolutions, rng):
    return (
        rng.choice(resolutions, n),
        rng.choice(DEPTHS, (n, 5)),
        rng.choice(EXPANSIONS, (n, 20)),
        rng.choice(KERNELS, (n, 20)),
    )


def test_a_network_is_the_sum_of_its_rows(as_json):
    rows = made_up(164)
    once = [key for key in rows if not key.startswith("expanded_conv") or "output:82x82x24" in key]
    assert len(once) == 6
    expected = sum(rows[key][0] for key in once)
    found = OFATable.read(as_json).latency_ms(164, [[(3, 7), (6, 3)]] * 5)
    for key in set(rows) - set(once):
        came, hidden = int(re.search(r"input:\d+x\d+x(\d+)", key)[1]), int(re.search(r"expand:(\d+)", key)[1])
        first = "idskip:0" in key and "kernel:7" in key and hidden == 3 * came
        second = "idskip:1" in key and "kernel:3" in key and hidden == 6 * came
        expected += rows[key][0] * (first or second)
    assert found == pytest.approx(expected)


def test_a_population_costs_what_its_networks_cost(as_json):
    table = OFATable.read(as_json)
    population = draw(30, table.resolutions, np.random.default_rng(0))
    found = table.population_ms(*population)
    for i, (resolution, depths, expansions, kernels) in enumerate(zip(*population, strict=True)):
        stages = [[(int(expansions[4 * s + j]), int(kernels[4 * s + j])) for j in range(depths[s])] for s in range(5)]
        assert found[i] == pytest.approx(table.latency_ms(int(resolution), stages))


def test_yaml_and_json_say_the_same(as_json, tmp_path):
    folder = tmp_path / "yaml"
    folder.mkdir()
    for resolution in (160, 164, 224):
        one = as_yaml(folder, resolution)
    assert OFATable.read(folder).rows == OFATable.read(as_json).rows
    assert OFATable.read(one).resolutions == (224,)
    rows = read_foreign("ofa", folder).rows
    timing = rows["164/Logits-input:1x1x1536-output:1000"]
    assert timing.provenance == "imported"
    assert timing.iqr_ms == pytest.approx(1.349 * 0.02)


@pytest.mark.skipif(not NOTE10.is_file(), reason="needs Once-for-All's table in ../shared/data")
def test_the_published_network_takes_its_published_time():
    table = OFATable.read(NOTE10)
    assert sum(map(len, table.rows.values())) == 1632
    assert round(table.latency_ms(192, PUBLISHED), 2) == PUBLISHED_MS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("columns"), "is no latency table of Once-for-All: KeyError"),
        (
            lambda d: d.update(columns=["mean_s", "std_s", "count"]),
            r"columns must be \['mean_ms'.*in milliseconds, got",
        ),
        (lambda d: d["resolutions"]["160"].update({"Conv 3x3": [1.0, 0.1, 5]}), "'Conv 3x3': not named as"),
        (
            lambda d: d["resolutions"]["160"].update({"Conv-input:1x1x3-output:1x1x3": [-1.0, 0.1, 5]}),
            "mean must be finite",
        ),
        (lambda d: d["resolutions"]["160"].update({"Conv-input:1x1x3-output:1x1x3": [float("nan"), 0, 5]}), "got nan"),
        (
            lambda d: d["resolutions"]["160"].update({"Conv-input:1x1x3-output:1x1x3": ["fast", 0, 5]}),
            "is no latency table",
        ),
        (lambda d: d.update(resolutions={"large": {}}), "is no latency table"),
    ],
)
def test_a_damaged_json_is_refused(as_json, change, message):
    data = json.loads(as_json.read_text())
    change(data)
    as_json.write_text(json.dumps(data))
    with pytest.raises(DeviceError, match=message):
        OFATable.read(as_json)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("mean: 0.1\n", "mean: slow\n"), "is no latency table of Once-for-All"),
        (lambda text: text.partition("expanded_conv")[2], "is no latency table|its resolution is not known"),
        (lambda text: "!!python/object/apply:os.system ['touch broken']: {mean: 1.0}\n", "is no latency table"),
        (lambda text: "- 1\n- 2\n", "is no latency table"),
    ],
)
def test_a_damaged_yaml_is_refused_and_runs_nothing(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeviceError, match=message):
        OFATable.read(as_yaml(tmp_path, 160, change))
    assert not (tmp_path / "broken").exists()


def test_what_is_not_in_the_table_is_told(as_json, tmp_path):
    table = OFATable.read(as_json)
    with pytest.raises(DeviceError, match=r"no resolution 192; it has \[160, 164, 224\]"):
        table.latency_ms(192, PUBLISHED)
    with pytest.raises(DeviceError, match="no row 'expanded_conv-.*-kernel:9-"):
        table.latency_ms(160, [[(3, 9), (3, 3)]] * 5)
    with pytest.raises(DeviceError, match=r"5 stages of 2 to 4 blocks, got \[2, 2, 2, 2\]"):
        table.latency_ms(160, PUBLISHED[:2] * 2)
    with pytest.raises(DeviceError, match=r"holds no \.yaml file"):
        OFATable.read(_empty(tmp_path))
    with pytest.raises(DataError, match="does not exist"):
        OFATable.read(tmp_path / "none.json")
    with pytest.raises(DeviceError, match="does not exist"):
        OFATable.read(tmp_path / "none.yaml")


def _empty(folder):
    (folder / "empty").mkdir()
    return folder / "empty"
