"""The students' network as it is, faults included: a mixing matrix on x, y, z and a filter that does not end at the cutoff.

Both break physics (the energy depends on orientation, and jumps where a pair crosses the cutoff); they are reproduced to
the last digit, because judging a model means judging what it computes.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from mdprotocol_plugins.models.mlff_distiller.checkpoint import Sizes

UNIT_EPS = 1e-8


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for k, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        layers += [nn.SiLU()] if k else []
        layers.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*layers)


class RadialBasis(nn.Module):
    """exp(-((d - centre)/width)²), (P,) -> (P, K)."""

    centers: Tensor
    widths: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("centers", torch.zeros(count))
        self.register_buffer("widths", torch.ones(count))

    def forward(self, distance: Tensor) -> Tensor:
        return torch.exp(-(((distance[:, None] - self.centers) / self.widths) ** 2))


class Message(nn.Module):
    """Holds the filter network under its name in the file."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.rbf_to_scalar = _mlp(sizes.radial, sizes.hidden, 3 * sizes.hidden)


class Update(nn.Module):
    """Holds the update network and the 3 x 3 mixing matrix under their names in the file."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.mixing_matrix = nn.Parameter(torch.eye(3))
        self.update_mlp = _mlp(2 * sizes.hidden, sizes.hidden, 3 * sizes.hidden)


class Interaction(nn.Module):
    """One message and one update."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.message = Message(sizes)
        self.update = Update(sizes)

    def forward(self, s: Tensor, v: Tensor, e: Tensor, u: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, Tensor]:
        """s (N, H), v (N, 3, H), e (P, K) filtered basis, u (P, 3) unit vectors i -> j, each pair once."""
        a, b, c = self.message.rbf_to_scalar(e).chunk(3, dim=1)
        along = u[:, :, None] * c[:, None]
        s_new = s.index_add(0, i, s[j] * a).index_add(0, j, s[i] * a)
        v_new = v.index_add(0, i, v[j] * b[:, None] + along).index_add(0, j, v[i] * b[:, None] - along)
        norm = torch.linalg.vector_norm(v_new, dim=1)
        p, q, t = self.update.update_mlp(torch.cat([s_new, norm], dim=1)).chunk(3, dim=1)
        mixed = torch.einsum("xy,nyh->nxh", self.update.mixing_matrix, v_new)
        return s_new + p, v_new * q[:, None] + mixed * t[:, None]


class Student(nn.Module):
    """The network; energies in eV without offset, lengths in Å, open boundaries."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        h = sizes.hidden
        self.cutoff = sizes.cutoff_A
        self.embedding = nn.Embedding(sizes.max_z + 1, h)
        self.rbf = RadialBasis(sizes.radial)
        self.interactions = nn.ModuleList(Interaction(sizes) for _ in range(sizes.blocks))
        self.energy_head = _mlp(h, h // 2, h // 4, 1)

    def energy_and_forces(
        self, numbers: Tensor, positions: Tensor, pairs: Tensor, owner: Tensor, copies: int
    ) -> tuple[Tensor, Tensor]:
        """Energies (B,) eV, summed in float64, and forces -dE/dx (N, 3) eV/Å.

        Args:
            numbers: (N,) atomic numbers.
            positions: (N, 3) Å.
            pairs: (2, P) every pair once; those beyond the cutoff are left out here.
            owner: (N,) copy of each atom.
        """
        with torch.enable_grad():
            x = positions.detach().requires_grad_(True)
            atomic = self._atomic(numbers, x, pairs)
            energy = atomic.new_zeros(copies).index_add(0, owner, atomic)
            (gradient,) = torch.autograd.grad(energy.sum(), x)
        return energy.detach(), -gradient

    def _atomic(self, numbers: Tensor, x: Tensor, pairs: Tensor) -> Tensor:
        dtype = self.embedding.weight.dtype
        i, j = pairs
        r = x[j] - x[i]
        # Not-a-number distances are kept (NaN > cutoff is False), so that a broken geometry gives a broken energy.
        near = ~(torch.linalg.vector_norm(r.detach(), dim=1) > self.cutoff)
        i, j, r = i[near], j[near], r[near]
        distance = torch.linalg.vector_norm(r, dim=1)
        u = (r / (distance + UNIT_EPS)[:, None]).to(dtype)
        d = distance.to(dtype)
        fc = 0.5 * (torch.cos(torch.pi * d / self.cutoff) + 1)
        e = self.rbf(d) * fc[:, None]
        s = self.embedding(numbers)
        v = s.new_zeros(s.shape[0], 3, s.shape[1])
        for interaction in self.interactions:
            s, v = interaction(s, v, e, u, i, j)
        # A sum over no pairs must still depend on x, or a single atom has no gradient.
        return self.energy_head(s).squeeze(1).double() + 0.0 * x.double().sum(dim=1)
