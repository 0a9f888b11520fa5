"""The card speaks of the network as it is, which may take smaller images than its task has."""

from __future__ import annotations

from vitnas.deployment.model_card import _architecture, _use


def test_shapes_are_those_of_the_network() -> None:
    report = {
        "task": {"image_size": 224, "in_channels": 3},
        "blueprint": [{"site": "stem", "kind": "patch_embedding", "in": [3, 192, 192], "out": [1, 8], "attrs": {}}],
        "counts": {"num_params": 2e6, "macs": 1e6},
        "arch": {"genes": {"resolution": 192}},
        "formats": {"onnx": {"file": "model.onnx"}},
    }
    assert "one image of 192x192 with 3 channel(s)" in "\n".join(_architecture(report, False))
    assert "np.zeros((1, 3, 192, 192), np.float32)" in "\n".join(_use(report))
