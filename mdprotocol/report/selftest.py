"""The report of a self-test: Markdown, JSON, and the matrix of faults and criteria as a picture."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mdprotocol.protocol.schema import Protocol
from mdprotocol.report.escape import markdown
from mdprotocol.report.figures.selftest import matrix_figure
from mdprotocol.verdicts import Level, Outcome

if TYPE_CHECKING:
    from mdprotocol.assess.selftest import Power, Seen


def render_selftest(protocol: Protocol, powers: Sequence[Power], seconds: float) -> dict[str, bytes]:
    """Relative path -> content: `selftest.md`, `selftest.json`, and a figure for each model."""
    files = {f"figures/selftest_{power.model}.png": matrix_figure(protocol, power) for power in powers}
    text = "\n".join(_document(protocol, powers, seconds)) + "\n"
    facts = {"protocol": protocol.name, "seconds": round(seconds, 1), "models": [_plain(power) for power in powers]}
    data = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return {"selftest.md": text.encode(), "selftest.json": data.encode(), **files}


def _plain(power: Power) -> dict[str, Any]:
    numbers = {"met": power.met, "caught": power.caught, "as_expected": power.as_expected}
    return numbers | dataclasses.asdict(power)


def _document(protocol: Protocol, powers: Sequence[Power], seconds: float) -> Iterator[str]:
    yield f"# Self-test of the protocol {protocol.name}"
    yield ""
    yield (
        "Faults were planted in a sound model, one at a time, and each went the way of a real run: engine, probes, "
        "metrics, judgement. A fault is caught where a `must` criterion fails or cannot be measured because of it, so "
        "that the model is not approved."
    )
    changes = protocol.selftest.changes
    if changes:
        yield ""
        yield "The runs were smaller than the protocol's own; metrics and bounds were the same:"
        yield ""
        yield from (f"- `{path}: {json.dumps(value, ensure_ascii=False)}`" for path, value in changes.items())
    if protocol.selftest.without:
        yield ""
        yield f"Criteria left out: {', '.join(f'`{n}`' for n in protocol.selftest.without)}."
    for power in powers:
        yield ""
        yield from _model(protocol, power)
    yield ""
    yield f"It took {seconds / 60:.1f} minutes."


def _model(protocol: Protocol, power: Power) -> Iterator[str]:
    total, sound = len(power.faults), power.sound
    state = "met" if power.met else "**not known**" if power.broken else "**not met**"
    yield f"## {power.model}: the declared power is {state}"
    yield ""
    yield (
        f"- {power.as_expected} of {total} faults were caught by a criterion that should see them; {power.caught} were "
        f"caught at all. Declared: {power.declared:.0%}."
    )
    yield (
        f"- {sound.alarms} false alarms in {sound.repetitions} repetitions without a fault: the rate is below "
        f"{sound.bound:.1%} (exact, one-sided, {sound.confidence:.0%})."
    )
    if power.broken:
        yield (
            f"- {len(power.broken)} more could not be tried, because of errors of this self-test: they count as neither "
            "caught nor missed, and without them nobody knows whether the power is met."
        )
    decisions = ", ".join(f"{count} {decision}" for decision, count in sound.decisions.items())
    yield f"- These repetitions ended with: {decisions or 'none was done'}."
    for name, count in sound.by_criterion.items():
        yield f"- `{name}` failed in {count} of {sound.repetitions} of them."
    unsound = {name: o for name, o in power.baseline.outcomes.items() if o in (Outcome.FAIL, Outcome.NOT_MEASURED)}
    for name, outcome in unsound.items():
        why = markdown(power.baseline.details.get(name, ""))
        yield f"- `{name}` is {outcome} without any fault, so it cannot see one: {why}"
    yield ""
    yield f"![faults and criteria](figures/selftest_{power.model}.png)"
    yield ""
    yield from _table(protocol, power)
    yield ""
    yield from _blind(power)
    yield from _broken(power)


def _table(protocol: Protocol, power: Power) -> Iterator[str]:
    sizes = any(seen.smallest is not None for seen in power.faults)
    yield "| fault | size | caught | seen by |" + (" smallest size caught |" if sizes else "")
    yield "| --- | --- | --- | --- |" + (" --- |" if sizes else "")
    for seen in power.faults:
        yield _row(protocol, seen) + (f" {_size(seen.smallest, seen.fault.units)} |" if sizes else "")


def _row(protocol: Protocol, seen: Seen) -> str:
    fault = seen.fault
    caught = "yes" if seen.as_expected else "by others" if seen.caught else "**no**"
    names = sorted(seen.by, key=lambda name: protocol.criteria[name].level is not Level.MUST)
    by = ", ".join(f"`{n}`" if protocol.criteria[n].level is Level.MUST else f"({n})" for n in names)
    return f"| `{fault.name}`: {fault.what} | {_size(fault.size, fault.units)} | {caught} | {by or 'nothing'} |"


def _size(size: float | None, units: str) -> str:
    return "" if size is None else f"{size:.3g}" + (f" {units}" if units not in ("", "1") else "")


def _broken(power: Power) -> Iterator[str]:
    for broken in power.broken:
        yield ""
        yield f"### Error: `{broken.fault.name}` could not be tried"
        for problem, traceback in broken.problems.items():
            yield ""
            yield markdown(problem)
            yield from ("", *(f"    {line}" for line in traceback.splitlines())) if traceback else ()


def _blind(power: Power) -> Iterator[str]:
    missed = [seen for seen in power.faults if not seen.as_expected]
    if not missed:
        yield f"Nothing {'that could be tried' if power.broken else 'in the catalogue'} goes unseen."
        return
    yield "What this protocol does not see as it should:"
    yield ""
    yield from (f"- `{seen.fault.name}`: {_advice(seen)}." for seen in missed)


def _advice(seen: Seen) -> str:
    if seen.blind:
        return f"a `must` criterion on {', '.join(f'`{name}`' for name in seen.blind)} should see it"
    if seen.fault.breaks and not seen.fault.seen_by and not seen.fault.by_any:
        return f"it breaks {', '.join(seen.fault.breaks)}, which no metric tests"
    return "its own criteria should have seen it"
