"""Timings as numbers: medians, ratios of what ran in turn, shares of a limit, totals."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from mdprotocol.bench import tables
from mdprotocol.bench.cells import CaseTimings
from mdprotocol.bench.results import Found, rows, together
from mdprotocol.bench.samples import ENGINE, PLAIN_ASE, Timing, cpu_speedup, share, speedup
from mdprotocol.bench.scaling import throughput


def timing(bursts, *, model="m", system="s", loop=ENGINE, copies=1, parameters=10, flops=None, cpu=None) -> Timing:
    return Timing(
        model, system, loop, copies, "torch", "cpu", "float32", 0.5, parameters, 40, bursts, cpu or bursts, flops
    )  # fmt: skip


SLOW = timing(((4e-3, 4e-3, 9e-3), (8e-3, 8e-3)), loop=PLAIN_ASE)
FAST = timing(((1e-3, 1e-3, 1e-3), (2e-3, 2e-3)), copies=2, flops=3e6)


def test_ratio_is_taken_between_bursts_that_ran_in_turn():
    """The machine was half as fast in the second round; each round says 8, and so does the result, without spread."""
    found = speedup(SLOW, FAST)
    assert (found.median, found.low, found.high) == pytest.approx((8, 8, 8))


def test_spread_of_a_ratio_shows_rounds_that_disagree():
    unsteady = timing(((1e-3,), (4e-3,)))
    found = speedup(SLOW, unsteady)
    assert (found.low, found.median, found.high) == pytest.approx((2.2, 3.0, 3.8))  # of 4 and 2, percentiles by hand


def test_cpu_time_does_not_count_what_other_processes_had():
    disturbed = timing(((9e-3,), (9e-3,)), cpu=((1e-3,), (2e-3,)))
    assert cpu_speedup(SLOW, disturbed).median == pytest.approx(4)
    assert speedup(SLOW, disturbed).median < 1


def test_share_of_the_limit():
    assert share(FAST, limit=6e9).median == pytest.approx(0.5 * (0.5 + 0.25))  # 3 and 1.5 GFLOP/s of 6
    assert share(SLOW, limit=6e9) is None  # nobody counted its operations
    disturbed = timing(((9.0,),), flops=3e6, cpu=((1e-3,),))
    assert share(disturbed, limit=6e9).median == pytest.approx(0.5)  # others had the rest of the nine seconds


def test_median_and_percentile():
    assert SLOW.median == pytest.approx(8e-3)
    assert SLOW.p95 == pytest.approx(np.percentile([4e-3, 4e-3, 9e-3, 8e-3, 8e-3], 95))
    assert FAST.per_copy == pytest.approx(0.5e-3)


def found() -> Found:
    water = [
        timing(((6e-3,),), model="big", system="water", loop=PLAIN_ASE, parameters=100),
        timing(((1e-3,),), model="big", system="water", parameters=100),
        timing(((4e-3,),), model="big", system="water", copies=8, parameters=100),
        timing(((3e-3,),), model="small", system="water", loop=PLAIN_ASE),
        timing(((1e-3,),), model="small", system="water", copies=8),
    ]
    ice = [timing(((9e-3,),), model="big", system="ice", loop=PLAIN_ASE)]
    return Found(
        (
            CaseTimings("water", 3, False, tuple(water), (5e10, 6e10), 1, 10**8),
            CaseTimings("ice", 24, True, tuple(ice), (4e10,), 1, 2 * 10**8),
        ),
        {},
    )


def test_rows_compare_with_plain_ase_and_with_the_largest_model():
    table = {(r["model"], r["system"], r["loop"], r["copies"]): r for r in rows(found())}
    small = table["small", "water", ENGINE, 8]
    assert small["speedup_over_plain_ase"] == pytest.approx(24)
    assert small["speedup_over_largest_model"] == pytest.approx(4)
    assert small["steps_per_s"] == pytest.approx(1000)
    assert small["ns_per_day"] == pytest.approx(8 * 0.5e-6 * 86400 / 1e-3)
    assert table["big", "water", ENGINE, 8]["speedup_over_largest_model"] == pytest.approx(1)
    assert table["big", "ice", PLAIN_ASE, 1]["share_of_sgemm"] is None


def test_together_is_a_sum_over_cells_with_the_largest_batch():
    total = together(found())
    assert total["cells"] == 2  # ice has no batched timing to pair with
    assert total["plain_ase_ms"] == pytest.approx(9)
    assert total["engine_ms"] == pytest.approx(0.5 + 0.125)
    assert total["speedup"] == pytest.approx(9 / 0.625)
    assert together(found(), periodic=True) is None


def test_the_page_leads_with_the_smaller_ratio():
    assert tables._speed({"speedup": 206.0, "cpu_speedup": 66.3}).startswith("**66.3 times**")
    assert tables._speed({"speedup": 40.0, "cpu_speedup": 66.3}).startswith("**40.0 times**")


def test_the_limit_is_the_best_product():
    assert found().sgemm == 6e10


def test_csv_has_a_line_a_timing_with_empty_cells_where_nothing_applies():
    lines = list(csv.DictReader(io.StringIO(tables.csv_text(rows(found())))))
    assert len(lines) == 6
    assert lines[0]["gflops"] == ""
    assert float(lines[2]["us_a_copy_step"]) == pytest.approx(500)


def test_throughput_counts_only_while_all_processes_run():
    """Two processes of 10 steps a second, one of which starts a second later: 20 a second in the common two seconds."""
    one, other = np.arange(0, 3.01, 0.1), np.arange(1, 4.01, 0.1)
    assert throughput([one, other], copies=3) == pytest.approx(60, rel=0.03)
    with pytest.raises(ValueError, match="never ran at the same time"):
        throughput([[0.0, 1.0], [2.0, 3.0]], copies=1)
