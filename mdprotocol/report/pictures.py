"""The pictures of a report by name, and which of them are drawn together. Matplotlib is not imported here."""

from __future__ import annotations

from enum import StrEnum, auto


class Picture(StrEnum):
    """One picture; its name in lower case begins the name of its file."""

    CRITERIA = auto()
    ENERGY = auto()
    TEMPERATURE = auto()
    FORCE_ERROR = auto()
    PARITY = auto()
    STRUCTURES = auto()
    TRADE_OFF = auto()
    SURVIVAL = auto()
    SPEED = auto()


OF_A_MODEL = (
    Picture.CRITERIA,
    Picture.ENERGY,
    Picture.TEMPERATURE,
    Picture.FORCE_ERROR,
    Picture.PARITY,
    Picture.STRUCTURES,
)
HALVES = (
    (Picture.ENERGY, Picture.CRITERIA),
    (Picture.TEMPERATURE, Picture.FORCE_ERROR, Picture.PARITY, Picture.STRUCTURES),
)
"""The same in two sheets that take about as long; each reads the runs for itself."""
BEFORE, AFTER = (Picture.TRADE_OFF, Picture.SURVIVAL), (Picture.SPEED,)
"""Pictures of all models together, before and after those of each."""
