"""Proxies: how good a network promises to be, read off its fresh weights without any training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitnas.registry import Registry

if TYPE_CHECKING:  # growing by other scores than these needs no torch
    from vitnas.predictors.proxies.proxy import Proxy

PROXIES: Registry[type[Proxy]] = Registry(
    "proxy",
    "vitnas.proxies",
    {
        "deepmad": "vitnas.predictors.proxies.deepmad:DeepMADEntropy",
        "dss": "vitnas.predictors.proxies.dss:DSS",
        "expressivity": "vitnas.predictors.proxies.expressivity:Expressivity",
        "feature-rank": "vitnas.predictors.proxies.feature_rank:FeatureRank",
        "grad-norm": "vitnas.predictors.proxies.grad_norm:GradNorm",
        "jacob-cov": "vitnas.predictors.proxies.jacob_cov:JacobCov",
        "length-distortion": "vitnas.predictors.proxies.length_distortion:LengthDistortion",
        "macs": "vitnas.predictors.proxies.counts:Macs",
        "naswot": "vitnas.predictors.proxies.naswot:NASWOT",
        "ntk": "vitnas.predictors.proxies.ntk:NTK",
        "params": "vitnas.predictors.proxies.counts:Params",
        "progressivity": "vitnas.predictors.proxies.progressivity:Progressivity",
        "snip": "vitnas.predictors.proxies.snip:SNIP",
        "synflow": "vitnas.predictors.proxies.synflow:SynFlow",
        "trainability": "vitnas.predictors.proxies.trainability:Trainability",
        "zen": "vitnas.predictors.proxies.zen:ZenScore",
    },
)

__all__ = ["PROXIES"]
