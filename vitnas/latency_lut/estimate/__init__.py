"""Estimates for devices that nobody here can touch: operators, a fitted cost of each, and where they would run."""

from vitnas.latency_lut.estimate.model import Estimate, EstimateModel, load_model
from vitnas.latency_lut.estimate.ops import Op
from vitnas.latency_lut.estimate.placement import Flag, Placement, placement

__all__ = ["Estimate", "EstimateModel", "Flag", "Op", "Placement", "load_model", "placement"]
