"""The network of an arch at its precisions: made once from the folded one, kept in a file, and read again to be verified."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from vitnas.deployment.compressed.executed import Executed, Kept, StoredProduct
from vitnas.deployment.compressed.qdq import at_precision, executed_layers
from vitnas.deployment.settings import LEAST, Level
from vitnas.deployment.verification import answers
from vitnas.errors import ExportError
from vitnas.files import BLANK, KEY, check_seal, seal_bytes, write_bytes
from vitnas.search_spaces import Blueprint, Compressed, SearchSpace
from vitnas.search_spaces.answers import CLASS, metric_of
from vitnas.search_spaces.precision import Precision
from vitnas.supernets.goals import goal_of
from vitnas.supernets.precision.ladder import ladder
from vitnas.supernets.precision.quantised import precisions_of

EXECUTED = "executed.safetensors"
"""What the layers of an exported network multiply that are not in float."""
_HEADER = "vitnas-executed"


@dataclass(frozen=True, eq=False)
class Reference:
    """A network at its precisions.

    Attributes:
        network: what files are held against, with pairs of quantise and dequantise.
        executed: what its layers multiply that are not in float, by site.
        simulated: the same with operands rounded in float, as networks are judged in a search.
    """

    network: nn.Sequential
    executed: Mapping[str, Executed]
    simulated: nn.Sequential

    @classmethod
    def of(cls, folded: nn.Sequential, executed: Mapping[str, Executed]) -> Reference:
        """Made again from what its layers multiply: without the bytes that convolutions give, they are as they were simulated."""
        in_float = {site: one.giving({}) for site, one in executed.items()}
        return cls(at_precision(folded, executed), executed, at_precision(folded, in_float))

    def report(self, level: Level, val: tuple[Tensor, Tensor, Tensor], answer: str = CLASS) -> dict[str, Any]:
        """What a report says of it.

        Args:
            level: of the ladder.
            val: images, the answers of the network in float, and truths.
            answer: what is asked.
        """
        (x, expected, truth), score, metric = val, goal_of(answer).score, metric_of(answer)
        return {
            "file": EXECUTED,
            "level": level,
            "layers": {site: str(one.precision) for site, one in self.executed.items()},
            "out_of": len(self.network),
            "num_images": len(truth),
            f"float_{metric}": score(expected, truth),
            f"simulated_{metric}": score(answers(self.simulated, x), truth),
            f"reference_{metric}": score(answers(self.network, x), truth),
        }


def check_level(level: Level, space: SearchSpace) -> None:
    """Refuses work on rounded layers where no arch has any."""
    if level != LEAST and not isinstance(space, Compressed):
        raise ExportError(
            f"[export] quantise '{level}' is for layers that an arch has at other precisions, and in space '{space.name}' all are in "
            "float; leave it out, or export an arch of `vitnas search --compress`. Formats that make all layers int8 choose ranges by themselves"
        )


def reference(folded: nn.Sequential, blueprint: Blueprint, images: Tensor, level: Level) -> Reference | None:
    """The network at the precisions of its blueprint; None where all of that is float.

    Args:
        folded: as `fold` gives it.
        blueprint: whose precisions count.
        images: for calibration, (N, C, H, W), normalised.
        level: of the ladder, see `ladder`.
    """
    precisions = precisions_of(blueprint)
    if not precisions:
        return None
    rounded = ladder(folded, precisions, images, level)
    executed = executed_layers(folded, rounded.network, images)
    return Reference(at_precision(folded, executed), executed, rounded.network)


def write_executed(executed: Mapping[str, Executed], path: Path) -> None:
    """Writes what layers multiply."""
    tensors = {name: value.contiguous() for site, one in executed.items() for name, value in _tensors(site, one)}
    codes = {
        site: [{"taken": p.taken, "given": p.given, "in_blocks": p.kept.in_blocks} for p in one.products]
        for site, one in executed.items()
    }
    header = {"precision": {site: str(one.precision) for site, one in executed.items()}, "codes": codes}
    write_bytes(path, seal_bytes(save(tensors, {_HEADER: json.dumps(header), KEY: BLANK})))


def _tensors(site: str, one: Executed) -> Iterator[tuple[str, Tensor]]:
    for number, product in enumerate(one.products):
        parts = {"values": product.kept.values, "scales": product.kept.scales, "bias": product.bias}
        yield from ((f"{site}/{number}/{part}", value) for part, value in parts.items() if value is not None)
    for number, (weight, bias) in one.norms.items():
        yield f"{site}/norm{number}/weight", weight
        if bias is not None:
            yield f"{site}/norm{number}/bias", bias


def read_executed(path: Path) -> dict[str, Executed]:
    """What a file of `write_executed` holds."""
    try:
        check_seal(path)
        with safe_open(path, "pt") as content:
            header: dict[str, Any] = json.loads(content.metadata()[_HEADER])
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 -- it is no dict
        return {
            site: _executed(site, name, header["codes"][site], tensors) for site, name in header["precision"].items()
        }
    except Exception as error:  # whatever a file makes of it that vitnas did not write
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ExportError(f"'{path}' does not say what is executed ({reason}); export the network anew") from error


def _executed(site: str, precision: str, codes: list[dict[str, Any]], tensors: Mapping[str, Tensor]) -> Executed:
    products = []
    for number, one in enumerate(codes):
        values, scales, bias = (tensors.get(f"{site}/{number}/{part}") for part in ("values", "scales", "bias"))
        assert values is not None
        taken, given = (None if one[part] is None else (one[part][0], one[part][1]) for part in ("taken", "given"))
        products.append(StoredProduct(Kept(values, scales, one["in_blocks"]), bias, taken, given))
    norms = {
        int(name.split("/")[1].removeprefix("norm")): (weight, tensors.get(name.removesuffix("weight") + "bias"))
        for name, weight in tensors.items()
        if name.startswith(f"{site}/norm") and name.endswith("/weight")
    }
    return Executed(Precision.of(precision), tuple(products), norms)
