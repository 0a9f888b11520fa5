"""Shared ranges: what some archs of a supernet saw, by which all of them are judged at their precisions while a search goes on.

They lie in the run, with a digest of the weights and of the images that they were measured with. Where either is another one
now, they are measured anew: it takes seconds, and nothing rests on them but evaluations that name the same weights.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from vitnas.errors import DataError
from vitnas.files import BLANK, KEY, check_seal, refuse_other, seal_bytes, write_bytes
from vitnas.files.whole import sha256
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Blueprint, SearchSpace
from vitnas.search_spaces.covering import covering, layers_in, layers_of
from vitnas.supernets.data import Images
from vitnas.supernets.precision.operands import calls_of
from vitnas.supernets.precision.products import Place
from vitnas.supernets.precision.quantised import precisions_of, quantised
from vitnas.supernets.precision.ranges import BATCH_SIZE, NUM_IMAGES, Histogram, Ranges, calibrate
from vitnas.supernets.recalibration import recalibrate
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.compensated import digest

NUM_ARCHS, MOST_BESIDE = 8, 32
"""Archs that ranges are measured on, and how many beside them at most for layers that few archs have."""
_HEADER = "vitnas-ranges"


@dataclass(frozen=True, eq=False)
class SharedRanges:
    """What was seen at the products of shared layers.

    Attributes:
        seen: by the key of a layer in `Supernet.layers` with its number of products, and the number of the product.
        num_images: how many images were looked at, by each arch.
        num_archs: by how many archs.
    """

    seen: Mapping[Place, Histogram]
    num_images: int
    num_archs: int = NUM_ARCHS

    def of(self, network: nn.Module, blueprint: Blueprint) -> Ranges | None:
        """Those of the network of an arch; None if it makes a product that was not seen."""
        keys = _keys(network, blueprint)
        if any(key not in self.seen for key in keys.values()):
            return None
        return Ranges({place: self.seen[key] for place, key in keys.items()}, self.num_images)


def at_precisions(
    network: nn.Sequential, blueprint: Blueprint, train: Images, shared: SharedRanges | None = None
) -> nn.Sequential:
    """The network of an arch, its layers at the precisions of its blueprint.

    Args:
        network: in float, with statistics of its own.
        blueprint: whose precisions count.
        train: training images, on some of which ranges are measured where they are not known.
        shared: known ranges.
    """
    precisions = precisions_of(blueprint)
    if not any(precision.integer for precision in precisions.values()):
        return quantised(network, precisions)
    ranges = shared.of(network, blueprint) if shared is not None else None
    if ranges is None:
        ranges = calibrate(network.eval(), _batches(train, network))
    return quantised(network, precisions, ranges)


def measure_ranges(supernet: Supernet, train: Images, seed: int = 0) -> SharedRanges:
    """Runs some images through some archs of a supernet in float, which together have every kind of layer at every site.

    Where that takes more than `MOST_BESIDE` archs besides those that are drawn, layers are left out whose networks then measure
    ranges of their own.

    Args:
        supernet: it is left as it was.
        train: training images, of which a sample is taken.
        seed: of the archs.
    """
    seen: dict[Place, Histogram] = {}
    num_images = 0
    archs = _some_archs(supernet.space, seed)
    for arch in archs:
        network = supernet.extract(arch).eval()
        recalibrate(network, train)
        ranges = calibrate(network, _batches(train, network))
        num_images = ranges.num_images
        for place, key in _keys(network, supernet.space.lower(arch)).items():
            one = ranges.seen[place]
            seen[key] = seen[key].joined(one) if key in seen else one
    return SharedRanges(seen, num_images, len(archs))


def ranges_of(run: RunFolder, supernet: Supernet, train: Images, say: Callable[[str], None]) -> SharedRanges:
    """Those that lie in a run, measured if they are not there, or were measured with other weights or images.

    Args:
        run: of the supernet.
        supernet: with the newest weights.
        train: training images of the run.
        say: told what was measured.
    """
    made_of = measured_on(run, supernet, train)
    known = _load(run.ranges_file, made_of)
    if known is not None:
        return known
    refuse_other(run.ranges_file, _HEADER.encode(), "record of ranges")
    found = measure_ranges(supernet, train)
    _save(run.ranges_file, found, made_of)
    say(f"ranges of activations are those of {found.num_archs} archs on {found.num_images} images: '{run.ranges_file}'")
    return found


def measured_on(run: RunFolder, supernet: Supernet, train: Images) -> dict[str, str]:
    """Digests of all that figures of the networks of a run hang on when they are measured on a sample of `NUM_IMAGES`."""
    return {"weights": digest(supernet), "images": _digest(train), "moments": _moments(run)}


def _moments(run: RunFolder) -> str:
    """What compensates the archs of a run, which are others by it."""
    return sha256(run.moments_file) if run.moments_file.is_file() else "none"


def _some_archs(space: SearchSpace, seed: int) -> list[Arch]:
    """The smallest, the largest, some that are drawn, and some that have the layers which all of these lack."""
    drawn = space.decode(space.genome.sample(NUM_ARCHS - 2, np.random.default_rng([seed, 7])))
    archs = list(dict.fromkeys([space.smallest(), space.largest(), *drawn]))
    lacking = layers_of(space) - {layer for arch in archs for layer in layers_in(space, arch)}
    return [*archs, *itertools.islice(covering(space, lacking, seed), MOST_BESIDE)]


def _batches(train: Images, network: nn.Module) -> list[Tensor]:
    device = next(network.parameters()).device
    return [x.to(device) for x, _ in train.sample(NUM_IMAGES).batches(BATCH_SIZE)]


def _keys(network: nn.Module, blueprint: Blueprint) -> dict[Place, Place]:
    """Where the products of a network are among those of the shared layers."""
    return {
        (site, number): (f"{site}-{spec.kind}:{len(found.calls)}", number)
        for (site, spec), found in zip(blueprint.items(), calls_of(network).values(), strict=True)
        for number in range(len(found.calls))
    }


def _digest(train: Images) -> str:
    found = hashlib.sha256()
    for x, _ in train.sample(NUM_IMAGES).batches(BATCH_SIZE):
        found.update(x.contiguous().numpy().tobytes())
    return found.hexdigest()


def _save(file: Path, ranges: SharedRanges, made_of: Mapping[str, str]) -> None:
    places = list(ranges.seen)
    each = [ranges.seen[place] for place in places]
    told = {"num_images": ranges.num_images, "num_archs": ranges.num_archs}
    header = {**made_of, **told, "places": places, "ends": [(h.low, h.high) for h in each]}
    content = save({"counts": torch.stack([h.counts for h in each])}, {_HEADER: json.dumps(header), KEY: BLANK})
    write_bytes(file, seal_bytes(content))


def _load(file: Path, made_of: Mapping[str, str]) -> SharedRanges | None:
    """What a file holds; None where it holds nothing of use."""
    if not file.is_file():
        return None
    try:
        check_seal(file)
        with safe_open(file, "pt") as content:
            header: dict[str, Any] = json.loads(content.metadata()[_HEADER])
            counts = content.get_tensor("counts")
    except (DataError, SafetensorError, OSError, KeyError, ValueError, TypeError):
        return None
    if any(header.get(name) != value for name, value in made_of.items()):
        return None
    places = [(str(key), int(number)) for key, number in header["places"]]
    seen = {
        place: Histogram(low, high, row) for place, (low, high), row in zip(places, header["ends"], counts, strict=True)
    }
    return SharedRanges(seen, int(header["num_images"]), int(header.get("num_archs", NUM_ARCHS)))
