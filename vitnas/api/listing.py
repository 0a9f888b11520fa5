"""Names: what each table of this package, and of the packages that add to it, has."""

from __future__ import annotations


def list_spaces() -> list[str]:
    """Names of search spaces, for `load_space`."""
    from vitnas.search_spaces import SPACES

    return SPACES.names()


def list_datasets() -> list[str]:
    """Names of data sets; any folder or file of images serves as well."""
    from vitnas.supernets.data import DATASETS

    return DATASETS.names()


def list_layers() -> list[str]:
    """Kinds of layers, mixers among them."""
    from vitnas.supernets.layers import LAYERS

    return LAYERS.names()


def list_samplers() -> list[str]:
    """Names of samplers, for ``TrainSettings(sampler=...)``."""
    from vitnas.supernets.training.samplers import SAMPLERS

    return SAMPLERS.names()


def list_devices() -> list[str]:
    """Names of devices, for `profile` and `search`; options may follow a name, such as ``cpu-2threads``."""
    from vitnas.latency_lut.devices import DEVICES

    return DEVICES.names()


def list_predictors() -> list[str]:
    """Names of predictors, for `fit_predictor` and ``SearchSettings(predictor=...)``."""
    from vitnas.predictors import PREDICTORS

    return PREDICTORS.names()


def list_proxies() -> list[str]:
    """Names of training-free scores, for `score`; assemblies of several among them."""
    from vitnas.predictors.proxies import PROXIES
    from vitnas.predictors.proxies.aggregate import ASSEMBLIES

    return sorted([*PROXIES, *ASSEMBLIES])


def list_searchers() -> list[str]:
    """Names of searchers, for ``SearchSettings(searcher=...)``."""
    from vitnas.nas.searchers import SEARCHERS

    return SEARCHERS.names()


def list_loggers() -> list[str]:
    """Names of places where metrics go, for ``TrainSettings(loggers=...)`` and those of searches and exports."""
    from vitnas.loggers import LOGGERS

    return LOGGERS.names()


def list_exporters() -> list[str]:
    """Names of formats, for ``ExportSettings(formats=...)``."""
    from vitnas.deployment.exporters import EXPORTERS

    return EXPORTERS.names()
