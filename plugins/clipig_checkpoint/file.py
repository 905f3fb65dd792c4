"""The file of a checkpoint: safetensors, with the structure of the state and the plan as JSON in its header.

Nothing in it is run, and whoever reads it trusts nothing of it.
"""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipig_core import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from clipig_core.kit import Run

SUFFIX = ".checkpoint"
FORMAT = "clipig checkpoint 1"
MAX_HEADER = 16_000_000


@dataclass(frozen=True)
class Checkpoint:
    """What a run leaves: its config, the state for `Run.load_state_dict`, and what it was computed with."""

    path: Path
    plan: dict[str, Any]
    state: dict[str, Any]
    machine: dict[str, str]

    def to_bytes(self) -> bytes:
        """The content of the file."""
        from safetensors.torch import save

        tensors: dict[str, Tensor] = {}
        texts = {
            "format": FORMAT,
            "plan": json.dumps(self.plan, default=str),
            "machine": json.dumps(self.machine),
            "state": json.dumps(_packed(self.state, tensors)),
        }
        return save(tensors, texts)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """A checkpoint from its file, whose tensors are read when they are used.

        Raises:
            InputError: there is none, or it is damaged.
        """
        from safetensors import SafetensorError, safe_open

        try:
            _check_header(path)
            with safe_open(path, "pt") as file:
                texts = file.metadata() or {}
                if texts.get("format") != FORMAT:
                    raise ValueError(f"it is not of the format '{FORMAT}'")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
                state = _unpacked(json.loads(texts["state"]), tensors)
                machine, plan = (json.loads(texts[name]) for name in ("machine", "plan"))
        except FileNotFoundError:
            hint = "a run with '--checkpoint', or 'outputs: [checkpoint]', leaves one, unless it came to its end"
            raise InputError(f"there is no checkpoint '{path}' ({hint})") from None
        except OSError as error:
            raise InputError(f"cannot read '{path}': {error.strerror or error}") from None
        except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"'{path}' is not a whole checkpoint: {str(error) or type(error).__name__:.200}") from None
        if not all(isinstance(part, dict) for part in (state, machine, plan)):
            raise InputError(f"'{path}' is not a whole checkpoint: a part of it is no mapping")
        return cls(path, plan, state, machine)


def machine(run: Run) -> dict[str, str]:
    """What the bytes of a picture depend on, beside its config."""
    import torch

    found = {name: importlib.metadata.version(name) for name in ("clipig", "torch")}
    used = (use.component.plugin for use in run.plan.uses())
    found |= {plugin.distribution: plugin.version for plugin in used if plugin.distribution}
    device = torch.cuda.get_device_name(run.device) if run.device.type == "cuda" else run.device.type
    precision = str(run.dtype).removeprefix("torch.")
    return found | {"device": device, "precision": precision, "threads": str(torch.get_num_threads())}


def _check_header(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise ValueError("it is not a file")
    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > MAX_HEADER:
            raise ValueError(f"its header has more than {MAX_HEADER:,} bytes")


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """A value as JSON; what JSON has no word for is a mapping of one key that says what it is."""
    from torch import Tensor

    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_packed(key, tensors), _packed(entry, tensors)] for key, entry in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_packed(entry, tensors) for entry in value]}
    if isinstance(value, list):
        return [_packed(entry, tensors) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"the state of the run has a {type(value).__name__}, which a checkpoint cannot hold")


def _unpacked(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(entry, tensors) for entry in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_unpacked(key, tensors): _unpacked(entry, tensors) for key, entry in content}
    if kind == "tuple":
        return tuple(_unpacked(entry, tensors) for entry in content)
    raise ValueError(f"its state has a '{kind}'")
