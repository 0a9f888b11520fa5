"""ONNX Runtime: the one converter from modules to ONNX files, and how their sessions are opened."""

from __future__ import annotations

import itertools
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from vitnas.errors import DeviceError, ExportError
from vitnas.files import write_bytes
from vitnas.files.temporary import temporary_folder
from vitnas.search_spaces import FLOAT, Blueprint, LayerSpec
from vitnas.supernets.supernet import deployed_network

INPUT, OUTPUT = "image", "logits"
"""The names of a graph's input and output, in layers as in whole networks."""
OPSET = 20
"""The set of operators of every graph: chains mix layers of both converters."""


def to_onnx(
    module: nn.Module,
    example: Tensor,
    path: Path,
    dynamic_batch: bool = False,
    source: str = INPUT,
    outputs: Sequence[str] = (OUTPUT,),
) -> None:
    """Writes a module as one ONNX file, weights included.

    Args:
        module: takes one tensor and gives one, or a tuple; it is exported in evaluation mode and left as it was.
        example: an input ``(B, ...)``; only its shape and type matter.
        path: the file to write.
        dynamic_batch: leaves the batch size open instead of fixing it to B.
        source: the name of what it takes.
        outputs: the names of what it gives.
    """
    # torch.export takes a batch of one for a constant, so an open batch is traced with two.
    traced = torch.cat([example, example])[:2] if dynamic_batch else example
    dynamic = ({0: torch.export.Dim("batch")},) if dynamic_batch else None
    were_training = {part for part in module.modules() if part.training}
    module.eval()
    try:
        with _quiet(), torch.no_grad(), temporary_folder() as folder:
            draft = folder / "graph.onnx"
            torch.onnx.export(
                module,
                (traced,),
                draft,
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=[source],
                output_names=list(outputs),
                dynamic_shapes=dynamic,
                opset_version=OPSET,
            )
            content = draft.read_bytes()
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(
            f"'{path.name}': the ONNX exporter of torch {torch.__version__} cannot convert this module: {error}; "
            "find the operator it names and write it another way"
        ) from error
    finally:
        for part in were_training:
            part.training = True
    write_bytes(path, content)


def trace_to_onnx(module: nn.Module, example: Tensor, path: Path) -> bool:
    """Writes what `to_onnx` writes, fifty times faster, by running the module once and noting what it does.

    After ONNX Runtime's own optimisation both graphs run the same operators (a test holds this), up
    to reshapes that move no data; the file itself has more nodes, so it serves to measure, not to deploy.

    Returns:
        Whether that worked; a few operators are known to the slow converter only.
    """
    module.eval()
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                module,
                (example,),
                path,
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
            )
    except (torch.onnx.OnnxExporterError, RuntimeError):
        path.unlink(missing_ok=True)
        return False
    return True


def open_session(
    path: Path,
    threads: int,
    providers: Sequence[str | tuple[str, dict[str, object]]] = ("CPUExecutionProvider",),
    without: Sequence[str] = (),
    optimised: Path | None = None,
) -> onnxruntime.InferenceSession:
    """A session as deployments and measurements use it: all graph optimisations, operators in order.

    Idle worker threads sleep instead of spinning, so that one session does not slow what runs next
    to it; with more than one thread each call then pays some microseconds to wake them.

    Args:
        path: an ONNX file.
        threads: that one operator may use.
        providers: what runs the operators, the preferred first, as ONNX Runtime names them.
        without: optimisers to leave out, as ONNX Runtime names them.
        optimised: where to write the graph that the session really runs.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    if not path.is_file():
        raise DeviceError(f"'{path}' does not exist; write it with `vitnas export`, or check the path")
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=list(providers), disabled_optimizers=list(without)
        )
    except Exception as error:  # onnxruntime raises bare C++ exceptions of many types
        raise DeviceError(f"ONNX Runtime {onnxruntime.__version__} cannot load '{path}': {error}") from error


def executed_operators(path: Path, without: Sequence[str] = ()) -> Counter[str]:
    """How often a session of this file runs each operator on a processor, after all optimisations."""
    with temporary_folder() as folder:
        optimised = folder / "optimised.onnx"
        open_session(path, 1, without=without, optimised=optimised)
        return Counter(node.op_type for node in onnx.load(optimised).graph.node)


class BlueprintFiles:
    """ONNX files of blueprints with random weights, for measuring.

    Each distinct layer is converted once; a network is its layers' graphs in a chain. Converting
    the network as a whole gives the same operators (a test holds this) and takes far longer.
    """

    def __init__(self, folder: Path, batch: int = 1, seed: int = 0) -> None:
        self.folder = folder
        self.batch = batch
        self.seed = seed
        self._layers: dict[LayerSpec, Path] = {}
        self._slow_kinds: set[str] = set()
        self._count = 0

    def file(self, blueprint: Blueprint) -> Path:
        """The file of a blueprint; the empty blueprint gives a graph that only hands its input on.

        The file of a network is there until the next network's takes its place.
        """
        if len(blueprint) == 1:
            return self._layer(blueprint.layers[0])
        path = self.folder / "network.onnx"  # one at a time: a hundred would fill the disk
        graphs = [onnx.load(path) for path in self._links(blueprint)]
        # Nothing here outlives this process, so nothing needs to reach the disk.
        path.write_bytes((_chain(graphs) if graphs else _identity()).SerializeToString())
        return path

    def _links(self, blueprint: Blueprint) -> list[Path]:
        """The files that the chain is made of."""
        return [self._layer(spec) for spec in blueprint]

    def _layer(self, spec: LayerSpec) -> Path:
        if spec.precision != FLOAT.name:
            raise DeviceError(f"layer '{spec.key}' cannot be measured here, as this runtime computes in one precision")
        if spec not in self._layers:
            path = self._new_path()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                network = deployed_network(Blueprint.single(spec))
            example = torch.zeros(self.batch, *spec.in_shape)
            if spec.kind in self._slow_kinds or not trace_to_onnx(network, example, path):
                self._slow_kinds.add(spec.kind)
                to_onnx(network, example, path)
            self._layers[spec] = path
        return self._layers[spec]

    def _new_path(self) -> Path:
        self._count += 1
        return self.folder / f"{self._count}.onnx"


def _chain(graphs: list[Any]) -> Any:
    """One model of several, each fed by the one before; every copy keeps its own weights."""
    first, *_, last = named = [onnx.compose.add_prefix(g, f"{i}/") for i, g in enumerate(graphs)]
    for before, after in itertools.pairwise(named):
        _rename(after.graph, after.graph.input[0].name, before.graph.output[0].name)
    _rename(first.graph, first.graph.input[0].name, INPUT)
    _rename(last.graph, last.graph.output[0].name, OUTPUT)
    graph = onnx.helper.make_graph(
        [node for model in named for node in model.graph.node],
        "network",
        [first.graph.input[0]],
        [last.graph.output[0]],
        [weight for model in named for weight in model.graph.initializer],
    )
    return onnx.helper.make_model(graph, opset_imports=first.opset_import, ir_version=first.ir_version)


def _rename(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    for value in (*graph.input, *graph.output):
        if value.name == old:
            value.name = new


def _identity() -> Any:
    value, result = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1]) for n in (INPUT, OUTPUT))
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", [INPUT], [OUTPUT])], "nothing", [value], [result])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporter's notes about itself (missing torchvision, deprecations) from users."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
