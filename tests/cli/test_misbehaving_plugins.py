"""A plugin that goes wrong, in every hook and every method: it costs what depends on it, is named, and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from cli_kit import protocol_of

from mdprotocol import app
from mdprotocol.app.sources import Source
from mdprotocol.cli import main
from mdprotocol.contracts import Component, Evaluation, Model
from mdprotocol.errors import PluginError
from mdprotocol.hookspecs import hookimpl
from mdprotocol.registry import KINDS, build_registry

PLUGIN = str(Path(__file__).with_name("bad_plugin.py"))

# -------------------------------------------------------------------------------------------------------------- hooks


def _raises() -> Any:
    raise ZeroDivisionError("no such luck")


class Nameless(Model):
    """Its `type` says nothing."""


class Abstract(Model):
    """It loads nothing."""

    type: str = "abstract"


ANSWERS: dict[str, tuple[Callable[[], Any], str]] = {
    "raises": (_raises, "ZeroDivisionError: no such luck"),
    "nothing": (lambda: None, "TypeError"),
    "a number": (lambda: 7, "TypeError"),
    "an instance": (lambda: [object()], "it must return subclasses of"),
    "a class of another kind": (lambda: [Evaluation], "it must return subclasses of"),
    "the base itself": (lambda: [Component], "it must return subclasses of"),
    "a generator that raises": (lambda: iter(_raises, None), "ZeroDivisionError"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_hook_that_breaks_its_contract_is_named(kind: str, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, said = ANSWERS[answer]

    def hook() -> Any:
        return function()

    hook.__name__ = f"mdprotocol_{kind}"
    module = ModuleType("bad_hook")
    setattr(module, hook.__name__, hookimpl(hook))
    monkeypatch.setitem(sys.modules, "bad_hook", module)
    with pytest.raises(PluginError) as caught:
        build_registry(["bad_hook"])
    assert f"plugin bad_hook, hook mdprotocol_{kind}" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(("made", "said"), [(Nameless, "needs a field like `type"), (Abstract, "does not define load")])
def test_a_class_that_is_no_component(made: type[Model], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("bad_class")
    module.mdprotocol_models = hookimpl(lambda: [made], specname="mdprotocol_models")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bad_class", module)
    with pytest.raises(PluginError, match=said):
        build_registry(["bad_class"])


# ---------------------------------------------------------------------------------------------------------- components

BASE = protocol_of("bad", integrator="bad")


def run(folder: Path, **changes: Any) -> tuple[app.Finished, dict[str, Any]]:
    """Run it; what the verdict says of every model: decision, and reason or outcome by criterion."""
    path = folder / "bad.yaml"
    path.write_text(yaml.safe_dump({**BASE, **changes}))
    options = app.RunOptions(diagnosis=False)
    finished = app.run(Source(path, plugins=(PLUGIN,)), folder / "out", "", lambda event: None, options)
    return finished, {verdict.model: verdict for verdict in finished.verdicts}


def named(hows: list[str]) -> dict[str, str]:
    return {how.replace(": ", "_").replace(" ", "_").lower(): how for how in hows}


MODELS = {
    "load: raises": "ZeroDivisionError: no such luck",
    "load: None": "AttributeError",
    "load: text": "AttributeError",
    "prepare: raises": "ZeroDivisionError: no such luck",
    "prepare: None": "TypeError",
    "evaluate: raises": "ZeroDivisionError: no such luck",
    "evaluate: None": "AttributeError",
    "evaluate: numpy": "AttributeError",
    "evaluate: short": "the model returned energy and forces of shape",
    "evaluate: foreign copy": "IndexError",
}


def test_models_cost_their_own_runs_only(tmp_path: Path) -> None:
    models = {"sound": {"type": "bad"}} | {name: {"type": "bad", "how": how} for name, how in named([*MODELS]).items()}
    _, verdicts = run(tmp_path, models=models)
    assert verdicts["sound"].criteria[0].outcome.name == "PASS"
    for name, how in named([*MODELS]).items():
        (criterion,) = verdicts[name].criteria
        assert criterion.outcome.name == "NOT_MEASURED", how
        problem = json.loads((tmp_path / f"out/runs/{name}/water/nve/T300K_r0.error.json").read_text())["problem"]
        assert MODELS[how] in problem, how


INTEGRATORS = {
    "start: raises": "ZeroDivisionError: no such luck",
    "start: extra": "AttributeError",
    "step: raises": "ZeroDivisionError: no such luck",
    "step: cut": "RuntimeError",
}


def test_integrators_cost_their_own_runs_only(tmp_path: Path) -> None:
    simulations = {
        name: BASE["simulations"]["nve"] | {"integrator": {"type": "bad", "how": how}}
        for name, how in named(["", "step: nan", *INTEGRATORS]).items()
        if name
    } | BASE["simulations"]
    finished, _ = run(tmp_path, simulations=simulations)
    outcomes = {run.split("/")[3]: facts["outcome"] for run, facts in finished_runs(finished).items()}
    assert outcomes == {"nve": "completed", "step_nan": "failed"}
    for name, how in named([*INTEGRATORS]).items():
        problem = json.loads((tmp_path / f"out/runs/sound/water/{name}/T300K_r0.error.json").read_text())["problem"]
        assert INTEGRATORS[how] in problem, how


def finished_runs(finished: app.Finished) -> dict[str, Any]:
    from mdprotocol.store import open_results

    return dict(open_results(finished.folder).runs)


METRICS = {
    "measure: raises": "the metric raised ZeroDivisionError: no such luck",
    "measure: None": "the metric returned NoneType",
    "measure: number": "the metric returned int",
    "measure: keys": "the metric returned",
    "measure: huge": "unusable x",
    "measure: twice": "the dim 'part' has a place twice",
    "measure: mixed": "the dim 'part' is not made of",
    "measure: slash": "the dim 'a/b' is not made of",
}
PROBES = {
    "probe: raises": "ZeroDivisionError: no such luck",
    "probe: None": "AttributeError",
    "probe: unitless": "has no `units` attribute",
    "measure: raises": "the metric raised ZeroDivisionError: no such luck",
    "measure: None": "the metric returned NoneType",
}


def test_metrics_cost_their_own_criteria_only(tmp_path: Path) -> None:
    all_of_them = {f"m_{n}": {"type": "bad", "how": how} for n, how in named([*METRICS]).items()}
    all_of_them |= {f"p_{n}": {"type": "bad_probe", "how": how} for n, how in named([*PROBES]).items()}
    all_of_them |= {"sound_metric": {"type": "bad"}, "sound_probe": {"type": "bad_probe"}}
    criteria = {name: {"level": "must", "metric": f"{name}.x", "max": 2} for name in all_of_them}
    _, verdicts = run(tmp_path, metrics=all_of_them, criteria=BASE["criteria"] | criteria)
    results = {result.name: result for result in verdicts["sound"].criteria}
    assert results["no_crash"].outcome.name == "PASS"
    assert {results[name].outcome.name for name in ("sound_metric", "sound_probe")} == {"INCONCLUSIVE"}  # one replica
    for name, text in [
        *((f"m_{n}", METRICS[how]) for n, how in named([*METRICS]).items()),
        *((f"p_{n}", PROBES[how]) for n, how in named([*PROBES]).items()),
    ]:
        assert results[name].outcome.name == "NOT_MEASURED", name
        assert any(text in condition.measurement.reason for condition in results[name].conditions), (
            name,
            results[name].conditions,
        )


REPORTERS = {
    "render: raises": "ZeroDivisionError: no such luck (bad_plugin.py, line ",
    "render: None": "AttributeError",
    "render: number": "AttributeError",
    "render: content": "TypeError",
    "render: file ../x": "is not a path inside the results folder",
    "render: file runs/x.nc": "is no name for a report",
    "render: file ./measurements.nc": "is no name for a report",
}


def test_reporters_cost_their_own_files_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict and the other reports are written, each failure is named, and the exit code is not 0."""
    reports = [{"type": "bad", "how": how} for how in REPORTERS]
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump({**BASE, "reports": [*reports, {"type": "json"}, {"type": "csv"}]}))
    assert main(["run", str(path), "-o", str(tmp_path / "out"), "-q", "--plugin", PLUGIN]) == 4
    shown = capsys.readouterr()
    assert "APPROVED  sound" in shown.out
    lines = [line for line in shown.err.splitlines() if line.startswith("mdprotocol: reporter 'bad' failed: ")]
    assert len(lines) == len(REPORTERS)
    assert all(text in line for line, text in zip(lines, REPORTERS.values(), strict=True)), lines
    assert "Traceback" not in shown.err
    assert json.loads((tmp_path / "out/verdict.json").read_text())
    assert (tmp_path / "out/verdict.csv").stat().st_size
    assert not (tmp_path / "x").exists()
    assert main(["judge", str(tmp_path / "out"), "--plugin", PLUGIN, "--set", "criteria.no_crash.max=-1"]) == 1


SYSTEMS = {
    "build: raises": "its plugin raised ZeroDivisionError: no such luck (bad_plugin.py, line ",
    "build: None": "its plugin built NoneType",
    "build: nan": "`positions` with values that are not finite",
    "build: short": "`masses` that is not an array of numbers of shape (3,)",
    "build: lists": "its plugin built `",
    "build: empty": "without atoms",
    "build: massless": "a mass that is not positive",
    "build: unknown element": "no known element",
}
FILES = {
    "files: raises": "its plugin raised ZeroDivisionError",
    "files: None": "its plugin raised TypeError",
    "files: number": "its plugin raised TypeError",
}
PACKAGES = {"packages: raises": "its plugin raised ZeroDivisionError", "packages: None": "its plugin raised TypeError"}
INSPECTED = {"inspect: raises": "its plugin raised ZeroDivisionError", "inspect: None": "its plugin raised TypeError"}


@pytest.mark.parametrize(
    ("section", "hows"),
    [("systems", SYSTEMS), ("models", FILES), ("models", PACKAGES), ("models", INSPECTED)],
    ids=["build", "files", "packages", "inspect"],
)
def test_what_plugins_get_wrong_before_the_first_step_is_a_problem_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], section: str, hows: dict[str, str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        yaml.safe_dump({**BASE, section: {name: {"type": "bad", "how": how} for name, how in named([*hows]).items()}})
    )
    assert main(["check", str(path), "--plugin", PLUGIN]) == 2
    lines = capsys.readouterr().err.splitlines()
    for name, how in named([*hows]).items():
        (line,) = (line for line in lines if f": {section}.{name}: " in line)
        assert hows[how] in line


EXECUTORS = {
    "execute: loses": (3, "a task was lost: PluginError: executor 'bad' gave neither a result nor a failure"),
    "execute: foreign": (2, "executor 'bad' yields task 99 of 1 tasks; it must yield each task once"),
    "execute: raises": (4, "ZeroDivisionError: no such luck"),
    "execute: garbage": (2, "executor 'bad': expected (place, result or TaskFailure), got 'garbage'"),
    "execute: exception": (2, "executor 'bad': expected (place, result or TaskFailure), got (0, ValueError("),
    "execute: twice": (2, "executor 'bad' yields task 0 a second time; it must yield each task once"),
}


@pytest.mark.parametrize("how", EXECUTORS)
def test_an_executor_that_loses_tasks_is_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """Only what is on disk counts: an executor that breaks its contract is named."""
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump({**BASE, "executor": {"type": "bad", "how": how}}))
    code, said = EXECUTORS[how]
    ended, shown = main(["run", str(path), "-o", str(tmp_path / "out"), "-q", "--plugin", PLUGIN]), capsys.readouterr()
    assert ended == code, shown.err
    assert said in shown.err
    assert main(["run", str(path), "-o", str(tmp_path / "out"), "-q", "--plugin", PLUGIN, "--set", "executor.type=serial",
                 "--set", "executor.how=null"]) in (0, 2)  # fmt: skip


@pytest.mark.parametrize("section", ["metrics", "reports"])
def test_a_plugin_that_leaves_decides_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], section: str) -> None:
    """`sys.exit(0)` in a plugin is not the exit code of an approved model."""
    leaving = {
        "metrics": {"x": {"type": "bad", "how": "measure: leaves"}},
        "reports": [{"type": "bad", "how": "render: leaves"}],
    }
    criteria = {"x": {"level": "must", "metric": "x.x", "max": 2}} if section == "metrics" else BASE["criteria"]
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump({**BASE, section: leaving[section], "criteria": criteria}))
    assert main(["run", str(path), "-o", str(tmp_path / "out"), "-q", "--plugin", PLUGIN]) == 4
    assert "a bug in mdprotocol or in a plugin" in capsys.readouterr().err
