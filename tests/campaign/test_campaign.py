"""A few cases of each part, so that the campaign itself works when it is wanted."""

from __future__ import annotations

import random
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from .__main__ import PARTS


@pytest.mark.parametrize(("part", "cases"), [("configs", 10), ("expressions", 300), ("models", 5), ("pictures", 20)])
def test_cases_without_a_defect(tmp_path: Path, part: str, cases: int) -> None:
    for text, case in islice(PARTS[part][0](random.Random(3), tmp_path), cases):
        assert case() == "", text


@pytest.mark.slow
@pytest.mark.parametrize("part", ["command", "kills", "plugins"])
def test_cases_in_processes_of_their_own(part: str) -> None:
    arguments = [part, "--seed", "3", "--minutes", "0.1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaign", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
