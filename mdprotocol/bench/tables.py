"""A bench as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def markdown(facts: Mapping[str, Any]) -> str:
    """The page: circumstances, the table, totals. `facts` is the content of `bench.json`."""
    parts = [f"# Bench of {facts['protocol']}", *_circumstances(facts), _table(facts["rows"]), *_totals(facts)]
    return "\n\n".join(parts) + "\n"


def csv_text(rows: Sequence[Row]) -> str:
    """One line a timing; empty where something does not apply."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else ["model"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _circumstances(facts: Mapping[str, Any]) -> list[str]:
    hardware, versions = facts["hardware"], facts["versions"]
    known = ", ".join(
        f"{name} {versions[name]}" for name in ("python", "torch", "numpy", "numba", "ase") if name in versions
    )
    return [
        f"{hardware['cpu']}, {hardware['cores_usable']} cores"
        + (f", {hardware['gpu']}" if hardware.get("gpu") else "")
        + f"; {facts['threads']} thread; {known}. Load of the machine before: {facts['load_before']}.",
        f"Limit of one core, single-precision matrix products: {facts['sgemm_gflops']:.1f} GFLOP/s. Everything on a system "
        f"was timed in turn, in {facts['effort']['rounds']} bursts; a ratio is the median over bursts, with the 10th and "
        "90th percentile. A step is the integrator and the model, without frames and guards. Plain ASE is ASE's "
        "VelocityVerlet on one copy, with the model in eager torch and single precision (or the model's own calculator). "
        "On a busy machine trust the ratios in CPU time: the clock also counts what other processes had.",
    ]


def _table(rows: Sequence[Row]) -> str:
    header = ("model", "system", "loop", "copies", "kernel", "ms a step", "p95", "steps/s", "ns/day", "µs a copy-step",
              "× plain ASE", "in CPU time", "× largest model", "% of sgemm")  # fmt: skip
    lines = [[*header], ["---"] * 3 + ["---:", "---"] + ["---:"] * (len(header) - 5)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [*lines, *map(_cells, rows)])


def _cells(row: Row) -> list[str]:
    return [
        row["model"],
        row["system"],
        row["loop"],
        str(row["copies"]),
        row["kernel"],
        f"{row['ms_a_step_median']:.3f}",
        f"{row['ms_a_step_p95']:.3f}",
        f"{row['steps_per_s']:,.0f}",
        f"{row['ns_per_day']:.3g}",
        f"{row['us_a_copy_step']:,.0f}",
        _times(row, "speedup_over_plain_ase"),
        _times(row, "cpu_speedup_over_plain_ase"),
        _times(row, "speedup_over_largest_model"),
        "" if row["share_of_sgemm"] is None else f"{100 * row['share_of_sgemm']:.0f}",
    ]


def _times(row: Row, name: str) -> str:
    value = row[name]
    return "" if value is None else f"{value:.3g} ({row[f'{name}_low']:.3g} to {row[f'{name}_high']:.3g})"


def _totals(facts: Mapping[str, Any]) -> list[str]:
    found = [
        f"All {total['cells']} cells of {name} together: a step of each takes {total['plain_ase_ms']:.2f} ms in plain ASE "
        f"and {total['engine_ms']:.3f} ms a copy here: {_speed(total)}."
        for name, total in facts["together"].items()
        if total
    ]
    whole = facts["whole_protocol"]
    if whole:
        found.append(
            f"The protocol's dynamics, {whole['copy_steps']:,} steps of a copy: {_duration(whole['plain_ase_seconds'])} in "
            f"plain ASE, one run after the other; {_duration(whole['engine_seconds'])} here on one core "
            f"({_duration(whole['plain_ase_cpu_seconds'])} and {_duration(whole['engine_cpu_seconds'])} of CPU time): "
            f"{_speed(whole)}. The plan's own estimate of everything, with the reference and "
            f"the probes, on {facts['plan']['workers']} workers: {_duration(facts['plan']['seconds'])}."
        )
    rates = facts["scaling"]
    if rates:
        one = rates[min(rates, key=int)]
        shown = ", ".join(
            f"{n} {'process' if int(n) == 1 else 'processes'} {rate / one:.2f}" for n, rate in rates.items()
        )
        found.append(f"Throughput of single-threaded processes at the same time: {shown}.")
    memory = facts["memory"]
    found.append(f"Peak resident memory {memory['peak_resident_MB']:.0f} MB; weights {memory['weights_MB']:.2f} MB.")
    return found


def _speed(total: Mapping[str, Any]) -> str:
    """The smaller of both ratios first: on a busy machine the clock counts against the side with the longer steps."""
    least = min(total["speedup"], total["cpu_speedup"])
    return f"**{least:.1f} times** as fast (clock {total['speedup']:.1f}, CPU time {total['cpu_speedup']:.1f})"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
