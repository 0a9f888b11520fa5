"""Trying an exported network: a page on which a browser classifies photographs with it."""

from vitnas.deployment.trial.trial import Trial

__all__ = ["Trial"]
