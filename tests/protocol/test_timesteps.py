"""Names of the simulations that a list of time steps stands for."""

from __future__ import annotations

from mdprotocol.protocol.timesteps import expanded


def test_a_list_gives_a_simulation_each() -> None:
    assert expanded("nve", [0.5, 1, 2.0]) == [("nve_0.5fs", 0.5), ("nve_1fs", 1), ("nve_2fs", 2.0)]
    assert expanded("nve", [0.5]) == [("nve_0.5fs", 0.5)]


def test_a_single_time_step_leaves_the_name() -> None:
    assert expanded("nve", 0.5) == [("nve", 0.5)]
    assert expanded("nve", 1) == [("nve", 1)]
