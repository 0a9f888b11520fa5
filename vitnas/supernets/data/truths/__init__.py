"""Truths other than one class an image, one file each: what data say of images, by their number."""

from __future__ import annotations

from vitnas.supernets.data.truths.truth import IGNORED, Truth

__all__ = ["IGNORED", "Truth"]
