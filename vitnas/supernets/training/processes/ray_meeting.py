"""Where the workers of a training on Ray meet; Ray's own way opens a store on all interfaces, where anyone may read and write."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path
from typing import Any

from vitnas.supernets.training.processes.meeting import FILE


def meeting(notes: Path, backend: str) -> Any:
    """The `TorchConfig` by which workers meet whenever they start: in a file on one machine, at the first one's address on several.

    Args:
        notes: a folder that all of them see.
        backend: gloo or nccl.
    """
    from ray.train.backend import Backend
    from ray.train.torch import TorchConfig

    class Meet(Backend):  # type: ignore[misc]
        def on_start(self, worker_group: Any, backend_config: Any) -> None:
            if len(set(worker_group.execute(_node))) == 1:
                where = worker_group.execute_single(0, _meeting_file, notes)
            else:
                where = worker_group.execute_single(0, _meeting_address)
            worker_group.execute(_meet_at, where)

    class Meeting(TorchConfig):  # type: ignore[misc]
        @property
        def backend_cls(self) -> type[Backend]:
            return Meet

    return Meeting(backend)


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _meeting_file(notes: Path) -> dict[str, str]:
    folder = notes / f"meeting-{uuid.uuid4().hex}"
    folder.mkdir(mode=0o700)
    return {FILE: str(folder / "store")}


def _meeting_address() -> dict[str, str]:
    import ray

    address = ray.util.get_node_ip_address()
    with socket.create_server((address, 0)) as found:
        return {"MASTER_ADDR": address, "MASTER_PORT": str(found.getsockname()[1])}


def _meet_at(where: dict[str, str]) -> None:
    os.environ.pop(FILE, None)
    os.environ.update(where)
