"""From scenes to pixels, at any size, with edges as wide as a pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.supernets.data.shapes.scenes import OUTLINES, PATTERNS, Scenes

NOISE = 0.15
"""Half the width of the noise on each pixel and channel, which is even."""

Plane = NDArray[np.float32]
"""A number for each pixel of each scene, (N, H, W)."""

HALF_SQRT_3 = np.float32(0.75**0.5)


def render(scenes: Scenes, size: int) -> NDArray[np.uint8]:
    """The pictures of some scenes, (N, 3, size, size)."""
    figure, pattern = (part[:, None] for part in (covered(scenes, size), patterned(scenes, size)))
    ground, paint, ink = (c[:, :, None, None].astype(np.float32) for c in (scenes.ground, scenes.paint, scenes.ink))
    picture = paint + (ink - paint) * pattern
    picture = ground + (picture - ground) * figure + _noise(scenes, size)
    return np.rint(np.clip(picture, 0, 1) * np.float32(255)).astype(np.uint8)


def covered(scenes: Scenes, size: int) -> Plane:
    """How much of each pixel the figure covers, 0..1: its mask."""
    u, v = _places(scenes, size)
    radius = _column(scenes.radius)
    u, v = u / radius, v / radius
    distance = np.empty_like(u)
    for number, name in enumerate(OUTLINES):
        mine = scenes.outline == number
        distance[mine] = _distance(name, u[mine], v[mine])
    return np.clip(np.float32(0.5) - distance * radius * np.float32(size), 0, 1)


def patterned(scenes: Scenes, size: int) -> Plane:
    """How much of each pixel the pattern would cover if the figure were everywhere, 0..1."""
    period = _column(scenes.period)
    across, down = (
        _bars(place / period + _column(scenes.phase[:, axis]), period * np.float32(size))
        for axis, place in enumerate(_places(scenes, size))
    )
    chequered = _column(scenes.pattern == PATTERNS.index("chequered"))
    return across + chequered * down * (1 - 2 * across)


def _places(scenes: Scenes, size: int) -> tuple[Plane, Plane]:
    """Where the middle of each pixel lies, seen from the figure: from its centre and along its own axes."""
    middles = ((np.arange(size) + 0.5) / size).astype(np.float32)
    x = middles[None, None, :] - _column(scenes.centre[:, 0])
    y = middles[None, :, None] - _column(scenes.centre[:, 1])
    cos, sin = _column(np.cos(scenes.turn)), _column(np.sin(scenes.turn))
    return cos * x + sin * y, cos * y - sin * x


def _distance(outline: str, u: Plane, v: Plane) -> Plane:
    """How far a place lies outside an outline of radius 1, less than 0 inside. Their areas differ."""
    across, down = np.abs(u), np.abs(v)
    match outline:
        case "disc":
            found = np.sqrt(u * u + v * v) - np.float32(0.9)
        case "square":
            found = np.maximum(across, down) - np.float32(0.8)
        case "triangle":
            found = np.maximum(v, HALF_SQRT_3 * across - v / 2) - np.float32(0.6)
        case "cross":
            arm = np.float32(0.25)
            found = np.maximum(np.minimum(across, down) - arm, np.maximum(across, down) - 1)
        case "ring":
            found = np.abs(np.sqrt(u * u + v * v) - np.float32(0.8)) - np.float32(0.15)
        case _:
            raise AssertionError(outline)
    return found


def _bars(place: Plane, period: Plane) -> Plane:
    """How much of each pixel bars cover that are half a period wide; `place` in periods, `period` in pixels."""
    wave = 4 * np.abs(place - np.floor(place) - np.float32(0.5)) - 1
    covers: Plane = np.clip(np.float32(0.5) + wave * period / 4, 0, 1)
    return covers


def _noise(scenes: Scenes, size: int) -> NDArray[np.float32]:
    noise = np.empty((len(scenes), 3, size, size), np.float32)
    for row, grain in enumerate(scenes.grain.tolist()):
        np.random.default_rng(grain).random(dtype=np.float32, out=noise[row])
    return (noise - np.float32(0.5)) * np.float32(2 * NOISE)


def _column(values: NDArray[np.generic]) -> Plane:
    return values.astype(np.float32)[:, None, None]
