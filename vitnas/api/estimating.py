"""Estimating what a network would take on a device that is not here."""

from __future__ import annotations

from pathlib import Path

from vitnas.api.archs import OneArch
from vitnas.api.loading import load_arch, load_space
from vitnas.errors import SettingsError
from vitnas.image_size import ImageSize
from vitnas.latency_lut.estimate import load_model
from vitnas.latency_lut.estimate.device import op_shares
from vitnas.latency_lut.estimate.ops import Op
from vitnas.reporting.estimated import NetworkEstimate
from vitnas.search_spaces import SearchSpace

TIMM = "timm:"


def estimate(
    network: SearchSpace | str | Path,
    arch: OneArch | None = None,
    device: str = "iphone12",
    *,
    image_size: ImageSize | None = None,
) -> NetworkEstimate:
    """Estimates the latency of a network on a device that nobody connected, with the interval of nine true values in ten.

    Args:
        network: a space, its name or file, with an arch; "timm:NAME" for a timm model as it is deployed; or an ONNX file.
        arch: of the space.
        device: one that `vitnas devices` calls estimated.
        image_size: side of the images in pixels, or height and width, unless an ONNX file fixes it.
    """
    model = load_model(device)
    of_space = isinstance(network, SearchSpace) or not (
        str(network).startswith(TIMM) or Path(network).suffix == ".onnx"
    )
    if of_space != (arch is not None):
        raise SettingsError("say what to estimate: a space with an arch, 'timm:NAME', or an ONNX file, each alone")
    name, kinds, ops = _of_space(network, arch, image_size) if arch is not None else _of_file(str(network), image_size)
    found = model.estimate(ops, device)
    return NetworkEstimate(name, model, found, op_shares(kinds, found.op_ms.tolist()))


def _of_space(
    network: SearchSpace | str | Path, arch: OneArch, image_size: ImageSize | None
) -> tuple[str, list[str], list[Op]]:
    from vitnas.latency_lut.estimate.networks import layer_ops

    space = load_space(network, image_size=image_size)
    chosen = load_arch(space, arch)
    layers = [(spec.kind, layer_ops(spec)) for spec in space.lower(chosen)]
    name = f"{space.name} {chosen.id if chosen is arch else arch}"
    return name, [kind for kind, each in layers for _ in each], [op for _, each in layers for op in each]


def _of_file(network: str, image_size: ImageSize | None) -> tuple[str, list[str], list[Op]]:
    if network.startswith(TIMM):
        from vitnas.latency_lut.estimate.networks import timm_ops

        name = network.removeprefix(TIMM)
        ops = timm_ops(name, image_size)
    else:
        from vitnas.latency_lut.estimate.onnx import onnx_ops

        if image_size is not None:
            raise SettingsError("image_size is fixed in an ONNX file; export it at the size you mean")
        name, ops = Path(network).name, onnx_ops(Path(network))
    return name, [op.kind for op in ops], ops
