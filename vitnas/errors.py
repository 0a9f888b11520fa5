"""The errors vitnas raises: each says where, the rule, the values and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VitnasError(Exception):
    """Root of every error a user can cause; the command line prints it and exits with code 2."""


class MissingPackageError(VitnasError):
    """A package that is not installed, and what installs it."""


class UnknownNameError(VitnasError):
    """A name that is not in a table of names."""


class SpaceError(VitnasError):
    """A search space that contradicts itself."""


class InvalidArchError(VitnasError):
    """An architecture that is not a point of its space."""


class SettingsError(VitnasError):
    """A settings file or flag with a wrong key or value."""


class DataError(VitnasError):
    """Images, labels or a file of data that cannot be used."""


class CheckpointError(VitnasError):
    """A run folder or checkpoint that is missing, damaged or of another space."""


class BusyError(VitnasError):
    """A folder that cannot be written to, or that another process is working in."""


class DiskError(VitnasError, OSError):
    """A file or folder that could not be written; what was there before stays."""


class ForeignFilesError(VitnasError):
    """A folder that holds what vitnas did not write, and so is not replaced."""


class TrainingError(VitnasError):
    """A training that went astray."""


class LoggerError(VitnasError):
    """A place for metrics that cannot be reached."""


class DeviceError(VitnasError):
    """A device, runtime or latency table that cannot answer."""


class SearchError(VitnasError):
    """A search that cannot start or continue as asked."""


class ExportError(VitnasError):
    """An artefact that could not be written or does not match its network."""


def suggest(name: object, known: Iterable[object]) -> str:
    """Ends an error message: what exists, and what was probably meant."""
    names = [str(k) for k in known]
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    have = f"have [{', '.join(names)}]" if names else "there are none"
    return f"{have}." + (f" Did you mean '{near[0]}'?" if near else "")
