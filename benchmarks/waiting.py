"""Whether an epoch waits for the GPU."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.cases import Case, cases
from benchmarks.session import Session
from benchmarks.tables import Table


def measure(session: Session) -> Iterator[Table]:
    """Nothing on a CPU, where there is nobody to wait for."""
    if session.device == "cuda":
        yield Table(
            "waiting",
            "An epoch with `torch.cuda.set_sync_debug_mode('error')`.",
            {case.name: {"synchronisations": synchronisations(session, case)} for case in cases("cuda")},
        )


def synchronisations(session: Session, case: Case) -> str:
    """`none`, or what torch says of the first."""
    run = session.run(case.config, case.model)
    run.step()  # the first epoch chooses the chunk, and may allocate
    torch.cuda.set_sync_debug_mode("error")
    try:
        run.step()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "none"
