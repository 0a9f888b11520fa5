"""World: the processes that train one supernet together, each on its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch import distributed as dist

from vitnas.errors import SettingsError, TrainingError
from vitnas.supernets.training.processes.meeting import meet

PATIENCE = timedelta(hours=2)
"""How long a process waits for the others, which wait while the first one evaluates."""

BUCKET = 2**23
"""Numbers that are averaged at a time; bounds the memory that averaging takes."""


class LostWorldError(TrainingError):
    """Another process of the world is gone, or never came, for a reason that only it knows."""


Indices = TypeVar("Indices", NDArray[np.int64], Tensor)


@dataclass(frozen=True)
class World:
    """One of `size` processes that train together; alone unless told otherwise.

    Weights agree in all of them because each starts from the same ones and adds the same averaged gradient. Statistics
    of batch-norms are each process's own and may differ: nobody reads them before they are measured anew.

    Attributes:
        rank: which process this is, from 0.
        size: how many there are.
        device: where this process computes.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def share(self, indices: Indices) -> Indices:
        """The part of a batch that falls to this process; all parts are of one size."""
        part, rest = divmod(len(indices), self.size)
        if rest or not part:
            raise SettingsError(
                f"a batch of {len(indices)} images does not divide among {self.size} processes; "
                f"choose a batch_size that is a multiple of {self.size}"
            )
        return indices[self.rank * part : (self.rank + 1) * part]

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Leaves in every process the gradient of the whole batch, as if one process had seen it.

        A parameter that only some processes touched counts as zero in the others; one that none touched keeps no
        gradient at all, so that neither momentum nor weight decay move it.
        """
        if self.size == 1:
            return
        own = [p for p in parameters if p.requires_grad]
        touched = torch.tensor([p.grad is not None for p in own], dtype=torch.int32, device=self.device)
        self._sum(touched)
        live = [p for p, count in zip(own, touched.tolist(), strict=True) if count]
        for p in live:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        # Stable, and the same in all processes: parameters of one type keep their order.
        for _, alike in groupby(sorted(live, key=lambda p: str(p.dtype)), key=lambda p: p.dtype):
            for bucket in _buckets(alike):
                gradients = [p.grad for p in bucket if p.grad is not None]
                flat = torch.cat([g.reshape(-1) for g in gradients])
                self._sum(flat)
                flat /= self.size
                for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
                    gradient.copy_(mean.view_as(gradient))

    def mean(self, values: Sequence[float]) -> list[float]:
        """The mean of each number over the processes; one that is not finite anywhere is not finite anywhere else."""
        if self.size == 1 or not values:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        self._sum(sums)
        return [float(value) for value in (sums / self.size).tolist()]

    def barrier(self) -> None:
        """Waits until every process is here."""
        self.mean([0.0])

    def _sum(self, numbers: Tensor) -> None:
        try:
            dist.all_reduce(numbers)
        except RuntimeError as error:
            raise lost(error) from None


def lost(error: RuntimeError) -> LostWorldError:
    """What is told when the other processes do not answer any more."""
    return LostWorldError(
        f"process {dist.get_rank()} of {dist.get_world_size()} lost the others: {error}; see what they said, "
        f"then go on from the last checkpoint with --resume"
    )


@contextmanager
def join_world(device: torch.device | str = "cpu") -> Iterator[World]:
    """The world that torchrun or Ray Train put this process in, else a world of its own.

    Args:
        device: "cpu", "cuda" or one GPU by number; of several processes each takes the GPU of its local rank.
    """
    wanted = torch.device(device)
    rank, size = from_environment()
    if dist.is_initialized():  # by whoever calls
        yield World(dist.get_rank(), dist.get_world_size(), _own_device(wanted))
    elif size == 1:
        yield World(device=wanted)
    else:
        own = _own_device(wanted)
        backend = "nccl" if own.type == "cuda" else "gloo"
        try:
            store = meet(rank, size, PATIENCE)
            dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
        except (RuntimeError, ValueError, OSError) as error:
            raise LostWorldError(
                f"process {rank} of {size} cannot join the others: {error}; start all with torchrun or with --workers"
            ) from None
        try:
            yield World(rank, size, own)
        finally:
            dist.destroy_process_group()


def from_environment() -> tuple[int, int]:
    """Rank and number of processes; (0, 1) where nobody set them."""
    rank, size = _whole("RANK", 0), _whole("WORLD_SIZE", 1)
    if not 0 <= rank < size:
        raise SettingsError(
            f"RANK={rank} and WORLD_SIZE={size} do not go together; start with torchrun, or unset them both"
        )
    return rank, size


def _own_device(wanted: torch.device) -> torch.device:
    """This process's GPU among those of its machine; made the current one."""
    if wanted.type != "cuda":
        return wanted
    local, visible = _whole("LOCAL_RANK", 0), torch.cuda.device_count()
    if visible == 1:  # whoever started the processes showed each its own
        local = 0
    if local >= visible:
        raise SettingsError(
            f"process {local} of this machine finds {visible} GPUs; start at most one process a GPU, or train on 'cpu'"
        )
    device = torch.device("cuda", local)
    torch.cuda.set_device(device)
    return device


def _whole(name: str, otherwise: int, environment: Mapping[str, str] = os.environ) -> int:
    value = environment.get(name, str(otherwise))
    if not value.isdecimal():
        raise SettingsError(f"the environment says {name}={value!r}; it must be a whole number, or be unset")
    return int(value)


def _buckets(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    bucket: list[nn.Parameter] = []
    count = 0
    for parameter in parameters:
        bucket.append(parameter)
        count += parameter.numel()
        if count >= BUCKET:
            yield bucket
            bucket, count = [], 0
    if bucket:
        yield bucket


__all__ = ["LostWorldError", "World", "from_environment", "join_world", "lost"]
