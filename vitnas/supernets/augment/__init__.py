"""Augmentation of whole batches on the device of the pixels; every image's change follows from its own seed."""

from vitnas.supernets.augment.batch import RECIPE, augment
from vitnas.supernets.augment.draws import batch_seed_of, seeds_of
from vitnas.supernets.settings.augment import Augment

__all__ = ["RECIPE", "Augment", "augment", "batch_seed_of", "seeds_of"]
