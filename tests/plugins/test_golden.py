"""The numbers of an earlier implementation of the same reference, for one image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.plugins.components import apply, find

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "reference.json").read_text())
ARRAYS = np.load(GOLDEN / "reference.npz")


@pytest.mark.parametrize("case", CASES, ids=[f"{case['name']}-{case['key']}" for case in CASES])
def test_golden(case: dict[str, Any]) -> None:
    image = torch.from_numpy(ARRAYS["image"])[None]
    arguments = {name: tuple(v) if isinstance(v, list) else v for name, v in case["params"].items()}
    result = apply(find(case["kind"], case["name"]), image, arguments)[0]
    if case["kind"] == "transform":
        wanted = torch.from_numpy(ARRAYS[case["key"]])
        assert result.shape == wanted.shape
        assert (result - wanted).abs().max() < 1e-5
    else:
        assert float(result) == pytest.approx(case["value"], rel=1e-4, abs=1e-9)
