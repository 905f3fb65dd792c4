"""Sweeps on a real Ray cluster: two nodes on the loopback. Needs `clipig[ray]`; runs in `tox -e ray`."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

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
    """Two nodes with a core each, and a GPU that is none: Ray does not look."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1, "include_dashboard": False})
    try:
        made.add_node(num_cpus=1, num_gpus=1)
        made.wait_for_nodes()
        yield made
    finally:
        made.shutdown()


def started(folder: Path, cluster: Any, *args: str, **params: float) -> subprocess.Popen[str]:
    launcher = json.dumps({"ray": {"address": cluster.address, **params}})
    line = [command(), "sweep", "demo.yaml", "--set", f"seed=1..{JOBS}", "--launcher", launcher, *args]
    return subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def table(folder: Path, name: str = "demo-sweep") -> list[tuple[str, str]]:
    with (folder / name / "results.csv").open() as file:
        return [(row["name"], row["status"]) for row in csv.DictReader(file)]


def wait_for_records(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    while len([*(folder / "demo-sweep" / "jobs").glob("*.json")]) < count:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)


def ended(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    """What it said."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    return output, errors


ALL = [(f"seed-{seed}", "done") for seed in range(1, JOBS + 1)]


def test_a_node_that_is_lost_costs_no_job_and_pictures_are_those_of_clipig_run(folder: Path, cluster: Any) -> None:
    Image.new("RGB", (32, 32), "gold").save(folder / "start.png")
    given = ("--var", "trouble=slow", "--set", "init.image=start.png")
    process = started(folder, cluster, *given)
    wait_for_records(folder, 2, process)
    cluster.remove_node(next(node for node in cluster.list_all_nodes() if node is not cluster.head_node))
    assert ended(process)[0] == "demo-sweep\n"
    assert table(folder) == ALL
    done = clipig(folder, "run", "demo.yaml", *given, "--seed", "3", "-o", "alone.png")
    assert done.returncode == 0
    one, other = (np.array(Image.open(folder / name)) for name in ("alone.png", "demo-sweep/pictures/seed-3.png"))
    assert (one == other).all()


def test_a_killed_worker_costs_no_job_and_an_interrupted_sweep_goes_on(folder: Path, cluster: Any) -> None:
    process = started(folder, cluster, "--var", "trouble=slow")
    wait_for_records(folder, 1, process)
    process.send_signal(2)
    ended(process, 130)
    assert 0 < [status for _, status in table(folder)].count("done") < JOBS
    ended(started(folder, cluster, "--var", "trouble=slow"))
    assert table(folder) == ALL
    ended(started(folder, cluster, "--var", "trouble=once", "-o", "once"))
    assert (folder / "died").exists()  # in the folder from which the sweep was started, as files are looked for there
    assert [status for _, status in table(folder, "once")] == ["done"] * JOBS


def test_jobs_may_share_a_gpu(folder: Path, cluster: Any) -> None:
    _, errors = ended(started(folder, cluster, gpus=3), 2)
    assert "a job takes 3 GPUs, but the whole cluster has 2" in errors
    ended(started(folder, cluster, "--var", "trouble=gpu", gpus=0.5))
    assert table(folder) == ALL


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
    _, errors = ended(process, 2)
    assert "lacks late 1.0" in errors
    assert not [*(folder / "demo-sweep" / "jobs").glob("*.json")]


def test_the_launcher_keeps_its_contract() -> None:
    """In a process of its own: Ray looks once at how it is to be asked for a token."""
    code = "from clipig_core.testing import check_launcher as check; from clipig_sweep.cluster import ray; check(ray)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
