"""The PaiNN network in plain torch: energy and forces of many molecules at once, smooth, equivariant, conservative.

After Schütt, Unke and Gastegger, "Equivariant message passing for the prediction of tensorial properties and molecular
spectra", ICML 2021 (arXiv:2102.03150), with six deliberate differences: the filter is a network of the distance alone,
evaluated once for both directions of a pair, so that it can be tabulated; the neighbour's state enters the message as
is (the update network of the block before does the mixing); the cutoff envelope has all derivatives zero at the cutoff
(Unke et al., SpookyNet, Nat. Commun. 12, 7273 (2021), eq. 15); atoms pushed together are pushed apart by a short-range
Ziegler-Biersack-Littmark repulsion; each element carries an energy offset; and norms of vectors may have a round tip.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from ase.data import covalent_radii
from torch import Tensor, nn

COULOMB_EV_A = 14.399645
"""e²/(4 pi eps0) in eV Å."""
ZBL_PREFACTORS = (0.18175, 0.50986, 0.28022, 0.02817)
ZBL_EXPONENTS = (3.19980, 0.94229, 0.40290, 0.20162)
ZBL_LENGTH_A = 0.46850
"""Universal screening: Ziegler, Biersack, Littmark, The Stopping and Range of Ions in Solids (1985)."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network: H hidden, L blocks, K radial functions, F filter width, cutoff in Å, known elements.

    `norm_eps` rounds the tip of the norm of a vector channel, |v| = sqrt(v·v + eps). At a site of high symmetry, such as
    methane's carbon, all of them vanish: with the usual 1e-8 the forces jump there, within a ten-thousandth of an
    ångström, and vibrations about it have no frequency.
    """

    hidden: int
    blocks: int
    radial: int
    filter_width: int
    cutoff_A: float
    elements: tuple[int, ...]
    norm_eps: float = 1e-8


def envelope(distance: Tensor, cutoff: Tensor | float) -> Tensor:
    """exp(-d²/((rc-d)(rc+d))) below the cutoff, 0 beyond; every derivative is 0 at the cutoff. Shape as `distance`."""
    inside = distance < cutoff
    safe = torch.where(inside, distance, torch.zeros_like(distance))
    # exp(-87) is the smallest normal float32: beyond it the envelope is zero, and its derivative stays finite.
    exponent = safe**2 / torch.clamp((cutoff - safe) * (cutoff + safe), min=1e-12)
    return torch.where(inside & (exponent < 80.0), torch.exp(-torch.clamp(exponent, max=80.0)), 0.0)


def radial_basis(distance: Tensor, count: int, cutoff: float) -> Tensor:
    """g_k(d) = sqrt(2/rc) sin(k pi d/rc)/d, k = 1..K (arXiv:2102.03150, eq. 13). (P,) Å -> (P, K)."""
    k = torch.arange(1, count + 1, dtype=distance.dtype, device=distance.device)
    d = distance[:, None]
    return (2.0 / cutoff) ** 0.5 * torch.sin(k * (torch.pi / cutoff) * d) / d


def zbl_energy(z_i: Tensor, z_j: Tensor, radii: Tensor, distance: Tensor) -> Tensor:
    """Screened nuclear repulsion of pairs, eV, switched off at the sum `radii` (P,) of the covalent radii, Å."""
    length = ZBL_LENGTH_A / (z_i**0.23 + z_j**0.23)
    x = distance / length
    screening = sum(a * torch.exp(-b * x) for a, b in zip(ZBL_PREFACTORS, ZBL_EXPONENTS, strict=True))
    return COULOMB_EV_A * z_i * z_j / distance * screening * envelope(distance, radii)


class Block(nn.Module):
    """One message and one update (arXiv:2102.03150, fig. 2)."""

    def __init__(self, hidden: int, radial: int, filter_width: int, norm_eps: float) -> None:
        super().__init__()
        self.norm_eps = norm_eps
        self.filter = nn.Sequential(nn.Linear(radial, filter_width), nn.SiLU(), nn.Linear(filter_width, 3 * hidden))
        self.mix = nn.Linear(hidden, 2 * hidden, bias=False)
        self.update = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, 3 * hidden))

    def forward(self, s: Tensor, v: Tensor, g: Tensor, fc: Tensor, u: Tensor, i: Tensor, j: Tensor) -> tuple:
        """s (N, H), v (N, 3, H), basis g (P, K), envelope fc (P, 1), unit vectors i->j u (P, 3, 1) -> new s, v."""
        a, b, c = (self.filter(g) * fc).chunk(3, dim=1)
        s, v = self._message(s, v, a, b[:, None], c[:, None], u, i, j)
        return self._update(s, v)

    @staticmethod
    def _message(s: Tensor, v: Tensor, a: Tensor, b: Tensor, c: Tensor, u: Tensor, i: Tensor, j: Tensor) -> tuple:
        s_i, s_j = s[i], s[j]
        ds = s.index_add(0, i, s_j * a).index_add(0, j, s_i * a)
        to_i = v[j] * b + u * (s_j[:, None] * c)
        to_j = v[i] * b - u * (s_i[:, None] * c)
        return ds, v.index_add(0, i, to_i).index_add(0, j, to_j)

    def _update(self, s: Tensor, v: Tensor) -> tuple:
        uv, vv = self.mix(v).chunk(2, dim=2)
        norm = torch.sqrt((vv * vv).sum(dim=1) + self.norm_eps)
        p, t, w = self.update(torch.cat([s, norm], dim=1)).chunk(3, dim=1)
        return s + p + t * (uv * vv).sum(dim=1), v + w[:, None] * uv


class PaiNN(nn.Module):
    """The network. Energies in eV, lengths in Å; the dtype is that of its parameters."""

    compact: bool = True
    """Whether pairs beyond the cutoff are taken out: less work, but a GPU has to be waited for to know how many there are.
    Left in, they give exactly nothing, for the envelope and its derivatives are zero there."""
    atomic_energy: Tensor
    _lookup: Tensor
    _radii: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        h, elements = architecture.hidden, architecture.elements
        self.embedding = nn.Embedding(len(elements), h)
        self.blocks = nn.ModuleList(
            Block(h, architecture.radial, architecture.filter_width, architecture.norm_eps)
            for _ in range(architecture.blocks)
        )
        self.readout = nn.Sequential(nn.Linear(h, h // 2), nn.SiLU(), nn.Linear(h // 2, 1))
        self.register_buffer("atomic_energy", torch.zeros(len(elements), dtype=torch.float64))
        lookup = torch.full((max(elements) + 1,), -1, dtype=torch.int64)
        lookup[list(elements)] = torch.arange(len(elements))
        self.register_buffer("_lookup", lookup, persistent=False)
        radii = torch.tensor(covalent_radii[: max(elements) + 1], dtype=torch.float64)
        self.register_buffer("_radii", radii, persistent=False)

    def species(self, numbers: Tensor) -> Tensor:
        """(N,) index of each atom's element in the architecture's list."""
        return self._lookup[numbers]

    def energy(
        self,
        numbers: Tensor,
        positions: Tensor,
        pairs: Tensor,
        molecule: Tensor,
        molecules: int,
        shifts: Tensor | None = None,
    ) -> Tensor:
        """Energies (M,) eV, float64.

        Args:
            numbers: (N,) atomic numbers, all among the architecture's elements.
            positions: (N, 3) Å, any float dtype; differences are formed in it before they are cast to the network's.
            pairs: (2, P) atoms i, j of each pair once; pairs beyond the cutoff are ignored.
            molecule: (N,) index of the molecule of each atom.
            shifts: (P, 3) Å added to x_j - x_i for periodic images.
        """
        i, j, vector = self._near(positions, pairs, shifts)
        atomic = self._atomic_energies(numbers, vector, i, j)
        return atomic.new_zeros(molecules).index_add(0, molecule, atomic)

    def energy_and_forces(
        self,
        numbers: Tensor,
        positions: Tensor,
        pairs: Tensor,
        molecule: Tensor,
        molecules: int,
        shifts: Tensor | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Energies (M,) eV and forces -dE/dx (N, 3) eV/Å; with `training` the forces can be differentiated again."""
        positions = positions.detach().requires_grad_(True)
        energy = self.energy(numbers, positions, pairs, molecule, molecules, shifts)
        (gradient,) = torch.autograd.grad(energy.sum(), positions, create_graph=training)
        return (energy if training else energy.detach()), -gradient

    def strain_gradient(
        self, numbers: Tensor, positions: Tensor, pairs: Tensor, molecule: Tensor, molecules: int, shifts: Tensor
    ) -> Tensor:
        """(M, 3, 3) eV: dE/de of x -> (1 + e) x, positions and cell together, symmetric by averaging.

        Knuth, Carbogno, Atalla, Blum, Scheffler, Comput. Phys. Commun. 190, 33 (2015), eq. 2. Arguments as in `energy`.
        """
        strain = positions.new_zeros(molecules, 3, 3, requires_grad=True)
        deform = torch.eye(3, dtype=positions.dtype, device=positions.device) + 0.5 * (strain + strain.mT)
        moved = torch.einsum("nab,nb->na", deform[molecule], positions.detach())
        images = torch.einsum("pab,pb->pa", deform[molecule[pairs[0]]], shifts)
        energy = self.energy(numbers, moved, pairs, molecule, molecules, images)
        (gradient,) = torch.autograd.grad(energy.sum(), strain)
        return gradient

    def _near(self, positions: Tensor, pairs: Tensor, shifts: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        i, j = pairs
        vector = positions[j] - positions[i]
        if shifts is not None:
            vector = vector + shifts
        # Not-a-number distances are kept, so that a broken geometry gives a broken energy and never a plausible one.
        far = (vector.detach() ** 2).sum(dim=1) >= self.architecture.cutoff_A**2
        if self.compact and bool(far.any()):
            near = ~far
            i, j, vector = i[near], j[near], vector[near]
        return i, j, vector

    def _atomic_energies(self, numbers: Tensor, vector: Tensor, i: Tensor, j: Tensor) -> Tensor:
        dtype = self.embedding.weight.dtype
        cutoff = self.architecture.cutoff_A
        distance = torch.sqrt(torch.clamp((vector * vector).sum(dim=1), min=1e-12))
        d = distance.to(dtype)
        fc, g = envelope(d, cutoff)[:, None], radial_basis(d, self.architecture.radial, cutoff)
        u = (vector / distance[:, None]).to(dtype)[:, :, None]
        species = self.species(numbers)
        s = self.embedding(species)
        v = s.new_zeros(s.shape[0], 3, s.shape[1])
        for block in self.blocks:
            s, v = block(s, v, g, fc, u, i, j)
        atomic = self.readout(s).squeeze(1).double() + self.atomic_energy.double()[species]
        return self._add_repulsion(atomic, numbers, distance, i, j)

    def _add_repulsion(self, atomic: Tensor, numbers: Tensor, distance: Tensor, i: Tensor, j: Tensor) -> Tensor:
        n_i, n_j = numbers[i], numbers[j]
        radii = self._radii[n_i] + self._radii[n_j]
        repulsion = 0.5 * zbl_energy(n_i.double(), n_j.double(), radii, distance.double())
        return atomic.index_add(0, i, repulsion).index_add(0, j, repulsion)


def all_pairs(counts: list[int]) -> Tensor:
    """(2, P) every pair i < j within each molecule of these sizes, molecules one after the other."""
    found, start = [], 0
    for count in counts:
        found.append(torch.triu_indices(count, count, offset=1) + start)
        start += count
    return torch.cat(found, dim=1) if found else torch.zeros(2, 0, dtype=torch.int64)


def parameter_count(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
