from __future__ import annotations

import pytest
import torch

from vitnas.search_spaces import SearchSpace
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training import compiled
from vitnas.supernets.training.compiled import CompiledArchs


@pytest.mark.heavy
def test_a_compiled_arch_gives_the_same_output_and_gradients(
    small_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_ = torch.compile
    # Everything of torch.compile but the last stage, which needs a C++ compiler and minutes.
    monkeypatch.setattr(compiled.torch, "compile", lambda call, **how: compile_(call, backend="aot_eager", **how))
    arch, net = small_space.smallest(), Supernet(small_space).train()
    calls = CompiledArchs(net, [arch])
    assert arch in calls
    assert small_space.largest() not in calls
    x = torch.randn(4, 1, 8, 8)
    found = calls(x, arch)
    found.square().sum().backward()
    gradients = {name: p.grad for name, p in net.named_parameters()}
    net.zero_grad()
    expected = net(x, arch)
    expected.square().sum().backward()
    torch.testing.assert_close(found, expected)
    for name, p in net.named_parameters():
        if p.grad is None:
            assert gradients[name] is None
        else:
            torch.testing.assert_close(gradients[name], p.grad)
