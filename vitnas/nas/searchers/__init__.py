"""Searchers: which architectures to look at next, one file each, by ask and tell."""

from __future__ import annotations

from vitnas.nas.searchers.searcher import Searcher
from vitnas.registry import Registry

SEARCHERS: Registry[type[Searcher]] = Registry(
    "searcher",
    "vitnas.searchers",
    {
        "exhaustive": "vitnas.nas.searchers.exhaustive:Exhaustive",
        "nsga2": "vitnas.nas.searchers.nsga2:NSGA2",
        "random": "vitnas.nas.searchers.random_search:RandomSearch",
    },
)

__all__ = ["SEARCHERS", "Searcher"]
