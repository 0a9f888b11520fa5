"""The model card: what stands in `report.json`, for people, in the form that Hugging Face reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vitnas.deployment.accuracies import NO_TEST, images_of
from vitnas.deployment.compressed import figures
from vitnas.deployment.exporters import EXPORTERS
from vitnas.deployment.flips import Flips
from vitnas.deployment.judged import judged_in, metric_in, title_in
from vitnas.deployment.latency_report import COLUMNS as LATENCY_COLUMNS
from vitnas.deployment.latency_report import latency_remarks, latency_rows
from vitnas.latency_lut.runtimes.saturation import FULL_BITS, WeightRange
from vitnas.search_spaces.answers import ANSWERS, CLASS, AnswerKind
from vitnas.supernets.judgement import ACCURACY, interval_of
from vitnas.supernets.weights.exported import input_shape

CARD = "README.md"
DIAGRAM = "network.svg"


def model_card(report: Mapping[str, Any], has_diagram: bool) -> str:
    """Markdown with front matter.

    Args:
        report: as `export` writes it.
        has_diagram: whether `DIAGRAM` lies beside the card.
    """
    return "\n".join(
        [
            *_front_matter(report),
            "",
            f"# {report['space']['name']}, arch {report['arch_id']}",
            "",
            f"{_noun(report)} that `vitnas` {report['vitnas']} found in search space `{report['space']['name']}` and exported "
            f"on {report['date'][:10]}.",
            *(["", f"The arch is {report['chosen']}."] if report.get("chosen") else []),
            *_architecture(report, has_diagram),
            *_data(report),
            *_files(report),
            *_precisions(report),
            *_latency(report),
            *_use(report),
            "",
        ]
    )


def _front_matter(report: Mapping[str, Any]) -> Iterator[str]:
    judged, metric, pipeline = judged_in(report), metric_in(report), _answer(report).pipeline
    test = judged["test"]
    split, value = ("validation", judged["exported"]) if test is None else ("test", test[metric])
    yield from ("---", f"license: {report['licence']}", f"pipeline_tag: {pipeline}")
    yield from ("tags:", "- vision", f"- {pipeline}", "- vitnas")
    yield from ("datasets:", f"- {_yaml(report['dataset'])}", "metrics:", f"- {metric}", "model-index:")
    yield from (f"- name: {_yaml(report['space']['name'] + '-' + report['arch_id'])}", "  results:", "  - task:")
    yield from (f"      type: {pipeline}", "    dataset:", f"      name: {_yaml(report['dataset'])}")
    yield from (f"      type: {_yaml(report['dataset'])}", f"      split: {split}", "    metrics:")
    yield from (f"    - type: {metric}", f"      value: {value:.4f}", "---")


def _answer(report: Mapping[str, Any]) -> AnswerKind:
    return ANSWERS.load(report["task"].get("answer", CLASS))


def _noun(report: Mapping[str, Any]) -> str:
    noun = _answer(report).noun
    return f"{'An' if noun[0] in 'aeiou' else 'A'} {noun}"


def _yaml(text: str) -> str:
    """A string that YAML takes for no number and no date."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _architecture(report: Mapping[str, Any], has_diagram: bool) -> Iterator[str]:
    counts, (channels, *sides) = report["counts"], input_shape(report)
    yield from ("", "## Architecture", "")
    if has_diagram:
        yield from (f"![Its layers from input to output]({DIAGRAM})", "")
    yield (
        f"{counts['num_params'] / 1e6:.2f} M parameters, {counts['macs'] / 1e6:.1f} M multiply-accumulates for one image of "
        f"{'x'.join(map(str, sides))} with {channels} channel(s), {len(report['blueprint'])} layers."
    )
    yield from ("", *_table(("gene", "value"), list(report["arch"]["genes"].items())))


def _data(report: Mapping[str, Any]) -> Iterator[str]:
    norm, judged, metric, title = report["normalisation"], judged_in(report), metric_in(report), title_in(report)
    yield from ("", "## Data and accuracy" if metric == ACCURACY else f"## Data and {title}", "")
    yield (
        f"Trained on {report['dataset']}, {report['task']['num_classes']} classes. A channel is (pixel / 255 - mean) / std with mean "
        f"{_numbers(norm['mean'])} and std {_numbers(norm['std'])}."
    )
    yield ""
    validation, test, std = images_of(judged, "validation"), judged["test"], judged.get("std")
    as_it_is = f"after {report['finetuned_epochs']} epochs by itself" if report["finetuned_epochs"] else "as exported"
    rows = []
    if judged["shared"] is not None:
        interval = interval_of(judged["shared"], judged["num_images"], std)
        rows.append(("on the shared weights", validation, *_cells(judged["shared"], interval)))
    rows.append((as_it_is, validation, *_cells(judged["exported"], judged["interval"])))
    if test is not None:
        rows.append((as_it_is, f"**{images_of(test, 'test')}**", *_cells(test[metric], test["interval"])))
    yield from _table(("network", "images", title, "95 % interval"), rows)
    yield ""
    yield NO_TEST if test is None else "The test images played no part in training, in the search or in this export."


def _cells(value: float, interval: Sequence[float]) -> tuple[str, str]:
    low, high = interval
    return f"{value:.2%}", f"{low:.1%} to {high:.1%}"


def _files(report: Mapping[str, Any]) -> Iterator[str]:
    metric, title, first = metric_in(report), title_in(report), next(iter(report["formats"].values()))
    same = {"num_images": first["num_images"], "out_of": judged_in(report)["out_of"]}
    has = (
        f"has {first[f'{metric}_before']:.2%} of these right"
        if metric == ACCURACY
        else (f"has a {title} of {first[f'{metric}_before']:.2%} on these")
    )
    yield from ("", "## Files", "")
    yield (f"Each was run on {images_of(same, 'validation')} and compared with the network in PyTorch, which {has}.")
    yield ""
    rows = []
    for name, found in report["formats"].items():
        rows.append(
            (
                name,
                f"`{found['file']}`",
                f"{found['size_bytes'] / 1e6:.2f} MB",
                f"{found[f'{metric}_after']:.2%}",
                f"{found['top1_agreement']:.2%}",
                f"{found['max_difference']:.1e}",
                f"{found['mean_difference']:.1e}",
            )
        )
    columns = ("format", "file", "size", title, "same class", "largest difference", "mean difference")
    yield from _table(columns, rows)
    yield ""
    yield "Differences are those of the logits, in units of their root mean square."
    if report.get("flips") is not None:
        where = " This is the network in float." if report.get("compression") else ""
        yield from ("", f"{Flips(**report['flips'])}.{where}")
    for name, found in report["formats"].items():
        if "int8" in found:
            yield from ("", f"`{name}` has {WeightRange(**found['int8'])}.")
    if any(found.get("int8", {}).get("bits") == FULL_BITS for found in report["formats"].values()):
        yield (
            "On x86 processors without VNNI, sums of 8-bit weights saturate, and answers differ; "
            "`vitnas export --int8-range reduced` makes files for those."
        )


def _precisions(report: Mapping[str, Any]) -> Iterator[str]:
    if rows := figures.rows(report):
        yield from ("", "## Precision", "", figures.in_words(report), "")
        yield from _table(figures.columns(report), rows)
        yield ""
        threads = next((found["threads"] for found in report["formats"].values() if "threads" in found), None)
        on = report["processor"] + ("" if threads is None else f", {threads} thread{'s' * (threads != 1)}")
        no_runtime = " No runtime of `coreml` was there: its program was evaluated with PyTorch, and what a phone executes is not known."
        yield (
            f"Simulated is what PyTorch answers with rounded operands, engine what the file answers where it was made, and its "
            f"latency the median of an image there ({on}).{no_runtime * ('coreml' in report['formats'])}"
        )
        for name, found in report["formats"].items():
            if sites := found.get("rounds_besides"):
                yield ""
                yield (
                    f"The runtime of `{name}` also rounds the activations of {len(sites)} layers whose weights alone are in few "
                    f"bits: {', '.join(sites)}."
                )


def _latency(report: Mapping[str, Any]) -> Iterator[str]:
    rows = latency_rows(report)
    if not rows:
        return
    yield from ("", "## Latency", "")
    yield (
        f"One image, milliseconds; measured on {report['processor']}. After ± stands a standard deviation that holds for "
        "another day as well. A reference network tells the speed of the machine: `machine` is how much slower it is than "
        "when the prediction was measured, and the column beside is the measured figure at the speed it had then."
    )
    yield ""
    yield from _table(LATENCY_COLUMNS, rows)
    if remarks := latency_remarks(report):
        yield ""
        yield from (f"- {text}" for text in remarks)


def _use(report: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Use")
    for name, found in report["formats"].items():
        code = EXPORTERS.load(name)().usage(found["file"], input_shape(report)) if name in EXPORTERS else ""
        if code:
            yield from ("", f"`{name}`:", "", "```python", code, "```")


def _numbers(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.4f}' for value in values)})"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
