from __future__ import annotations

import pytest

from vitnas.search_spaces import load_space
from vitnas.supernets.training.samplers.gene_roles import gene_roles


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("autoformer-mini", {"width": "width", "depth": "depth", "heads": "inner", "mlp_ratio": "inner"}),
        ("matformer-tiny", {"mlp_ratio": "inner"}),
        ("nextvit", {"width.s1": "width", "width.s4": "width", "depth.s1": "depth", "conv_ratio": "inner"}),
        ("pvtv2", {"heads.s1": "width", "depth.s4": "depth", "mlp_ratio.s2": "inner"}),
        ("ascan", {"convolutions.s2": "depth", "attentions.s3": "depth", "width.s4": "width"}),
        ("elasticvit", {"resolution": "size", "width.s6": "width", "depth.stem": "depth", "kernel.s1": "inner"}),
    ],
)
def test_genes_are_known_by_what_they_change_not_by_their_names(name: str, expected: dict[str, str]) -> None:
    assert gene_roles(load_space(name)).items() >= expected.items()
