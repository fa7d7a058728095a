"""Digits: as many as the uncertainty allows."""

import math

import pytest

from mdprotocol.report import numbers


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (0.0312, 0.0021, "0.031 ± 0.002 eV/Å"),
        (0.4496, 0.0104, "0.450 ± 0.010 eV/Å"),
        (123.4, 17.0, "123 ± 17 eV/Å"),
        (12345.6, 678.0, "12300 ± 700 eV/Å"),
        (-0.0003, 0.02, "0.00 ± 0.02 eV/Å"),
        (3.14159e-7, 2e-8, "(3.1 ± 0.2)e-07 eV/Å"),
        (0.5, 0.0, "0.5 eV/Å"),
        (427009.0, 0.0, "427,009 eV/Å"),
        (0.25, math.nan, "0.25 eV/Å"),
        (math.nan, 0.1, "—"),
    ],
)
def test_a_measurement_has_the_digits_of_its_error(value, error, expected):
    assert numbers.measured(value, error, "eV/Å") == expected


def test_units_of_one_are_not_written():
    assert numbers.measured(0.031, 0.002, "1") == "0.031 ± 0.002"


@pytest.mark.parametrize(
    ("minimum", "maximum", "expected"),
    [
        (None, 0.2, "≤ 0.2 eV"),
        (1.0, None, "≥ 1 eV"),
        (-25.0, 25.0, "-25 to 25 eV"),
        (0.0, 0.0, "= 0 eV"),
        (None, None, "—"),
    ],
)
def test_bounds_in_words(minimum, maximum, expected):
    assert numbers.bound(minimum, maximum, "eV") == expected


@pytest.mark.parametrize(
    ("value", "minimum", "maximum", "expected"),
    [
        (0.1, None, 0.2, 0.5),
        (-0.1, None, 0.2, 0.0),
        (0.9, 0.99, None, 1.1),
        (5.0, -25.0, 25.0, 0.2),
        (-30.0, -25.0, 25.0, 1.2),
        (0.0, None, 0.0, 0.0),
        (1.0, None, 0.0, math.inf),
        (-2.0, None, -1.0, 0.5),
        (2.0, 2.0, 2.0, 0.0),
    ],
)
def test_use_of_a_bound_is_one_on_the_bound(value, minimum, maximum, expected):
    assert numbers.bound_use(value, minimum, maximum) == pytest.approx(expected)


def test_use_of_nothing_is_nothing():
    assert math.isnan(numbers.bound_use(math.nan, None, 1.0))
    assert math.isnan(numbers.bound_use(1.0, None, None))


def test_intervals_follow_the_error():
    assert numbers.interval(0.02712, 0.03534, 0.002) == "0.027 to 0.035"
    assert numbers.interval(0.0, 0.3085, 0.0) == "0.00 to 0.31"
    assert numbers.interval(math.nan, 1.0, 0.1) == "—"
    assert numbers.interval(-math.inf, 1.0, math.inf) == "−∞ to 1"


@pytest.mark.parametrize(("seconds", "expected"), [(4.2, "4.2 s"), (312.0, "5.2 min"), (9000.0, "2.5 h")])
def test_durations(seconds, expected):
    assert numbers.duration(seconds) == expected
