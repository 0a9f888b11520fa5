"""The moments of a run: kept beside its checkpoints, so that all that is cut out of it is compensated alike."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vitnas.errors import CheckpointError, DataError
from vitnas.files import BLANK, KEY, check_seal, refuse_other, seal_bytes, write_bytes
from vitnas.run import RunFolder
from vitnas.supernets.compensation import Compensation, ProductMoments
from vitnas.supernets.supernet import Supernet

_HEADER = "vitnas-moments"


def save_compensation(run: RunFolder, net: Supernet, compensation: Compensation) -> None:
    """Writes what was measured on the weights of a run; from now on its archs are compensated wherever they are used."""
    refuse_other(run.moments_file, _HEADER.encode(), "record of moments")
    tensors: dict[str, Tensor] = {f"power:{key}": power for key, power in compensation.powers.items()}
    tensors |= {f"left:{key}": power for key, power in compensation.left.items()}
    products: list[dict[str, Any]] = []
    for key, each in compensation.products.items():
        for product in each:
            at = len(products)
            products.append(
                {
                    "layer": key,
                    "weight": product.weight,
                    "bias": product.bias,
                    "answers": product.answers,
                    "inputs": product.inputs,
                }
            )
            tensors |= {
                f"mean:{at}": product.mean, f"covariance:{at}": product.covariance, f"gain:{at}": product.gain
            }  # fmt: skip
    header = {"weights": digest(net), "num_images": compensation.num_images, "products": products}
    content = save({n: t.contiguous() for n, t in tensors.items()}, {_HEADER: json.dumps(header), KEY: BLANK})
    write_bytes(run.moments_file, seal_bytes(content))


def load_compensation(run: RunFolder, net: Supernet) -> Compensation | None:
    """What was measured on the weights of a run; None where nothing was, refused where the weights are others now."""
    file = run.moments_file
    if not file.is_file():
        return None
    try:
        check_seal(file)
        found, measured_on = _read(file)
    except (DataError, SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"'{file}' cannot be read: {error}; delete it, and measure anew with compensate = true"
        ) from None
    if measured_on != digest(net):
        raise CheckpointError(
            f"'{file}' was measured on other weights than the newest of run '{run.path}', which has been trained since; "
            "delete it, and measure anew with compensate = true where archs shall be compensated"
        )
    return found


def _read(file: Path) -> tuple[Compensation, str]:
    with safe_open(file, "pt") as content:
        header = json.loads(content.metadata()[_HEADER])
        products: dict[str, tuple[ProductMoments, ...]] = {}
        for at, told in enumerate(header["products"]):
            tensors = (content.get_tensor(f"{name}:{at}") for name in ("mean", "covariance", "gain"))
            answers, inputs = (tuple(map(int, told[name])) for name in ("answers", "inputs"))
            one = ProductMoments(told["weight"], told["bias"], answers, inputs, *tensors)
            products[told["layer"]] = (*products.get(told["layer"], ()), one)
        powers, left = (
            {n.partition(":")[2]: content.get_tensor(n) for n in content.keys() if n.startswith(prefix)}  # noqa: SIM118
            for prefix in ("power:", "left:")
        )
    return Compensation(products, powers, int(header["num_images"]), left), header["weights"]


def digest(net: Supernet) -> str:
    """Of all weights and statistics."""
    found = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
