"""Which precisions a search for some devices chooses from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vitnas.errors import DeviceError, UnknownNameError
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.devices.device import Device
from vitnas.search_spaces import FLOAT, Compressed, SearchSpace
from vitnas.search_spaces.files.space_file import SpaceFile


@dataclass(frozen=True)
class Compression:
    """How a space is to be compressed for devices.

    Attributes:
        menu: names of precisions; none for all that the devices have in common.
        simulated: whether precisions may be ones that the devices do not compute, which have no latency then.
    """

    menu: tuple[str, ...] = ()
    simulated: bool = False

    def of(self, space: SearchSpace, devices: Iterable[str | Device]) -> Compressed:
        """The space, with what its file says of precisions, or with the precisions of the devices.

        Args:
            space: to compress; one that is compressed is held against the devices.
            devices: names, or the devices themselves.
        """
        targets = {str(getattr(one, "name", one)): _known(one) if isinstance(one, str) else one for one in devices}
        if isinstance(space.source, SpaceFile) and space.source.plain:
            told = replace(space.source, plain=False).load(space.task)
            space = replace(told, only=(*told.only, *(one for one in space.only if one not in told.only)))
        menu = self.menu or (space.menu if isinstance(space, Compressed) else ())
        if menu and not self.simulated:
            _check(targets, menu)
        if not isinstance(space, Compressed):
            return space.compressed(menu or _common(targets))
        return space if {*menu, FLOAT.name} == {*space.menu} else space.at(menu)


def _check(targets: Mapping[str, Device | None], menu: Iterable[str]) -> None:
    for name, device in targets.items():
        if device is None:
            raise DeviceError(_float_alone(name))
        device.check_precisions(menu)


def _common(targets: Mapping[str, Device | None]) -> list[str]:
    """The precisions that all devices have, float left out."""
    if not targets:
        raise DeviceError(
            "precisions are those of devices, and none is named; name a device, or precisions such as 'w8a8'"
        )
    offered = {name: device.precisions if device is not None else (FLOAT.name,) for name, device in targets.items()}
    for name, precisions in offered.items():
        if not {*precisions} - {FLOAT.name}:
            raise DeviceError(_nothing_else(name, targets[name]))
    common = set.intersection(*({*precisions} for precisions in offered.values())) - {FLOAT.name}
    if not common:
        shown = "; ".join(f"'{name}' has {', '.join(precisions)}" for name, precisions in offered.items())
        raise DeviceError(f"the devices have no precision in common but float: {shown}. Search for one at a time")
    return sorted(common)


def _nothing_else(name: str, device: Device | None) -> str:
    """Why a device has no precision but float, as well as is known."""
    if device is not None and (missing := device.missing()):
        return f"device '{name}' cannot be asked for its precisions here: {missing}"
    return (device and device.why_not("w8a8")) or _float_alone(name)


def _float_alone(name: str) -> str:
    return (
        f"device '{name}' computes layers in float alone, as far as is known here. Name precisions and add --simulate to search "
        "them without latency"
    )


def _known(name: str) -> Device | None:
    try:
        return load_device(name)
    except UnknownNameError:  # it may have a table from elsewhere
        return None
