"""A critic of your own, set against a density ratio that is known: `repbench critic my_critic.py:separable`.

`draw(n)` gives n fresh pairs x, y, float32 (n, dimensions). What is returned scores every x_i with every y_j.
"""

import torch
from torch import nn
from torch.nn import functional

STEPS, BATCH = 1500, 128


def train(f, parameters, draw, rate=3e-3):
    """Minimise InfoNCE in both directions, which leaves only a constant free."""
    optimiser = torch.optim.Adam(parameters, lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    own = torch.arange(BATCH)
    for _ in range(STEPS):
        scores = f(*map(torch.from_numpy, draw(BATCH)))
        loss = (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return lambda x, y: f(torch.from_numpy(x), torch.from_numpy(y)).detach().numpy()


def separable(draw, dimensions):
    """g(x)'h(y), two small networks: the form of CPC and SimCLR without normalisation."""
    torch.manual_seed(0)
    g, h = (nn.Sequential(nn.Linear(dimensions, 128), nn.ReLU(), nn.Linear(128, 32)) for _ in range(2))
    return train(lambda x, y: g(x) @ h(y).T, [*g.parameters(), *h.parameters()], draw)


def cosine(draw, dimensions):
    """Normalised, with temperature 0.1: bounded, so that a strong dependence cannot be told at its scale."""
    torch.manual_seed(0)
    g, h = (nn.Sequential(nn.Linear(dimensions, 128), nn.ReLU(), nn.Linear(128, 32)) for _ in range(2))
    unit = functional.normalize
    return train(lambda x, y: unit(g(x), dim=1) @ unit(h(y), dim=1).T / 0.1, [*g.parameters(), *h.parameters()], draw)


def quadratic(draw, dimensions):
    """x'Wy + a'x² + b'y²: what the log density ratio of Gaussians is, so that it can be learnt exactly."""
    torch.manual_seed(0)
    w = nn.Parameter(torch.zeros(dimensions, dimensions))
    a, b = (nn.Parameter(torch.zeros(dimensions)) for _ in range(2))
    return train(lambda x, y: x @ w @ y.T + (x * x @ a)[:, None] + (y * y @ b)[None], [w, a, b], draw, rate=5e-2)
