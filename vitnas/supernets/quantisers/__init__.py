"""Quantisers that were published for vision transformers, one file each; most of them no runtime executes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitnas.registry import Registry

if TYPE_CHECKING:
    from vitnas.supernets.quantisers.quantiser import Quantiser

QUANTISERS: Registry[type[Quantiser]] = Registry(
    "quantiser",
    "vitnas.quantisers",
    {
        "adalog": "vitnas.supernets.quantisers.adalog:AdaLog",
        "codebook": "vitnas.supernets.quantisers.codebook:Codebook",
        "dual_clip": "vitnas.supernets.quantisers.dual_clip:DualClip",
        "log2": "vitnas.supernets.quantisers.log2:Log2",
        "log_sqrt2": "vitnas.supernets.quantisers.log_sqrt2:LogSqrt2",
        "power_of_two": "vitnas.supernets.quantisers.power_of_two:PowerOfTwo",
        "shifted": "vitnas.supernets.quantisers.shifted:Shifted",
        "sulq": "vitnas.supernets.quantisers.sulq:ShiftUniformLog2",
        "tangent": "vitnas.supernets.quantisers.tangent:Tangent",
        "twin": "vitnas.supernets.quantisers.twin:Twin",
        "uniform": "vitnas.supernets.quantisers.uniform:UniformQuantiser",
    },
)
