"""Trying an exported network: a page on which a browser classifies photographs with it."""

from vitnas.deployment.trial.trial import TryPage

__all__ = ["TryPage"]
