"""Where a run computes, in which precision, and how constants get there without waiting."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clipig_core.config.plan import Plan
from clipig_core.errors import InputError, Problem


def find_device(plan: Plan) -> torch.device:
    """The device of the settings; `auto` is CUDA, else MPS, else the CPU.

    Raises:
        InputError: this machine has no such device.
    """
    name = plan.settings.fixed.device
    present = ["cpu", *(["mps"] if torch.backends.mps.is_available() else [])]
    present += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if name == "auto":
        name = "cuda:0" if "cuda:0" in present else present[-1]
    if name == "cuda":
        name = "cuda:0"
    if name not in present:
        place = plan.settings["device"].node.place
        raise InputError(Problem(f"this machine has no device '{name}'", place, f"it has: {', '.join(present)}"))
    return torch.device(name)


def find_precision(plan: Plan, device: torch.device) -> torch.dtype:
    """The number format of the settings; `auto` is bfloat16 where the device multiplies it natively, else float32."""
    name: str = plan.settings.fixed.precision
    if name == "auto":
        name = "bfloat16" if _multiplies_bfloat16(device) else "float32"
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # There is no public question for the instructions of a CPU; these two exist since torch 2.5 and 2.6.
    questions = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, question, bool)() for question in questions)


def numbers(values: Sequence[float], like: Tensor) -> Tensor:
    """[N] numbers with the dtype, and on the device, of a tensor; a GPU is not waited for."""
    return torch.tensor(values, dtype=like.dtype).to(like.device, non_blocking=True)
