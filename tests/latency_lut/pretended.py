"""A device that knows its answers: exact latencies from counts, no clock, no conversion."""

import time

from vitnas.latency_lut.devices import Device
from vitnas.latency_lut.protocol import Timing
from vitnas.supernets.counting.counts import count

OVERHEAD_MS = 0.01
ONCE_MS = 0.2
CONTEXT = 1.25


def layer_ms(spec):
    counts = count([spec])
    return counts.macs / 1e6 + counts.num_params / 1e6


class PretendedDevice(Device):
    """A network costs ONCE_MS + CONTEXT * its layers, so the calibration has an exact answer."""

    name = "pretended"

    def __init__(self, pause_s=0.0, tag="one"):
        self.pause_s = pause_s
        self.tag = tag
        self.asked = []

    def fingerprint(self):
        return {"runtime": "none", "tag": self.tag}

    def time(self, blueprints, settings, reference=None):
        for blueprint in blueprints:
            time.sleep(self.pause_s)
            self.asked.append(blueprint)
            layers = sum(layer_ms(spec) for spec in blueprint)
            ms = OVERHEAD_MS + layers if len(blueprint) < 2 else ONCE_MS + CONTEXT * layers
            yield Timing(ms, 0.01 * ms, 0.99 * ms, 1.02 * ms, settings.blocks, 0.05)


def network_ms(blueprint):
    """What the pretended machine takes for a whole network in a quiet moment."""
    return ONCE_MS + CONTEXT * sum(layer_ms(spec) for spec in blueprint)


class MovingDevice(PretendedDevice):
    """Each sitting, one call of `time`, has the next of some paces: 2.0 is a machine half as fast as at 1.0."""

    def __init__(self, *paces, tag="one", drag=1.0):
        super().__init__(tag=tag)
        self.paces = list(paces)
        self.drag = drag
        self.sittings = 0

    def time(self, blueprints, settings, reference=None):
        pace = self.paces[min(self.sittings, len(self.paces) - 1)]
        self.sittings += 1
        beside_ms = 0.05 if reference is None else network_ms(reference)
        for blueprint in blueprints:
            self.asked.append(blueprint)
            ms = pace * self.drag * network_ms(blueprint)
            yield Timing(ms, 0.01 * ms, 0.99 * ms, 1.02 * ms, settings.blocks, pace * beside_ms)
