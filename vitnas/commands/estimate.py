"""`vitnas estimate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AsJson, Channels, Classes, ImageSize, emit, given_arch, given_space
from vitnas.errors import SettingsError


def estimate(
    device: Annotated[str, typer.Option(help="One of those that `vitnas devices` calls estimated.")] = "iphone12",
    space: Annotated[str | None, typer.Option(help="Search space or its file, with --arch.")] = None,
    arch: Annotated[str | None, typer.Option(help="Arch file, or the name of a published arch.")] = None,
    timm: Annotated[str | None, typer.Option(help="Name of a timm model, taken as it is deployed.")] = None,
    onnx: Annotated[Path | None, typer.Option(help="ONNX file.")] = None,
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what a network would take on a device that is not here.

    Example: vitnas estimate --device iphone12 --timm fastvit_sa12
    """
    given = [name for name, value in (("--space", space), ("--timm", timm), ("--onnx", onnx)) if value is not None]
    if len(given) != 1 or (arch is None) != (space is None):
        raise SettingsError(
            "say what to estimate: --space SPACE with --arch FILE, or --timm NAME, or --onnx FILE, and only one of them"
        )
    if onnx is not None and image_size is not None:
        raise SettingsError("--image-size is fixed in an ONNX file; export it at the size you mean")
    if space is None and (classes is not None or channels is not None):
        raise SettingsError(f"--classes and --channels go with --space, not with {given[0]}")

    from vitnas.latency_lut.estimate import load_model
    from vitnas.latency_lut.estimate.device import op_shares
    from vitnas.reporting.terminal.estimates import describe_estimate, print_estimate

    model = load_model(device)
    if space is not None:
        assert arch is not None
        from vitnas.latency_lut.estimate.networks import layer_ops

        found = given_space(space, image_size, classes, channels)
        chosen = given_arch(found, arch)
        layers = [(spec.kind, layer_ops(spec)) for spec in found.lower(chosen)]
        name, ops = f"{found.name} {arch}", [op for _, each in layers for op in each]
        kinds = [kind for kind, each in layers for _ in each]
    elif timm is not None:
        from vitnas.latency_lut.estimate.networks import timm_ops

        name, ops = timm, timm_ops(timm, image_size)
        kinds = [op.kind for op in ops]
    else:
        assert onnx is not None
        from vitnas.latency_lut.estimate.onnx import onnx_ops

        name, ops = onnx.name, onnx_ops(onnx)
        kinds = [op.kind for op in ops]
    result = model.estimate(ops, device)
    emit(describe_estimate(model, name, result, op_shares(kinds, result.op_ms.tolist())), as_json, print_estimate)
