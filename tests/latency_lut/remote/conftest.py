"""A small bundle of ONNX files, and results that somebody might have measured with it."""

import msgspec
import pytest

from vitnas.latency_lut.remote import write_bundle
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini").restrict(depth=(3,), heads=(2,), mlp_ratio=(2.0,))
BRIEF = ProfileSettings(
    block_ms=1, blocks=4, warmup_ms=2, max_warmup_ms=10, max_repeats=1, group=4, fit_networks=2, test_networks=1
)


@pytest.fixture(scope="session")
def space():
    return SPACE


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "board"
    return write_bundle(SPACE, "board", folder, BRIEF, runtime="onnx", progress=False)


@pytest.fixture
def document(bundle):
    """What a runner writes: a millisecond and a half for a layer, plus the overhead, and sums for networks."""
    rows = []
    for item in bundle.manifest.items:
        layers = 0 if item.kind == "overhead" else item.key.count(";") + 1
        median_ms = 0.1 + 1.5 * layers
        row = {"id": item.id, "median_ms": median_ms, "iqr_ms": 0.02, "min_ms": median_ms - 0.05}
        rows.append(row | {"p90_ms": median_ms + 0.05, "blocks": 20, "reference_ms": 1.0})
    return {
        "format": "vitnas results",
        "version": 1,
        "manifest": msgspec.to_builtins(bundle.manifest),
        "runner": "somebody's runner",
        "created": "2026-01-01T00:00:00+00:00",
        "fingerprint": {
            "model": "Board 5",
            "system": "Linux 6 aarch64",
            "runtime": "onnxruntime 1.31",
            "precision": "fp32",
            "threads": 1,
            "batch": 1,
        },
        "items": rows,
    }
