"""Which archs keep the limits, how fast they are on the devices, and what a training step of each costs here."""
