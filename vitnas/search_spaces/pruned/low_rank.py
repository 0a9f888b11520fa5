"""The forms of low rank of the layers of plain transformers."""

from __future__ import annotations

from vitnas.search_spaces.blueprint import LayerSpec, Scalar


def low_rank(spec: LayerSpec) -> LayerSpec:
    """The same layer at full rank in the kind whose rank may shrink, or the layer itself where there is none."""
    attrs: dict[str, Scalar] = dict(spec.attrs)
    kept = {name: attrs[name] for name in ("norm", "act") if name in attrs}
    width = spec.in_shape[-1]
    if spec.kind == "feed_forward":
        own = {"hidden": spec["hidden"], "rank": min(width, spec["hidden"])}
        return LayerSpec.of("low_rank_feed_forward", spec.in_shape, spec.out_shape, **own, **kept)
    plain = spec.kind == "attention" and not attrs["reach"]
    if plain or (spec.kind == "slim_attention" and attrs["key_width"] == attrs["value_width"] == attrs["head_width"]):
        own = {"heads": spec["heads"], "head_width": spec["head_width"], "rank": width}
        return LayerSpec.of("low_rank_attention", spec.in_shape, spec.out_shape, **own, **kept)
    return spec
