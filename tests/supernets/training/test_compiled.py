from __future__ import annotations

import pytest
import torch

from vitnas.search_spaces import SearchSpace, load_space
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training import compiled
from vitnas.supernets.training.compiled import CompiledArchs


@pytest.mark.heavy
@pytest.mark.parametrize("end", ["smallest", "largest"])
@pytest.mark.parametrize("constants", [False, True])
def test_a_compiled_arch_gives_the_same_output_and_gradients(
    small_space: SearchSpace, monkeypatch: pytest.MonkeyPatch, end: str, constants: bool
) -> None:
    compile_ = torch.compile
    # Everything of torch.compile but the last stage, which needs a C++ compiler and minutes.
    monkeypatch.setattr(compiled.torch, "compile", lambda call, **how: compile_(call, backend="aot_eager", **how))
    space = load_space("autoformer-mini", small_space.task) if constants else small_space  # of relative positions
    arch = space.smallest() if end == "smallest" else space.largest()
    net = Supernet(space).train()
    calls = CompiledArchs(net, [arch])
    assert arch in calls
    assert (space.smallest() if end == "largest" else space.largest()) not in calls
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
