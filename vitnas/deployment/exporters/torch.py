"""PyTorch without vitnas: a `torch.export` program, and the same network as one Python file beside its weights."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import torch
from safetensors.torch import save
from torch import Tensor, nn

from vitnas.deployment.exporters.exporter import Exporter, Facts
from vitnas.deployment.source import write_source
from vitnas.deployment.verification import answers
from vitnas.errors import ExportError
from vitnas.files import write_bytes
from vitnas.search_spaces.precision import Precision

PROGRAM, WEIGHTS, SOURCE = "model.pt2", "weights.safetensors", "network.py"


class Torch(Exporter):
    """A folder: ``model.pt2`` for `torch.export.load`, ``network.py`` with ``build()``, and ``weights.safetensors`` for it."""

    name = "torch"

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        path = folder / "torch"
        path.mkdir()
        state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
        write_bytes(path / WEIGHTS, save(state))
        write_bytes(path / SOURCE, write_source(network, facts, WEIGHTS).encode())
        save_program(network, example, path / PROGRAM, dynamic_batch=True)
        x = example[:8]
        if not torch.equal(answers(_build(path), x), answers(network, x)):
            raise ExportError(
                f"'{SOURCE}' does not answer as the network that it was written from; report this as a bug"
            )
        return path

    def refuses(self, precision: Precision) -> str | None:
        return None  # it computes the very operators that files of runtimes are held against

    def run(self, path: Path, x: Tensor) -> Tensor:
        program = torch.export.load(path / PROGRAM).module(check_guards=False)
        return answers(program, x)

    def usage(self, file: str, shape: tuple[int, ...]) -> str:
        return (
            "import torch\n"
            f'network = torch.export.load("{file}/{PROGRAM}").module()\n'
            f"logits = network(torch.zeros(2, {', '.join(map(str, shape))}))  # {file}/{SOURCE} has the same as plain Python"
        )


def save_program(network: nn.Module, example: Tensor, path: Path, dynamic_batch: bool = False) -> None:
    """Writes a network as a `torch.export` program, which other tools and other versions of Python read.

    Args:
        network: in evaluation mode.
        example: inputs (N, ...), at least two; only their shape matters.
        path: the ``.pt2`` file to write.
        dynamic_batch: leaves the batch size open instead of fixing it to one.
    """
    dynamic = ({0: torch.export.Dim("batch")},) if dynamic_batch else None
    with torch.no_grad():
        program = torch.export.export(network, (example[: 2 if dynamic_batch else 1],), dynamic_shapes=dynamic)
    program._example_inputs = None  # would be pickled
    for part in program.graph_module.modules():
        if isinstance(part, torch.fx.GraphModule):
            for node in part.graph.nodes:  # notes of where vitnas lies on this machine
                for note in ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node"):
                    node.meta.pop(note, None)
    torch.export.save(program, path)


def _build(path: Path) -> nn.Module:
    """The network of the source, which is run without an import: that would leave its bytecode in the folder."""
    source = path / SOURCE
    module = ModuleType("network")
    module.__file__ = str(source)
    exec(compile(source.read_bytes(), str(source), "exec"), module.__dict__)
    network: nn.Module = module.build()
    return network
