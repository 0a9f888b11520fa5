"""Which browser a command means: one of the devices by name, or one whose table gets a name of its own."""

from __future__ import annotations

import re

from vitnas.errors import SettingsError
from vitnas.latency_lut.browser.device import Browser, BrowserWebGPU
from vitnas.latency_lut.browser.onnxruntime_web import Backend
from vitnas.latency_lut.devices import DEVICES, OPTIONS, load_device

KINDS: dict[Backend, type[Browser]] = {"wasm": Browser, "webgpu": BrowserWebGPU}
DEVICE_OF = {kind.base: kind for kind in KINDS.values()}


def browser_named(
    device: str | None, runs_by: str | None = None, threads: int | None = None, lan: bool = False, port: int = 0
) -> Browser | None:
    """The browser that is meant; None where another device is.

    Args:
        device: a device's name, such as ``browser-2threads``, or with `runs_by` what the table is to be called.
        runs_by: wasm or webgpu.
        threads: that a call may use.
        lan: whether other machines of the network may open the page.
        port: of the page; 0 takes any that is free.
    """
    told = OPTIONS.fullmatch(device or "")
    base = told["base"] if told is not None and device not in DEVICES else device or ""
    if base in DEVICE_OF:
        if runs_by is not None and KINDS.get(runs_by) is not DEVICE_OF[base]:  # type: ignore[call-overload]
            raise SettingsError(f"--device {device} and --browser {runs_by} are two devices; leave out --browser")
        named = load_device(device or "", threads=threads)
        assert isinstance(named, Browser)
        return type(named)(named.threads, named.batch, lan=lan, port=port)
    if runs_by is None:
        if lan or port:
            raise SettingsError("--lan and --port are for --device browser and for --browser; leave them out")
        return None
    kind = next((kind for name, kind in KINDS.items() if name == runs_by), None)
    if kind is None:
        raise SettingsError(f"--browser {runs_by}: networks run there by one of {', '.join(KINDS)}")
    if device is not None and (
        device in DEVICES or base in DEVICES or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", device)
    ):
        raise SettingsError(
            f"--device {device} names the table of the browser; use lower-case letters, digits, '-', '_' and '.', such as "
            "'pixel-8', and no device of this machine"
        )
    return kind(1 if threads is None else threads, name=device, lan=lan, port=port)
