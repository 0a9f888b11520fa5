"""Where processes listen for connections, as Linux tells it."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

LISTEN = "0A"
"""The state of a socket in ``/proc/net/tcp`` that waits for connections."""


def listening(pid: int) -> set[tuple[str, int]]:
    """Addresses and ports at which a process or any process below it listens over TCP."""
    sockets = _sockets()
    found = set()
    for each in _family(pid):
        with suppress(OSError):  # it has ended
            for file in Path(f"/proc/{each}/fd").iterdir():
                with suppress(OSError):  # it is closed
                    if (name := os.readlink(file)) in sockets:
                        found.add(sockets[name])
    return found


def off_loopback(places: set[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those that other machines can reach."""
    return {(address, port) for address, port in places if not _is_loopback(address)}


def _is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _sockets() -> dict[str, tuple[str, int]]:
    found = {}
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == LISTEN:
                address, _, port = local.partition(":")
                words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
                raw = b"".join(struct.pack("=I", word) for word in words)
                found[f"socket:[{rest[5]}]"] = (socket.inet_ntop(family, raw), int(port, 16))
    return found


def _family(pid: int) -> list[int]:
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found
