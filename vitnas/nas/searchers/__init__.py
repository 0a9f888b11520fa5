"""Searchers: which architectures to look at next, one file each, by ask and tell."""

from __future__ import annotations

from vitnas.nas.searchers.searcher import Searcher
from vitnas.registry import Registry

SEARCHERS: Registry[type[Searcher]] = Registry(
    "searcher",
    "vitnas.searchers",
    {
        "agemoea2": "vitnas.nas.searchers.agemoea2:AGEMOEA2",
        "evolution": "vitnas.nas.searchers.constrained:ConstrainedEvolution",
        "exhaustive": "vitnas.nas.searchers.exhaustive:Exhaustive",
        "gp": "vitnas.nas.searchers.gaussian_process:GaussianProcess",
        "growth": "vitnas.nas.searchers.growth:Growth",
        "linas": "vitnas.nas.searchers.linas:Linas",
        "local": "vitnas.nas.searchers.local_search:LocalSearch",
        "nsga2": "vitnas.nas.searchers.nsga2:NSGA2",
        "nsga3": "vitnas.nas.searchers.nsga3:NSGA3",
        "programme": "vitnas.nas.searchers.programme:Programme",
        "random": "vitnas.nas.searchers.random_search:RandomSearch",
        "regularised": "vitnas.nas.searchers.regularised:RegularisedEvolution",
        "slimming": "vitnas.nas.searchers.slimming:Slimming",
        "tpe": "vitnas.nas.searchers.tpe:TPE",
    },
)

__all__ = ["SEARCHERS", "Searcher"]
