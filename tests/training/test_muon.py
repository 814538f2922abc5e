"""Laws of Muon."""

import copy

import torch
from torch import nn
from torch.testing import assert_close

from facedial.training.muon import Muon, orthogonal


def test_singular_values_become_alike() -> None:
    torch.manual_seed(0)
    for shape in ((8, 40), (40, 8), (16, 16)):
        matrix = torch.randn(shape)
        values = torch.linalg.svdvals(orthogonal(matrix).float())
        assert values.max() < 1.3
        # Of a square matrix some are so small that the series has not lifted them yet.
        assert values.median() > 0.6
    # And the directions stay: of a matrix that is orthogonal already, hardly anything changes.
    turned, _ = torch.linalg.qr(torch.randn(12, 12))
    left, _, right = torch.linalg.svd(orthogonal(turned).float())
    assert_close((left @ right) @ turned.T, torch.eye(12), atol=0.05, rtol=0)


def test_steps_are_as_large_as_adams() -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(16, 32, 3)
    before = network.weight.detach().clone()
    optimiser = Muon(network.parameters(), lr=1e-2)
    network(torch.randn(4, 16, 8, 8)).square().mean().backward()
    optimiser.step()
    size = (network.weight.detach() - before).square().mean().sqrt()
    assert 0.1 * 1e-2 < float(size) < 0.4 * 1e-2
    assert_close(optimiser.state[network.bias]["step"], torch.tensor(1.0))  # Adam's


def test_what_is_no_matrix_takes_adams_steps() -> None:
    torch.manual_seed(0)
    one = nn.BatchNorm1d(6)
    other = copy.deepcopy(one)
    pairs = [
        (one, Muon(one.parameters(), lr=1e-2, betas=(0.9, 0.99))),
        (other, torch.optim.Adam(other.parameters(), lr=1e-2, betas=(0.9, 0.99))),
    ]
    for i in range(5):
        x = torch.randn(10, 6, generator=torch.Generator().manual_seed(i))
        for network, optimiser in pairs:
            optimiser.zero_grad()
            (network(x) - 1).abs().mean().backward()
            optimiser.step()
    assert_close(one.weight, other.weight)
    assert_close(one.bias, other.bias)


def test_it_learns_and_can_be_stored() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 10)
    wanted = x @ torch.randn(10, 4)
    network = nn.Linear(10, 4)
    optimiser = Muon(network.parameters(), lr=0.3)

    def steps(network: nn.Module, optimiser: torch.optim.Optimizer, count: int) -> float:
        loss = torch.zeros(())
        for _ in range(count):
            optimiser.zero_grad()
            loss = (network(x) - wanted).square().mean()
            loss.backward()
            optimiser.step()
        return float(loss.detach())

    first = steps(network, optimiser, 1)
    assert steps(network, optimiser, 60) < 0.1 * first
    again, other = copy.deepcopy(network), None
    other = Muon(again.parameters(), lr=0.3)
    other.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    steps(network, optimiser, 3)
    steps(again, other, 3)
    assert_close(again.weight, network.weight)
