"""A cascade decides for each image by itself, and answers as the archs that it is made of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitnas.search_spaces import Cascade, load_space, with_exits
from vitnas.search_spaces.cascades.prefixes import prefixes
from vitnas.supernets.cascades.answers import answers_of
from vitnas.supernets.cascades.network import CascadeNetwork, PartNetwork, cascade_network
from vitnas.supernets.cascades.rules import RULES
from vitnas.supernets.data import load_dataset
from vitnas.supernets.supernet import Supernet

SPACE = with_exits(load_space("autoformer-mini"), (1, 2), ("local", "global"))
DEEP = SPACE.arch(width=48, depth=4, mlp_ratio=(2.0,) * 4, heads=(2,) * 4)
LOW, MIDDLE = (
    next(a for a in prefixes(SPACE, DEEP) if a["depth"] == d and a["exit"] == k)
    for d, k in ((1, "local"), (2, "global"))
)
LITTLE = SPACE.arch(width=64, depth=3, mlp_ratio=(2.0,) * 3, heads=(2,) * 3)
GROUPS = {"depth": (LOW, MIDDLE, DEEP), "big-little": (LITTLE, DEEP), "both": (LOW, LITTLE, DEEP)}


@pytest.fixture(scope="module")
def net() -> Supernet:
    torch.manual_seed(0)
    net = Supernet(SPACE, 1).eval()
    with torch.no_grad():
        for name, buffer in net.named_buffers():
            if name in net.state_dict() and buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
    return net


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return load_dataset("digits").val.sample(40).all()[0]


def made(
    net: Supernet, group: str, rule: str = "confidence", thresholds: tuple[float, ...] | None = None
) -> CascadeNetwork:
    archs = GROUPS[group]
    count = len(archs) - 1
    weights = tuple(tuple(torch.linspace(-1, 1, 12).tolist()) for _ in range(count)) if rule == "gate" else ()
    cascade = Cascade.of(SPACE, archs, rule, thresholds or (0.5,) * count, weights=weights)
    return cascade_network(cascade, SPACE, [net.extract(arch).eval() for arch in archs])


def middling(network: CascadeNetwork, images: torch.Tensor) -> CascadeNetwork:
    """With thresholds that about half of the images reach, halfway between two scores."""
    state, values = images, []
    with torch.no_grad():
        for part in list(network.parts)[:-1]:
            assert isinstance(part, PartNetwork)
            given = dict(zip(part.outputs, part(images if part.takes_image else state), strict=True))
            state = given.get("next_state", state)
            scores = given["sure"].double().sort().values
            values.append(float(scores[19] + scores[20]) / 2)
    network.thresholds = tuple(values)
    return network


@pytest.mark.parametrize("rule", list(RULES))
@pytest.mark.parametrize("group", GROUPS)
def test_a_batch_is_decided_as_its_images_are_one_by_one(
    net: Supernet, images: torch.Tensor, group: str, rule: str
) -> None:
    network = middling(made(net, group, rule), images)
    together = network(images)
    alone = [network(image[None]) for image in images]
    assert len(set(together.exits.tolist())) == len(network.parts)
    assert together.exits.tolist() == [int(one.exits) for one in alone]
    torch.testing.assert_close(together.logits, torch.cat([one.logits for one in alone]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("group", GROUPS)
def test_a_threshold_above_one_gives_the_last_arch_to_the_bit(net: Supernet, images: torch.Tensor, group: str) -> None:
    network = made(net, group, thresholds=(1.5,) * (len(GROUPS[group]) - 1))
    found = network(images)
    assert (found.exits == len(network.parts) - 1).all()
    assert torch.equal(found.logits, net.extract(GROUPS[group][-1]).eval()(images))


@pytest.mark.parametrize("group", GROUPS)
def test_every_image_gets_the_answer_of_the_arch_that_it_stops_at(
    net: Supernet, images: torch.Tensor, group: str
) -> None:
    network = middling(made(net, group), images)
    found = network(images)
    with torch.no_grad():
        own = torch.stack([net.extract(arch).eval()(images) for arch in GROUPS[group]])
    torch.testing.assert_close(found.logits, own[found.exits, torch.arange(len(images))], rtol=1e-4, atol=1e-5)


def test_answers_of_many_archs_are_those_of_each(net: Supernet) -> None:
    images = load_dataset("digits").val.sample(30)
    archs = [*GROUPS["both"], MIDDLE]
    networks: list[nn.Module] = [net.extract(arch).eval() for arch in archs]
    logits, labels = answers_of(networks, [SPACE.lower(arch) for arch in archs], images)
    x, y = images.all()
    assert torch.equal(labels, y)
    with torch.no_grad():
        for own, network in zip(logits, networks, strict=True):
            torch.testing.assert_close(own, network(x), rtol=1e-4, atol=1e-5)
