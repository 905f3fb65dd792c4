"""What a machine has for a process, where control groups limit it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipig_core import kit, machine


def group(folder: Path, **files: str) -> None:
    """A control group: `cpu_max="..."` is what its file `cpu.max` says."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text + "\n")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The outer of two groups of version 2 in which this process is."""
    monkeypatch.setattr(
        machine, "_groups", lambda _: [(tmp_path / "outer" / "inner", True), (tmp_path / "outer", True)]
    )
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    return tmp_path / "outer"


@pytest.mark.parametrize(
    ("outer", "inner", "cores"),
    [
        ("max 100000", "max 100000", 16),
        ("400000 100000", "max 100000", 4),
        ("max 100000", "250000 100000", 2),
        ("300000 100000", "800000 100000", 3),
        ("50000 100000", "max 100000", 1),
        ("9900000 100000", "nonsense", 16),
    ],
)
def test_no_more_cores_than_any_group_may_use(groups: Path, outer: str, inner: str, cores: int) -> None:
    group(groups, cpu_max=outer)
    group(groups / "inner", cpu_max=inner)
    assert kit.cores() == cores


def test_groups_of_version_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_groups", lambda _: [(tmp_path, False)])
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    for quota, cores in (("-1", 16), ("600000", 6)):
        (tmp_path / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        assert kit.cores() == cores


def test_memory_is_what_the_tightest_group_leaves(groups: Path) -> None:
    before = kit.free_memory()
    assert before is not None
    group(groups, memory_max="5000", memory_current="3000", memory_stat="anon 7\ninactive_file 400")
    assert kit.free_memory() == 2400
    group(groups / "inner", memory_max="max", memory_current="3000", memory_stat="inactive_file 0")
    assert kit.free_memory() == 2400
    group(groups / "inner", memory_max="3100")
    assert kit.free_memory() == 100


def test_swap_is_no_memory_for_workers() -> None:
    with_swap, without = kit.free_memory(), kit.free_memory(swap=False)
    assert with_swap is not None
    assert without is not None
    assert without <= with_swap + 10**8


@pytest.mark.parametrize(("visible", "gpus"), [(None, ["0", "1"]), ("3,5", ["3", "5"]), ("GPU-7,2,1", ["GPU-7", "2"])])
def test_gpus_are_called_what_their_variable_calls_them(
    visible: str | None, gpus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", visible)
    assert kit.gpus() == gpus
