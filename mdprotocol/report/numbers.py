"""How numbers are written for people: as many digits as the uncertainty allows, the unit behind, no negative zero."""

from __future__ import annotations

import math

MISSING = "—"
_SMALL, _LARGE = 1e-4, 1e6
"""Outside of this range numbers are written with a power of ten."""


def measured(value: float, error: float, units: str = "") -> str:
    """A value with its standard error, such as `0.031 ± 0.002 eV/Å`.

    The error is given to one significant digit, or two where the first is a 1 (the rule of the Particle Data Group,
    Phys. Rev. D 110, 030001 (2024), section 5.3, simplified), and the value to the same decimal.
    """
    if not math.isfinite(value) or not math.isfinite(error) or error <= 0:
        return plain(value, units)
    if error < 1e-7 * abs(value):
        return _with_units(f"{plain(value)} ± {error:.0e}", units)
    power = _power(max(abs(value), error))
    if power:
        scale = 10.0**power
        return _with_units(f"({measured(value / scale, error / scale)})e{power:+03d}", units)
    places = decimals(error)
    return _with_units(f"{fixed(value, places)} ± {fixed(error, places)}", units)


def plain(value: float, units: str = "", digits: int = 3) -> str:
    """A value without an error: whole numbers in full, others to `digits` significant digits."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return _with_units("∞" if value > 0 else "−∞", units)
    if value == int(value) and abs(value) < 1e12:
        return _with_units(f"{int(value):,}", units)
    if _power(abs(value)):
        return _with_units(f"{value:.{digits - 1}e}", units)
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = fixed(value, places)
    return _with_units(text.rstrip("0").rstrip(".") if "." in text else text, units)


def interval(low: float, high: float, error: float) -> str:
    """A confidence interval `low to high`, to the decimal that the standard error allows."""
    if math.isnan(low) or math.isnan(high):
        return MISSING
    width = error if math.isfinite(error) and error > 0 else (high - low) / 4
    if low == high:
        return plain(low)
    if not math.isfinite(width) or _power(max(abs(low), abs(high))):
        return f"{plain(low)} to {plain(high)}"
    places = decimals(width)
    return f"{fixed(low, places)} to {fixed(high, places)}"


def bound(minimum: float | None, maximum: float | None, units: str = "") -> str:
    """What a criterion allows, such as `≤ 0.2 eV/Å`."""
    if minimum is not None and maximum is not None:
        if minimum == maximum:
            return f"= {plain(minimum, units, 6)}"
        return _with_units(f"{plain(minimum, digits=6)} to {plain(maximum, digits=6)}", units)
    if maximum is not None:
        return f"≤ {plain(maximum, units, 6)}"
    return f"≥ {plain(minimum, units, 6)}" if minimum is not None else MISSING


def bound_use(value: float, minimum: float | None, maximum: float | None) -> float:
    """How much of its bound a value uses: below 1 inside, 1 on the bound, above 1 outside; NaN stays NaN.

    For an upper bound above zero this is value/bound; for a lower bound above zero bound/value; for two bounds the
    distance from their middle over half their distance. A bound of zero is used by 0 (kept) or by infinity (broken).
    """
    if math.isnan(value):
        return math.nan
    if minimum is not None and maximum is not None:
        half = (maximum - minimum) / 2
        distance = abs(value - (maximum + minimum) / 2)
        return distance / half if half > 0 else (0.0 if distance == 0 else math.inf)
    if minimum is not None:
        return bound_use(-value, None, -minimum)
    if maximum is None:
        return math.nan
    if maximum > 0:
        return max(value, 0.0) / maximum
    if maximum == 0:
        return 0.0 if value <= 0 else math.inf
    return maximum / value if value < 0 else math.inf


def duration(seconds: float) -> str:
    """A wall time in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def decimals(error: float) -> int:
    """Decimal places (negative: tens, hundreds) to which an error is worth writing."""
    exponent = math.floor(math.log10(error))
    digits = 2 if error / 10.0**exponent < 1.95 else 1
    return digits - 1 - exponent


def fixed(value: float, places: int) -> str:
    """A value rounded to `places` decimals, never `-0.00`."""
    rounded = round(value, places)
    text = f"{rounded:.{max(places, 0)}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _power(magnitude: float) -> int:
    """Power of ten to take out; 0 where none is needed."""
    if magnitude == 0 or _SMALL <= magnitude < _LARGE:
        return 0
    return math.floor(math.log10(magnitude))


def _with_units(text: str, units: str) -> str:
    return text if units in ("", "1") or text == MISSING else f"{text} {units}"
