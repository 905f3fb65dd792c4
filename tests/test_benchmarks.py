"""The command `python -m benchmarks`. Its figures are of no interest here."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tables
from benchmarks.__main__ import main

ROOT = Path(__file__).parent.parent
QUICK = ("epoch", "transforms", "outputs")


def benchmarks(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file of figures, and what was printed."""
    file = tmp_path_factory.mktemp("benchmarks") / "now.json"
    done = benchmarks(*QUICK, "--quick", "--device", "cpu", "--json", file)
    assert done.returncode == 0, done.stderr
    return file, done.stdout


def figures(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_the_file_says_where_and_with_what_it_was_measured(measured: tuple[Path, str]) -> None:
    machine = figures(measured[0])["machine"]
    assert {"date", "commit", "processor", "gpu", "system", "versions", "threads", "precision"} <= machine.keys()
    assert "torch" in machine["versions"]
    assert machine["threads"] >= 1


def test_the_file_has_a_row_for_each_case_and_transform(measured: tuple[Path, str]) -> None:
    rows = {table["name"]: table["rows"] for table in figures(measured[0])["tables"]}
    assert {f"{name} (cpu)" for name in QUICK} <= rows.keys()
    assert len(rows["epoch (cpu)"]) == 5
    for row in rows["epoch (cpu)"].values():
        compared = {"bare s", "ratio", "goal", "own s", "over own", "float32 s", "plain s", "gain"}
        assert row.keys() == {"views", "epoch s"} | compared
        assert row["ratio"] == pytest.approx(row["epoch s"] / row["bare s"])
    views = [row["views"] for row in rows["epoch (cpu)"].values()]
    assert views == [1, 5, 60, 64, 10]
    assert all(share > 0 for row in rows["transforms (cpu)"].values() for share in row.values())


def test_what_is_printed_is_what_is_in_the_file(measured: tuple[Path, str]) -> None:
    file, printed = measured
    for table in figures(file)["tables"]:
        assert tables.Table(**table).markdown() in printed


def test_a_file_that_is_there_is_not_overwritten(
    measured: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = measured[0].read_bytes()
    with pytest.raises(SystemExit, match="2"):
        main(["epoch", "--json", str(measured[0])])
    assert "is there already" in capsys.readouterr().err
    assert measured[0].read_bytes() == before


def test_an_unknown_name_is_answered_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["epochs"])
    assert "there is no benchmark epochs; there is epoch, precision," in capsys.readouterr().err


def test_two_files_side_by_side(measured: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slower = figures(measured[0])
    slower["machine"]["commit"] = "feedface"
    row = slower["tables"][0]["rows"]["batch 5, 512x512, transforms"]
    row["epoch s"] = 2 * row["epoch s"]
    after = tmp_path / "after.json"
    after.write_text(json.dumps(slower))
    main(["--compare", str(measured[0]), str(after)])
    printed = capsys.readouterr().out
    assert "-> feedface" in printed
    line = next(line for line in printed.splitlines() if line.startswith("| batch 5,"))
    assert line.count("(x2.00)") == 1
    assert line.count("(x1.00)") == len(row) - 1


def test_a_file_without_figures_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.json"
    other.write_text("[]")
    with pytest.raises(SystemExit, match="2"):
        main(["--compare", str(other), str(other)])
    assert "other.json" in capsys.readouterr().err


def test_only_what_both_have_is_compared() -> None:
    def found(rows: tables.Rows) -> dict[str, Any]:
        return tables.to_json({}, [tables.Table("epoch", "", copy.deepcopy(rows))])

    row: tables.Rows = {"a": {"epoch s": 2.0, "note": "none", "gone": None}}
    both = tables.compare(found({**row, "old": {"epoch s": 1.0}}), found({**row, "new": {"epoch s": 1.0}}))
    assert [line.split("|")[1:-1] for line in both.splitlines()[-1:]] == [[" a ", " 2 (x1.00) ", " none ", "    - "]]
    assert "old" not in both
    assert "new" not in both


@pytest.mark.slow
def test_every_benchmark_runs(tmp_path: Path) -> None:
    done = benchmarks("--quick", "--device", "cpu", "--pictures", tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("epoch", "precision", "transforms", "memory", "scaling", "startup", "watching", "profile"):
        assert f"## {name} (cpu)\n" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["precision.png"]


def test_a_ratio_that_is_worse_than_it_was_is_named() -> None:
    def found(**row: float) -> dict[str, Any]:
        return tables.to_json({}, [tables.Table("epoch (cpu)", "", {"small": {**row}})])

    before = found(**{"epoch s": 1.0, "over own": 1.2})
    assert tables.worse(before, found(**{"epoch s": 9.0, "over own": 1.3}), 1.15) == []
    assert tables.worse(before, found(**{"epoch s": 1.0, "over own": 1.5}), 1.15) == [
        "epoch (cpu), small, over own is 1.500, and was 1.200"
    ]
    assert tables.worse(tables.to_json({}, []), found(**{"over own": 9.0}), 1.15) == []
