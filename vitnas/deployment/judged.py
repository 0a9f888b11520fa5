"""How good a network is, as its report tells it: under the name of its metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitnas.search_spaces.answers import metrics
from vitnas.supernets.judgement import ACCURACY

Found = Mapping[str, Any]


def metric_in(report: Found) -> str:
    """The name of the metric; a report that tells none is of a network that names classes."""
    return str(report.get("metric", ACCURACY))


def judged_in(report: Found) -> Found:
    """What a report says of validation and test images, see `accuracies`."""
    found: Found = report[metric_in(report)]
    return found


def title_in(report: Found) -> str:
    """The metric as people call it."""
    metric = metric_in(report)
    return metrics().get(metric, metric)
