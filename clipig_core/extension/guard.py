"""What belongs to the whole process, and is kept as it is while code of plugins runs."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger("clipig")

_NAMES = (
    "the working directory",
    "stdout",
    "stderr",
    "the gradient mode",
    "the default dtype",
    "the number of threads",
)
_told: set[str] = set()


@contextmanager
def surroundings_kept(who: Callable[[], str]) -> Iterator[None]:
    """What the code inside changes of the process as a whole is changed back, and said once for each culprit.

    That is the working directory, the standard streams, and of torch, if it is there, whether gradients are computed,
    the type of new numbers and the number of threads. Random numbers are not among it: nothing in core draws from
    generators that are shared.
    """
    before = _surroundings()
    try:
        yield
    finally:
        if _surroundings() != before:
            _change_back(before, who)


def _surroundings() -> tuple[object, ...]:
    try:
        folder = os.getcwd()  # noqa: PTH109 - a third of the time
    except OSError:  # it was deleted
        folder = ""
    torch = sys.modules.get("torch")
    if not hasattr(torch, "get_num_threads"):  # it is not there, or not yet to its end
        return folder, sys.stdout, sys.stderr
    return (
        folder,
        sys.stdout,
        sys.stderr,
        torch.is_grad_enabled(),  # type: ignore[union-attr]
        torch.get_default_dtype(),  # type: ignore[union-attr]
        torch.get_num_threads(),  # type: ignore[union-attr]
    )


def _change_back(before: tuple[object, ...], who: Callable[[], str]) -> None:
    after = _surroundings()
    if len(after) > len(before):  # torch was imported inside
        before = (*before, True, sys.modules["torch"].float32, after[-1])
    changed = [name for name, old, new in zip(_NAMES, before, after, strict=True) if old != new]
    for name, old in zip(_NAMES, before, strict=True):
        if name in changed:
            with contextlib.suppress(OSError):
                _set(name, old)
    text = f"{who()} changed {' and '.join(changed)} of the whole process; it was changed back"
    if changed and text not in _told:
        _told.add(text)
        log.warning(text)


def _set(name: str, value: Any) -> None:
    torch: Any = sys.modules.get("torch")
    match name:
        case "the working directory":
            os.chdir(value)
        case "stdout" | "stderr":
            setattr(sys, name, value)
        case "the gradient mode":
            torch.set_grad_enabled(value)
        case "the default dtype":
            torch.set_default_dtype(value)
        case "the number of threads":
            torch.set_num_threads(value)
