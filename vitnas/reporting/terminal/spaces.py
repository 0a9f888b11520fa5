"""What a search space holds, as data and as a table."""

from __future__ import annotations

import itertools
from typing import Any

from vitnas.image_size import in_words
from vitnas.quantities import format_count
from vitnas.reporting.terminal.tables import console, print_table
from vitnas.search_spaces import SPACES, SearchSpace, load_space
from vitnas.supernets.counting.cache import count_specs
from vitnas.supernets.counting.counts import Counts


def list_spaces() -> list[dict[str, Any]]:
    """Every space with its size and the range of its networks."""
    return [describe_space(load_space(name)) for name in SPACES]


def describe_space(space: SearchSpace) -> dict[str, Any]:
    """Genes, exact size, smallest and largest counts, published archs and an example."""
    ends = {"smallest": space.smallest(), "largest": space.largest()}
    blueprints = {end: space.lower(arch) for end, arch in ends.items()}
    # Of a space from a file every layer is looked at: nobody has tested that all of them can be built.
    specs = space.lowering.specs if space.source else tuple(itertools.chain(*blueprints.values()))
    each = dict(zip(specs, count_specs(space, specs), strict=True))
    counts = {end: Counts.over(each[spec] for spec in blueprint) for end, blueprint in blueprints.items()}
    return {
        "name": space.name,
        "task": {
            "image_size": space.task.image_size,
            "in_channels": space.task.in_channels,
            "num_classes": space.task.num_classes,
        },
        "size": space.genome.size(),
        "genes": [
            {
                "name": gene.name,
                "choices": list(gene.choices),
                **({"per": gene.per} if gene.per else {}),
                **({"when": {"gene": gene.when[0], "is": list(gene.when[1])}} if gene.when else {}),
                **({"at_least": gene.at_least} if gene.at_least else {}),
            }
            for gene in space.all_genes
        ],
        **{end: {"num_params": total.num_params, "macs": total.macs} for end, total in counts.items()},
        "published": list(space.published()),
        "example": ends["smallest"].to_json(),
    }


def print_spaces(spaces: list[dict[str, Any]]) -> None:
    rows = []
    for space in spaces:
        low, high, task = space["smallest"], space["largest"], space["task"]
        rows.append(
            (
                space["name"],
                ", ".join(space["published"]) or "-",
                f"{in_words(task['image_size'])}x{task['in_channels']}",
                f"{space['size']:.1e}",
                *(f"{format_count(low[name], 3)}-{format_count(high[name], 3)}" for name in ("num_params", "macs")),
            )
        )
    print_table(["space", "published archs"], ["image", "archs", "parameters", "MACs"], rows)


def print_space(space: dict[str, Any]) -> None:
    task = space["task"]
    print(f"{space['name']}: {space['size']:,} archs")
    print(f"for {in_words(task['image_size'])}x{task['in_channels']} images, {task['num_classes']} classes")
    print_table(["gene", "choices", "how many"], [], [_gene_cells(gene) for gene in space["genes"]])
    for end in ("smallest", "largest"):
        counts = space[end]
        print(f"{end + ':':10}{counts['num_params']:,} parameters, {format_count(counts['macs'])} MACs")
    print(f"{'published:':10} {', '.join(space['published']) or 'none'}")
    print("an arch file:")
    console().print_json(data=space["example"], indent=None)


def _gene_cells(gene: dict[str, Any]) -> tuple[str, str, str]:
    rule = f"one per {gene['per']}" if "per" in gene else "one"
    if "when" in gene:
        rule += f", where {gene['when']['gene']} is {' or '.join(map(str, gene['when']['is']))}"
    if "at_least" in gene:
        rule += f", not below {gene['at_least']}"
    return gene["name"], " ".join(map(str, gene["choices"])), rule
