"""Meeting: how the processes of a world find each other, on no wider a network than they need."""

from __future__ import annotations

import ipaddress
import os
import socket
from datetime import timedelta

from torch._C._distributed_c10d import FileStore, Store, TCPStore

from vitnas.errors import TrainingError

FILE = "VITNAS_MEETING"
"""The environment's name of a file where processes of one machine meet: only who may enter its folder can take part."""

INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""What gloo and NCCL read to know on which interface they talk."""


def meet(rank: int, size: int, patience: timedelta) -> Store:
    """Where `size` processes tell each other how they can be reached; torch's own store would listen on all interfaces.

    They meet in a file if the environment names one, else at MASTER_ADDR and MASTER_PORT, where the first one listens on
    the interface of that address alone. Under torchrun the store is torchrun's.
    """
    if _on_one_machine(size):
        for name in INTERFACES:
            os.environ.setdefault(name, _loopback())
    if FILE in os.environ:
        return FileStore(os.environ[FILE], size)
    address, port = os.environ.get("MASTER_ADDR", ""), os.environ.get("MASTER_PORT", "")
    if not address or not port.isdecimal():
        raise TrainingError(
            f"process {rank} of {size} cannot find the others: MASTER_ADDR={address!r} and MASTER_PORT={port!r} must name "
            "where the first one listens; start all with torchrun or with --workers"
        )
    if rank or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        return TCPStore(address, int(port), size, False, patience)
    family, _, _, _, place = socket.getaddrinfo(address, int(port), type=socket.SOCK_STREAM)[0]
    if _is_loopback(str(place[0])) and not _on_one_machine(size):  # how some systems resolve their own name
        place = ("", int(port))
    listener = socket.create_server(place[:2], family=family)
    return TCPStore(address, int(port), size, True, patience, master_listen_fd=listener.detach())


def _on_one_machine(size: int) -> bool:
    local = os.environ.get("LOCAL_WORLD_SIZE")
    address = os.environ.get("MASTER_ADDR", "")
    return FILE in os.environ or local == str(size) or (local is None and _is_loopback(address))


def _is_loopback(address: str) -> bool:
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _loopback() -> str:
    """The name of the interface that leads nowhere else."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in names if name in ("lo", "lo0")), "lo")
