"""Artefacts of an export: the folded network, and its file in each format, both held against the network."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitnas.deployment.compressed.limits import limits_at
from vitnas.deployment.compressed.proof import proof_of
from vitnas.deployment.compressed.qdq import precisions_of
from vitnas.deployment.exporters import Exporter, Facts
from vitnas.deployment.exporters.exporter import size_bytes
from vitnas.deployment.folding import fold
from vitnas.deployment.verification import answers, blame, compare, differences, first_line
from vitnas.errors import ExportError
from vitnas.files import disk_troubles, refuse_full
from vitnas.files.temporary import temporary_folder
from vitnas.latency_lut.runtimes.saturation import WeightRange
from vitnas.search_spaces.answers import CLASS

MOST_FOLDING_DIFFERENCE = 5e-5
"""Between a network and its folded form, in units of the logits (see `Parity`): exact but for the rounding of fp32."""


def folded(network: nn.Module, example: Tensor, x: Tensor, expected: Tensor) -> nn.Sequential:
    """The network as it is deployed, held against its answers as it was."""
    deployed = fold(network, example)
    few = slice(0, 16)
    most = float(differences(expected[few], answers(deployed, x[few])).max())
    if not most <= MOST_FOLDING_DIFFERENCE:
        raise ExportError(
            f"the folded network differs from the network by {most:.3g}, over the limit of "
            f"{MOST_FOLDING_DIFFERENCE:.3g}; report this as a bug with the arch file"
        )
    return deployed


def write_artefact(
    exporter: Exporter,
    network: nn.Sequential,
    example: Tensor,
    val: tuple[Tensor, Tensor, Tensor],
    facts: Facts,
    folder: Path,
    in_float: Tensor | None = None,
) -> dict[str, Any]:
    """One artefact in the folder, verified; its part of the report.

    Args:
        exporter: of its format.
        network: as it is deployed, at its precisions.
        example: for the exporter.
        val: images, the answers of the network, and labels.
        facts: that travel inside.
        folder: takes it.
        in_float: the answers of the network in float, where its precisions make others of them.
    """
    where = f"arch {facts.arch_id}, format '{exporter.name}'"
    x, expected, truth = val
    try:
        with disk_troubles(folder):
            path = exporter.export(network, example, facts, folder)
            found = exporter.run(path, x)
    except OSError:
        raise  # the disk, not the network
    except Exception as error:  # converters raise whatever they like, on a full disk too
        for place in (folder, Path(tempfile.gettempdir())):
            refuse_full(place)
        reason = _blame(exporter, network, example, facts) or first_line(error)
        raise ExportError(f"{where}: {reason}; choose another format or another arch") from error
    weights, proof = exporter.weights() or _asked_weights(network), {}
    limits = exporter.limits
    if precisions_of(network):
        strays = exporter.strays(path, network)
        limits = limits_at(limits, expected if in_float is None else in_float, expected)
        for site, reason in strays.items():
            raise ExportError(
                f"{where}: layer '{site}' ({network.get_submodule(site).spec.key}) is not computed as asked: {reason}; "  # type: ignore[union-attr]
                "choose another format, or an arch with this layer in float"
            )
        proof = {
            "layers": proof_of(network, strays),
            "rounds_besides": exporter.rounds_besides(path, network),
            "latency_ms": exporter.latency_ms(path, x[:1]),
            "threads": torch.get_num_threads(),
        }
    parity = compare(expected, found, truth, facts.answer or CLASS)
    breaches = parity.breaches(limits)
    if breaches:
        saturated = None if weights is None else exporter.saturated(weights.bits)
        culprit = saturated or _blame(exporter, network, example, facts) or "no layer strays when exported alone"
        raise ExportError(
            f"{where}: {'; '.join(breaches)}; {culprit}. Nothing was written; choose another format or another arch"
        )
    return {
        "file": path.name,
        "size_bytes": size_bytes(path),
        **parity.to_json(),
        **({} if weights is None else {"int8": asdict(weights)}),
        **proof,
        "limits": {**asdict(limits), "hold": not breaches},
    }


def _asked_weights(network: nn.Module) -> WeightRange | None:
    """How wide the weights are that an arch has multiplied in integers."""
    bits = [one.weight_bits for one in precisions_of(network).values() if one.integer]
    return WeightRange(max(bits), "as the arch says") if bits else None


def _blame(exporter: Exporter, network: nn.Module, example: Tensor, facts: Facts) -> str | None:
    """Which layer it is; a layer alone is no classifier, so it has no labels."""
    with temporary_folder() as scratch:
        part = replace(facts, labels=())
        return blame(exporter, network, example[:8], part, exporter.limits.max_difference, scratch)
