"""Malformed protocols: broken YAML, wrong keys, wrong values, wrong units, hostile sizes, references to nothing."""

from __future__ import annotations

from corpus_kit import PROTOCOL, Case, edited

NVE = "    timestep_fs: 0.5\n"


def raw(name: str, text: str | bytes, *says: str) -> Case:
    """A protocol that is nothing but this text."""
    return Case(name, says, text if isinstance(text, bytes) else text.encode())


def appended(name: str, text: str, *says: str) -> Case:
    """The sound protocol with more text at its end."""
    return Case(name, says, (PROTOCOL + text).encode())


def _bomb(levels: int = 9) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, levels)]
    return "\n".join(lines)


def _merge_bomb() -> str:
    lines = ["b0: &b0 {k0: 1}"]
    lines += [f"b{k}: &b{k} {{<<: [*b{k - 1}, *b{k - 1}, *b{k - 1}], k{k}: 1}}" for k in range(1, 30)]
    return "\n".join(lines)


TEXT = [
    raw("empty", "", "p.yaml:1:1", "empty"),
    raw("only a comment", "# nothing\n", "p.yaml:1:1"),
    raw("a list", "- a\n- b\n", "p.yaml:1:1", "mapping"),
    raw("a word", "hello\n", "p.yaml:1:1", "mapping"),
    raw("a number", "42\n", "p.yaml:1:1"),
    raw("not utf-8", b"mdprotocol: 1\nname: \xff\xfe\n", "p.yaml:2:7", "UTF-8"),
    raw("utf-16", PROTOCOL.encode("utf-16"), "p.yaml:1:1", "UTF-8"),
    raw("nul bytes", b"mdprotocol: 1\nname: a\x00b\n", "p.yaml:2:8", "U+0000"),
    raw("binary", bytes(range(256)) * 20, "p.yaml:"),
    raw("a bell", "mdprotocol: 1\nname: a\x07b\n", "p.yaml:2:8", "U+0007"),
    raw("too large", b"a: " + b"x" * 1_100_000, "p.yaml:1:1", "larger than"),
    raw("unclosed bracket", "models: {a: [1, 2\n", "p.yaml:2:1", "YAML"),
    raw("unclosed quote", "name: 'abc\n", "p.yaml:2:1"),
    raw("a tab", "models:\n\ta: 1\n", "p.yaml:2:1", "tab"),
    raw("two documents", PROTOCOL + "---\na: 1\n", "p.yaml:", "another document"),
    raw("bad indent", "models:\n    a: 1\n  b: 2\n", "p.yaml:3:"),
    raw("colon in text", "name: a: b\n", "p.yaml:1:8", "':'"),
    raw("undefined alias", "name: *nobody\n", "p.yaml:1:7", "alias"),
    raw("alias of itself", "models: &m {a: *m}\n", "p.yaml:1:", "alias"),
    raw("alias bomb", _bomb(), "p.yaml:", "values"),
    raw("merge bomb", _merge_bomb(), "p.yaml:", "merge keys"),
    raw("many aliases", "a: &a 1\nb: [" + "*a, " * 500 + "]\n", "p.yaml:2:", "aliases"),
    raw("many values", "a: [" + "1, " * 60_000 + "]\n", "p.yaml:1:", "values"),
    raw("deep nesting", "a: " + "[" * 5_000, "p.yaml:1:44", "deep"),
    raw("deep mappings", "a: " + "{b: " * 3_000, "p.yaml:1:", "deep"),
    raw("deep blocks", "".join(" " * k + "a:\n" for k in range(300)), "p.yaml:", "deep"),
    raw("python tag", "a: !!python/object/apply:os.system [ls]\n", "p.yaml:1:4", "tag"),
    raw("python name", "a: !!python/name:os.system\n", "p.yaml:1:4", "tag"),
    raw("own tag", "a: !thing 1\n", "p.yaml:1:4", "tag"),
    raw("binary tag", "a: !!binary aGFsbG8=\n", "p.yaml:1:4", "tag"),
    raw("a list as key", "? [a, b]\n: 1\n", "p.yaml:1:3", "key"),
    raw("surrogate", 'name: "\\ud800"\n', "p.yaml:1:7"),
    raw("escape beyond unicode", 'name: "\\UFFFFFFFF"\n', "p.yaml:1:"),
    raw("a directive", "%YAML 9.9\n---\na: 1\n", "p.yaml:"),
    raw("html", "<!DOCTYPE html><html></html>\n", "p.yaml:1:1"),
    raw("json with trailing comma", '{"mdprotocol": 1,, }\n', "p.yaml:1:"),
    appended("duplicate section", "systems: {b: {type: builtin, name: water}}\n", "p.yaml:23:1", "twice"),
    appended("extends itself", "extends: p.yaml\n", "p.yaml:23:10", "circle"),
    appended("extends nothing", "extends: gone.yaml\n", "p.yaml:23:10", "gone.yaml"),
    appended("extends an absolute path", "extends: /etc/passwd\n", "p.yaml:23:10", "relative"),
    appended("extends a number", "extends: 3\n", "p.yaml:23:10"),
    appended("extends a folder", "extends: .\n", "p.yaml:23:10", "cannot be read"),
    appended("extends a device", "extends: ../../../../../../../../dev/null\n", "/dev/null:1:1"),
]

KEYS = [
    edited("no version", "mdprotocol: 1\n", "", "p.yaml:", "mdprotocol"),
    edited("another version", "mdprotocol: 1", "mdprotocol: 2", "p.yaml:1:13"),
    edited("version as text", "mdprotocol: 1", "mdprotocol: one", "p.yaml:1:13"),
    edited("no name", "name: corpus\n", "", "name"),
    edited("no models", "models:\n  mine: {type: tblite, method: GFN1-xTB}\n", "models: {}\n", "p.yaml:3:", "models"),
    edited("no systems", "systems:\n  water: {type: builtin, name: water}\n", "systems: {}\n", "systems"),
    edited("misspelt section", "criteria:", "critera:", "critera", "criteria"),
    edited("misspelt key", NVE, "    timestp_fs: 0.5\n", "p.yaml:11:5", "timestep_fs"),
    edited("wrong unit", "duration_ps: 1\n", "duration_ns: 1\n", "p.yaml:12:5", "duration_ps"),
    edited("temperature in C", "temperatures_K: [300]", "temperatures_C: [27]", "p.yaml:13:5", "temperatures_K"),
    edited("no unit", "    duration_ps: 1\n", "    duration: 1\n", "p.yaml:12:5", "duration_ps"),
    edited("duplicate key", NVE, NVE + NVE, "p.yaml:12:5", "twice"),
    edited("unknown model type", "type: tblite, method: GFN1-xTB", "type: tblit", "p.yaml:4:", "tblite"),
    edited("no model type", "{type: tblite, method: GFN1-xTB}", "{method: GFN1-xTB}", "p.yaml:4:", "type"),
    edited("model is a number", "{type: tblite, method: GFN1-xTB}", "7", "p.yaml:4:"),
    edited("model is null", "{type: tblite, method: GFN1-xTB}", "null", "models"),
    edited("model is a list", "{type: tblite, method: GFN1-xTB}", "[tblite]", "p.yaml:4:"),
    edited("type is a list", "type: tblite, method: GFN1-xTB", "type: [tblite]", "p.yaml:4:"),
    edited("unknown option of a model", "method: GFN1-xTB", "methods: GFN1-xTB", "p.yaml:4:", "method"),
    edited("unknown method", "GFN1-xTB", "GFN3-xTB", "p.yaml:4:", "GFN1-xTB"),
    edited("unknown system type", "type: builtin, name: water", "type: buildin, name: water", "p.yaml:7:", "builtin"),
    edited("unknown builtin", "name: water}", "name: watr}", "p.yaml:7:", "water"),
    edited("unknown integrator", "velocity_verlet", "velocity_verlett", "p.yaml:10:", "velocity_verlet"),
    edited("unknown metric", "force_error.rmse", "force_eror.rmse", "p.yaml:20:", "force_error"),
    edited("unknown quantity", "force_error.rmse", "force_error.rsme", "p.yaml:20:", "rmse"),
    edited("metric without quantity", "metric: force_error.rmse", "metric: force_error", "p.yaml:20:"),
    edited("metric from another world", "force_error.rmse", "../../etc.passwd", "p.yaml:20:"),
    edited("bound in the wrong unit", "units: eV/Å", "units: kcal/mol/Å", "p.yaml:20:", "eV/Å"),
    edited(
        "unknown level", "level: must, metric: stability", "level: shall, metric: stability", "p.yaml:19:", "should"
    ),
    edited("no level", "level: must, metric: stability", "metric: stability", "p.yaml:19:", "level"),
    edited("no bound", "metric: stability.crashed, max: 0", "metric: stability.crashed", "p.yaml:19:", "max"),
    edited("bounds crossed", "max: 0.2", "max: 0.2, min: 0.5", "p.yaml:20:", "min"),
    edited("unknown requirement", "requires: [must]", "requires: [most]", "p.yaml:22:", "must"),
    edited("use without a rule", "{use: production MD, requires: [must]}", "{use: production MD}", "p.yaml:22:"),
    edited("where an unknown dim", "max: 0.2", "max: 0.2, where: {molecule: water}", "p.yaml:20:", "system"),
    edited("where an unknown system", "max: 0.2", "max: 0.2, where: {system: wter}", "p.yaml:20:", "water"),
    edited("where an unknown simulation", "max: 0.2", "max: 0.2, where: {simulation: nvt}", "p.yaml:20:", "nve"),
    edited("where an absent temperature", "max: 0.2", "max: 0.2, where: {temperature: 77}", "p.yaml:20:"),
    edited("per an unknown dim", "max: 0.2", "max: 0.2, per: [replica]", "p.yaml:20:"),
    edited("never measurable", "reference_every_fs: 50", "reference_every_fs: null", "p.yaml:20:", "never be measured"),
    edited("no reference", "reference: {type: tblite, method: GFN2-xTB}\n", "", "reference"),
    edited("systems that are not there", NVE, NVE + "    systems: [ethanol]\n", "p.yaml:12:", "water"),
    edited("models that are not there", NVE, NVE + "    models: [yours]\n", "p.yaml:12:", "mine"),
    edited("model named reference", "  mine: {", "  reference: {", "p.yaml:4:3", "reference"),
    edited("plugin of a local path", "name: corpus\n", "name: corpus\nplugins: [./evil.py]\n", "--allow-local-plugins"),
    edited(
        "plugin that is no module", "name: corpus\n", "name: corpus\nplugins: [no_such_module_xyz]\n", "no_such_module"
    ),
    edited("plugins as a word", "name: corpus\n", "name: corpus\nplugins: evil\n", "p.yaml:3:10"),
]

NAMES = [
    edited(f"name {text!r}", "name: corpus", f"name: {text!r}", "p.yaml:2:7")
    for text in ("../evil", "a/b", ".hidden", "a b", "a|b", "", "x" * 65, "-rf", "a\nb", "<b>", "con\u202e")
] + [
    edited(f"model called {text!r}", "  mine: {", f"  {text!r}: {{", "p.yaml:4:")
    for text in ("../../evil", "a/b", "..", "=cmd()", "a|b", "<script>")
]

NUMBERS = [
    edited(f"{key} {value}", f"{key}: {old}", f"{key}: {value}", "p.yaml:", key)
    for key, old, values in (
        (
            "timestep_fs",
            "0.5",
            ("0", "-1", "500", ".inf", ".nan", "1e999", "abc", "[]", "'0.5'", "true", "0.5 ps", "[0.5, 0]", "1e-320"),
        ),
        ("duration_ps", "1\n", ("0\n", "-5\n", "1e300\n", ".nan\n", "one\n", "null\n")),
        ("temperatures_K", "[300]", ("[]", "[0]", "[-10]", "[1e9]", "[warm]", "300", "[.inf]", "[[300]]", "{a: 1}")),
        ("replicas", "4", ("0", "-1", "2.5", "1000000", "four", "1e30", "9" * 40)),
        ("record_every_fs", "5\n", ("0\n", "-1\n", ".inf\n", "x\n", "1e308\n")),
        ("reference_every_fs", "50", ("0", "-2", "often", "1e308")),
        ("max", "0.2", ("small", ".nan", ".inf", "[1]")),
    )
    for value in values
] + [
    edited("seed negative", "name: corpus\n", "name: corpus\nseed: -1\n", "p.yaml:3:7"),
    edited("seed too large", "name: corpus\n", "name: corpus\nseed: 99999999999999999999\n", "p.yaml:3:7"),
    edited("seeds that do not fit", "    replicas: 4\n", "    replicas: 4\n    seeds: [1, 2]\n", "p.yaml:", "seeds"),
    edited("no whole number of steps", "duration_ps: 1\n", "duration_ps: 1.00013\n", "p.yaml:12:", "duration_ps"),
    Case(
        "more runs than memory",
        ("p.yaml:", "runs"),
        PROTOCOL.replace("[300]", "[" + ", ".join(str(200 + k) for k in range(60)) + "]")
        .replace("replicas: 4", "replicas: 9999")
        .encode(),
    ),
    edited(
        "guards that never look",
        "reference_every_fs: 50",
        "guards: {check_every_fs: 1e308}",
        "p.yaml:17:",
        "check_every_fs",
    ),
    edited("confidence of 1", "max: 0.2", "max: 0.2, confidence: 1", "p.yaml:20:"),
    edited(
        "friction of nothing",
        "{duration_ps: 0.1}",
        "{integrator: {type: langevin, friction_per_ps: -3}, duration_ps: 0.1}",
        "p.yaml:15:",
    ),
]

CASES = [*TEXT, *KEYS, *NAMES, *NUMBERS]
