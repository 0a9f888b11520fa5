"""The layers that the contracts look at: those of every registered space, and some written by hand.

A kind of layer that a registered space uses is found here by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from vitnas.errors import SpaceError
from vitnas.search_spaces import SPACES, LayerSpec, SearchSpace, Task, load_space
from vitnas.supernets.layers import LAYERS

IMAGE_SIZES = (32, 64, 128, 224)
BY_HAND: dict[str, list[list[LayerSpec]]] = {
    "attention": [
        [
            LayerSpec.of("attention", (10, width), (10, width), heads=heads, head_width=head_width, reach=reach)
            for width, heads, head_width, reach in [(12, 1, 4, 1), (20, 3, 4, 1), (24, 2, 8, 1)]
        ],
        [
            LayerSpec.of("attention", (7, width), (7, width), heads=heads, head_width=4, reach=0)
            for width, heads in [(8, 2), (8, 1), (16, 3)]
        ],
    ],
    "attention_classifier": [
        [
            LayerSpec.of(
                "attention_classifier", (5, w), (3,), heads=h, head_width=4, hidden=n, act="gelu-tanh", norm="layer"
            )
            for w, h, n in [(8, 2, 12), (8, 1, 6), (12, 3, 16)]
        ],
    ],
    "channel_embedding": [
        [
            LayerSpec.of("channel_embedding", (3, 4, 6), (19 + r, width), patch=2, registers=r)
            for width, r in [(8, 2), (12, 0), (16, 3)]
        ],
        [LayerSpec.of("channel_embedding", (c, 4, 4), (1 + 4 * c, 8), patch=2) for c in (1, 3)],
    ],
    "classifier": [
        [LayerSpec.of("classifier", (5, width), (3,), pool="class") for width in (4, 12, 8)],
        [LayerSpec.of("classifier", (5 + r, width), (3,), pool="mean", registers=r) for width, r in [(4, 2), (12, 0)]],
        [
            LayerSpec.of("classifier", (5, w), (3,), pool="mean", class_token=False, pool_first=True, norm="layer")
            for w in (4, 8)
        ],
    ],
    "mask_head": [
        [
            LayerSpec.of("mask_head", (7, width), (3, 8, 12), hidden=6, factor=2, before=1, height=2)
            for width in (8, 4, 12)
        ],
        [LayerSpec.of("mask_head", (w, h, 2), (3, 8, 8), hidden=4, factor=4, height=h) for w, h in [(8, 2), (4, 2)]],
        [LayerSpec.of("mask_head", (9, w), (2, 6, 6), hidden=4, factor=1, height=3) for w in (4, 8)],
    ],
    "global_exit": [
        [
            LayerSpec.of("global_exit", (17, w), (3,), leading=1, heads=h, head_width=4, stride=2)
            for w, h in [(8, 1), (12, 3), (8, 2)]
        ],
        [LayerSpec.of("global_exit", (w, 4, 4), (3,), heads=2, head_width=4, stride=1) for w in (8, 12)],
    ],
    "local_exit": [
        [LayerSpec.of("local_exit", (9 + r, w), (3,), leading=r) for w, r in [(8, 1), (12, 2)]],
        [LayerSpec.of("local_exit", (w, 4, 6), (3,)) for w in (8, 12)],
    ],
    "feed_forward": [
        [LayerSpec.of("feed_forward", (5, w), (5, w), hidden=h, act=act, norm="layer") for w, h in [(8, 12), (6, 8)]]
        for act in ("quick-gelu", "gelu-tanh")
    ],
    "depthwise_downsampling": [
        [LayerSpec.of("depthwise_downsampling", (w, 5, 4), (2 * w, 3, 2)) for w in (4, 6)],
    ],
    "flexible_patch_embedding": [
        [
            LayerSpec.of(
                "flexible_patch_embedding", (3, 8, 12), (1 + r + 96 // p**2, w), patch=p, kernel=4, registers=r
            )
            for w, r in [(8, 2), (12, 0), (16, 1)]
        ]
        for p in (2, 4)
    ],
    "idle_feed_forward": [
        [
            LayerSpec.of("idle_feed_forward", (5, w), (5, w), hidden=h, active=a)
            for w, h, a in [(8, 24, 6), (6, 24, 18), (8, 16, 16)]
        ],
        [LayerSpec.of("idle_feed_forward", (5, w), (5, w), hidden=2 * w, active=0) for w in (6, 8)],
    ],
    "low_rank_attention": [
        [
            LayerSpec.of("low_rank_attention", (5, w), (5, w), heads=h, head_width=4, rank=r, norm="layer")
            for w, h, r in [(8, 2, 3), (8, 1, 8), (12, 3, 12)]
        ],
    ],
    "low_rank_feed_forward": [
        [
            LayerSpec.of("low_rank_feed_forward", (5, w), (5, w), hidden=h, rank=r, act="quick-gelu", norm="layer")
            for w, h, r in [(8, 12, 2), (6, 8, 6), (8, 16, 8)]
        ],
    ],
    "patch_embedding": [
        [
            LayerSpec.of("patch_embedding", (3, 4, 6), (7 + r, width), patch=2, registers=r)
            for width, r in [(8, 2), (12, 0), (16, 3)]
        ],
        [
            LayerSpec.of(
                "patch_embedding", (3, 4, 6), (6 + r, w), patch=2, registers=r, class_token=False, norm="layer"
            )
            for w, r in [(8, 0), (12, 2)]
        ],
        [LayerSpec.of("patch_embedding", (3, 4, 6), (7, w), patch=2, positions=False) for w in (8, 12)],
    ],
    "recursive_block": [
        [
            LayerSpec.of(
                "recursive_block", (4 * h, 2, 4), (4 * h, 2, 4), heads=h, head_width=4, hidden=n, loops=r, slices="2.4"
            )
            for h, n, r in [(2, 12, 3), (1, 8, 1), (3, 6, 2)]
        ],
        [
            LayerSpec.of(
                "recursive_block", (8, 2, 2), (8, 2, 2), heads=2, head_width=4, hidden=6, loops=r, projection=p
            )
            for r, p in [(2, 4), (1, 6)]
        ],
    ],
    "rotary_attention": [
        [
            LayerSpec.of(
                "rotary_attention", (11, w), (11, w), heads=h, head_width=8, key_width=8, value_width=v, leading=2
            )
            for w, h, v in [(8, 2, 8), (12, 3, 6)]
        ],
    ],
    "slim_attention": [
        [
            LayerSpec.of("slim_attention", (7, w), (7, w), heads=h, head_width=8, key_width=k, value_width=v)
            for w, h, k, v in [(8, 2, 8, 8), (8, 1, 4, 2), (12, 3, 2, 6)]
        ],
    ],
    "windowed_attention": [
        [
            LayerSpec.of(
                "windowed_attention",
                (first + 8, w),
                (first + 8, w),
                heads=h,
                head_width=4,
                windows=n,
                columns=c,
                leading=first,
            )
            for w, h, n, c, first in [(12, 1, 2, 4, 1), (20, 3, 1, 1, 3), (24, 2, 2, 4, 2)]
        ],
    ],
    "residual_map": [
        [LayerSpec.of("residual_map", (7, w), (7, w)) for w in (8, 5)],
        [LayerSpec.of("residual_map", (w, 4, 6), (w, 4, 6)) for w in (8, 3)],
    ],
    "stitch": [
        [LayerSpec.of("stitch", (7, w), (7, out), rank=r) for w, out, r in [(8, 12, 2), (12, 8, 3), (8, 8, 1)]],
    ],
}
"""Kind -> groups of specs that stand at one site; for kinds or attributes that no space uses yet."""


@dataclass(frozen=True)
class Example:
    """A few specs of one site, and the spec that holds the weights of all."""

    label: str
    specs: tuple[LayerSpec, ...]

    @property
    def largest(self) -> LayerSpec:
        return LayerSpec.join(self.specs)

    @property
    def kind(self) -> str:
        return self.specs[0].kind


def small_space(name: str) -> SearchSpace:
    """A registered space on the smallest images that it can tile."""
    for size in IMAGE_SIZES:
        space = load_space(name, Task(image_size=size, num_classes=10, in_channels=3))
        try:
            space.lowering  # noqa: B018
        except SpaceError:
            continue
        return space
    raise AssertionError(f"space '{name}' takes none of the image sizes {IMAGE_SIZES}; add one that it takes")


def _of_spaces() -> list[Example]:
    """For every way of being a layer that some space uses: the site with the most different layers, small ones first."""
    found: dict[tuple[object, ...], tuple[tuple[int, int], Example]] = {}
    for name in SPACES:
        for site, specs in small_space(name).lowering.specs_at().items():
            for kind in dict.fromkeys(spec.kind for spec in specs):
                own = tuple(spec for spec in specs if spec.kind == kind)
                way, rank = _way(own[0]), (-len(own), sum(own[-1].in_shape + own[-1].out_shape))
                if way not in found or rank < found[way][0]:
                    found[way] = rank, Example(f"{name}-{site}-{kind}", _few(own))
    return [example for _, example in found.values()]


def _way(spec: LayerSpec) -> tuple[object, ...]:
    """What decides which code of a kind runs: words, switches (numbers that are zero or not), tokens or a map."""
    switches = ((name, value if isinstance(value, str) else bool(value)) for name, value in spec.attrs)
    return spec.kind, *switches, len(spec.in_shape)


def _few(specs: tuple[LayerSpec, ...]) -> tuple[LayerSpec, ...]:
    return tuple(dict.fromkeys((specs[0], specs[len(specs) // 2], specs[-1])))


EXAMPLES = [
    *_of_spaces(),
    *(Example(f"{kind}-{i}", tuple(g)) for kind, groups in BY_HAND.items() for i, g in enumerate(groups)),
]


def examples_of(kind: str) -> list[Example]:
    found = [example for example in EXAMPLES if example.kind == kind]
    if not found:
        pytest.fail(
            f"no registered space uses the layer kind '{kind}', so no contract looks at it; "
            "use it in a space, or add specs of it to BY_HAND in tests/contracts/layer_examples.py"
        )
    return found


KINDS = LAYERS.names()


def each_example() -> pytest.MarkDecorator:
    """Parametrizes a test with `example`; the fast tier takes the smallest of every kind."""
    smallest = {example.kind: example for example in sorted(EXAMPLES, key=_size, reverse=True)}
    values = [pytest.param(e, id=e.label, marks=[] if smallest[e.kind] is e else pytest.mark.heavy) for e in EXAMPLES]
    return pytest.mark.parametrize("example", values)


def _size(example: Example) -> int:
    return sum(math.prod(spec.in_shape) + math.prod(spec.out_shape) for spec in example.specs)
