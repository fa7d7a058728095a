"""How much arithmetic a PaiNN needs: floating-point operations of energy and forces, counted from sizes and pairs.

Counted are the matrix products and the loops over pairs, a fused multiply-add as two; not the activations, norms and
repulsions, so that a share of a machine's limit that is worked out from it is never flattered.
"""

from __future__ import annotations

from typing import Protocol

PAIR_FIRST, PAIR_LATER = 30 + 41, 48 + 98
"""Per pair and channel of the tabulated kernel, forward and reverse, in block 0 and in a later one: counted off the
loops in `fused.loops` (`_message_first`, `_message_first_back`, `_message`, `_message_back`)."""


class Sizes(Protocol):
    """What is read of an architecture."""

    @property
    def hidden(self) -> int: ...
    @property
    def blocks(self) -> int: ...
    @property
    def radial(self) -> int: ...
    @property
    def filter_width(self) -> int: ...


def evaluation_flops(sizes: Sizes, atoms: int, pairs: int, tabulated: bool) -> float:
    """Operations of one evaluation of energy and forces.

    A product of (R, K) and (K, C) takes 2RKC; the reverse pass, which needs no gradients of weights, takes as much again.

    Args:
        pairs: pairs of atoms within the cutoff, each once.
        tabulated: the filters are read from a table, instead of computed by a network on every pair.
    """
    h, last = sizes.hidden, sizes.blocks - 1
    products = 0.0
    for block in range(sizes.blocks):
        columns = 3 * h if tabulated is False or block < last else 2 * h  # the kernel leaves out what is never used
        products += 3 * atoms * h * 2 * h + atoms * 2 * h * h + atoms * h * columns
        if not tabulated:
            products += pairs * (sizes.radial * sizes.filter_width + sizes.filter_width * 3 * h)
    products += atoms * h * (h // 2) + atoms * (h // 2)
    return 2 * 2 * products + pairs * h * (PAIR_FIRST + last * PAIR_LATER)
