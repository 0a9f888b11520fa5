"""What kinds of layers say of themselves is so, and what they do not say is not."""

from __future__ import annotations

import torch
from torch import nn

from tests.contracts.layer_examples import Example, each_example
from vitnas.supernets.experts import Experts
from vitnas.supernets.layers import LAYERS, build


@each_example()
def test_a_residual_layer_without_weights_is_the_identity_and_no_other_is(example: Example) -> None:
    """With all weights zero, f of x + f(x) is zero, as it ends in a weight."""
    torch.manual_seed(0)
    for spec in example.specs:
        layer = build(spec).eval()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.zero_()
        x = torch.randn(2, *spec.in_shape)
        y = layer(x)
        assert layer.is_residual() == (y.shape == x.shape and torch.equal(y, x)), spec.key


@each_example()
def test_a_layer_answers_for_each_token_alone_if_and_only_if_it_says_so(example: Example) -> None:
    torch.manual_seed(0)
    spec = max(example.specs, key=lambda s: s.in_shape[-1])
    layer = build(spec).train()  # a batch norm sees other tokens, too
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, (parameter[0].numel() if parameter.ndim > 1 else 4) ** -0.5)
    x = torch.randn(2, *spec.in_shape)
    tokens = x.movedim(2 if x.ndim == 3 else 1, -1).flatten(0, -2)
    if LAYERS.load(spec.kind).per_token:
        experts = Experts(nn.ModuleDict({"it": layer}), 3)
        torch.testing.assert_close(experts.at("it", spec)(x), layer(x), rtol=1e-4, atol=1e-5)
    elif len(tokens) > 2 and spec.in_shape == spec.out_shape:
        changed = x.clone()
        first = changed[:1, :1] if x.ndim == 3 else changed[:1, :, :1, :1]
        first.normal_(0, 3)
        moved = (layer(changed) - layer(x)).movedim(2 if x.ndim == 3 else 1, -1).flatten(0, -2).abs().amax(dim=-1)
        assert (moved[1:] > 0).any(), "it could say that it is per_token"
