"""The reporters as the registry sees them."""

from mdprotocol.registry import build_registry

FILES = {
    "markdown": {"verdict.md"},
    "json": {"verdict.json"},
    "csv": {"verdict.csv"},
    "html": {"report.html"},
    "junit": {"junit.xml"},
}


def test_all_reporters_are_registered_with_a_summary():
    found = build_registry().entries["reporters"]
    assert set(FILES) | {"figures"} <= set(found)
    assert all(entry.component.summary() for entry in found.values())


def test_each_writes_its_files_and_nothing_else(made):
    found = build_registry().entries["reporters"]
    for name, files in FILES.items():
        assert set(found[name].component().render(made("sound"))) == files


def test_figures_are_written_where_the_others_link_them(made):
    report = made("several")
    files = build_registry().entries["reporters"]["figures"].component().render(report)
    assert files == {figure.path: figure.png for figure in report.figures() if figure.png}
    assert len(files) == 2
    assert all(path.startswith("figures/") and path.endswith(".png") for path in files)


def test_writing_twice_gives_the_same_bytes(made):
    for entry in build_registry().entries["reporters"].values():
        first, second = (entry.component().render(made("troubled")) for _ in range(2))
        assert first == second
