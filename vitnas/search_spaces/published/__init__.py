"""The built-in spaces: the choices of their papers, and their published networks."""

from __future__ import annotations

from collections.abc import Callable

from vitnas.registry import Registry
from vitnas.search_spaces.space import SearchSpace

SPACES: Registry[Callable[..., SearchSpace]] = Registry(
    "search space",
    "vitnas.spaces",
    {
        "ascan": "vitnas.search_spaces.published.ascan:ascan",
        "asvit": "vitnas.search_spaces.published.asvit:asvit",
        "attentivenas": "vitnas.search_spaces.published.attentivenas:attentivenas",
        "autoformer-base": "vitnas.search_spaces.published.autoformer:base",
        "autoformer-mini": "vitnas.search_spaces.published.autoformer:mini",
        "autoformer-small": "vitnas.search_spaces.published.autoformer:small",
        "autoformer-tiny": "vitnas.search_spaces.published.autoformer:tiny",
        "convnext": "vitnas.search_spaces.published.convnext:convnext",
        "deepmad-mobile": "vitnas.search_spaces.published.deepmad:mobile",
        "deepmad-resnet": "vitnas.search_spaces.published.deepmad:resnet",
        "deit": "vitnas.search_spaces.published.deit:deit",
        "mixers": "vitnas.search_spaces.published.mixers:mixers",
        "efficientformer": "vitnas.search_spaces.published.efficientformer:efficientformer",
        "efficientformerv2": "vitnas.search_spaces.published.efficientformerv2:efficientformerv2",
        "elasticvit": "vitnas.search_spaces.published.elasticvit:elasticvit",
        "low-rank-vit": "vitnas.search_spaces.published.low_rank_vit:low_rank_vit",
        "matformer-base": "vitnas.search_spaces.published.matformer:base",
        "matformer-small": "vitnas.search_spaces.published.matformer:small",
        "matformer-tiny": "vitnas.search_spaces.published.matformer:tiny",
        "nasvit": "vitnas.search_spaces.published.nasvit:nasvit",
        "nextvit": "vitnas.search_spaces.published.nextvit:nextvit",
        "pvtv2": "vitnas.search_spaces.published.pvt:pvtv2",
        "repavit": "vitnas.search_spaces.published.repavit:repavit",
        "sret": "vitnas.search_spaces.published.sret:sret",
        "staged-vit": "vitnas.search_spaces.published.staged_vit:staged_vit",
        "swin": "vitnas.search_spaces.published.swin:swin",
        "tinyvit": "vitnas.search_spaces.published.tinyvit:tinyvit",
        "vitres": "vitnas.search_spaces.published.vitresnas:reference",
        "vitresnas-small": "vitnas.search_spaces.published.vitresnas:small",
        "vitresnas-tiny": "vitnas.search_spaces.published.vitresnas:tiny",
    },
)
