"""`mdprotocol bench` as a user has it."""

from __future__ import annotations

import csv
import json


def test_bench_writes_table_csv_json_and_figure(cli, small, tmp_path):
    ended = cli("bench", small, "-o", "here", "--quick", "-q")
    assert ended.code == 0, ended.err
    facts = json.loads((tmp_path / "here" / "bench.json").read_text())
    assert [(r["model"], r["loop"], r["copies"]) for r in facts["rows"]] == [
        ("gfn1", "plain ASE", 1),
        ("gfn1", "engine", 1),
        ("gfn1", "engine", 3),
    ]
    assert facts["whole_protocol"]["copy_steps"] == 3 * (200 + 100)
    assert facts["threads"] == 1
    assert facts["sgemm_gflops"] > 0.1
    assert facts["versions"]["torch"]
    with (tmp_path / "here" / "bench.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 3
    assert (tmp_path / "here" / "bench.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "here" / "bench.md").read_text()
    assert "| gfn1 | water | engine | 3 | tblite |" in page
    assert page.strip() in ended.out


def test_bench_of_nothing_to_time_says_so(cli, small):
    text = small.read_text().replace("    replicas: 3\n", "    replicas: 3\n    models: []\n")
    small.write_text(text)
    ended = cli("bench", small, "--quick", "-q")
    assert ended.code == 2
