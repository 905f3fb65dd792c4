"""Sweeps on a real Ray cluster: two nodes on the loopback. Needs `clipig[ray]`; runs in `tox -e ray`."""

from __future__ import annotations

import csv
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clipig_core.testing import check_launcher
from clipig_sweep.cluster import ray
from tests.cli.support import clipig, command, environment, install
from tests.plugins.test_sweep import CONFIG, TROUBLE

pytestmark = [pytest.mark.slow, pytest.mark.ray]

JOBS = 8


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, "acme", TROUBLE)
    (tmp_path / "demo.yaml").write_text(CONFIG)
    slow = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_raylet_start_wait_time_s": "300"}
    for name, value in environment(PYTHONPATH=str(tmp_path), **slow).items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def cluster(folder: Path) -> Iterator[Any]:
    """Two nodes with a core each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        made.add_node(num_cpus=1)
        made.wait_for_nodes()
        yield made
    finally:
        made.shutdown()


def started(folder: Path, cluster: Any, *args: str) -> subprocess.Popen[str]:
    launcher = f"ray: {{address: '{cluster.address}'}}"
    line = [command(), "sweep", "demo.yaml", "--set", f"seed=1..{JOBS}", "--launcher", launcher, *args]
    return subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def table(folder: Path) -> list[tuple[str, str]]:
    with (folder / "demo-sweep" / "results.csv").open() as file:
        return [(row["name"], row["status"]) for row in csv.DictReader(file)]


def wait_for_records(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    while len([*(folder / "demo-sweep" / "jobs").glob("*.json")]) < count:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)


ALL = [(f"seed-{seed}", "done") for seed in range(1, JOBS + 1)]


def test_a_node_that_is_lost_costs_no_job_and_pictures_are_those_of_clipig_run(folder: Path, cluster: Any) -> None:
    process = started(folder, cluster, "--var", "trouble=slow")
    wait_for_records(folder, 2, process)
    cluster.remove_node(next(node for node in cluster.list_all_nodes() if node is not cluster.head_node))
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, output) == (0, "demo-sweep\n"), errors
    assert table(folder) == ALL
    done = clipig(folder, "run", "demo.yaml", "--var", "trouble=slow", "--seed", "3", "-o", "alone.png")
    assert done.returncode == 0
    one, other = (np.array(Image.open(folder / name)) for name in ("alone.png", "demo-sweep/pictures/seed-3.png"))
    assert (one == other).all()


def test_a_killed_worker_costs_no_job_and_an_interrupted_sweep_goes_on(folder: Path, cluster: Any) -> None:
    process = started(folder, cluster, "--var", "trouble=slow")
    wait_for_records(folder, 1, process)
    process.send_signal(2)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert 0 < [status for _, status in table(folder)].count("done") < JOBS
    process = started(folder, cluster, "--var", "trouble=slow")
    assert process.wait(timeout=300) == 0
    assert table(folder) == ALL
    process = started(folder, cluster, "--var", "trouble=once", "-o", "once")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert (folder / "died").exists()


def test_a_cluster_with_other_plugins_is_refused(folder: Path, cluster: Any) -> None:
    metadata = folder / "acme-1.0.dist-info" / "METADATA"
    late = folder / "late"
    late.mkdir()
    install(late, "late", "")
    metadata.write_text(metadata.read_text().replace("1.0", "2.0"))
    process = subprocess.Popen(
        [command(), "sweep", "demo.yaml", "--launcher", f"ray: {{address: '{cluster.address}'}}"],
        cwd=folder,
        env=environment(PYTHONPATH=f"{folder}:{late}"),
        stderr=subprocess.PIPE,
        text=True,
    )
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "lacks late 1.0" in errors
    assert not [*(folder / "demo-sweep" / "jobs").glob("*.json")]


def test_the_launcher_keeps_its_contract() -> None:
    check_launcher(ray, cpus=0.5)
