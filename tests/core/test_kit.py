"""The face of core for plugins."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clipig_core import kit


@pytest.mark.parametrize("name", [*kit.__all__])
def test_every_name_is_there(name: str) -> None:
    assert getattr(kit, name) is not None


def test_what_only_reads_configs_does_not_load_torch() -> None:
    code = "import sys; from clipig_core.kit import Registry, read; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_an_unknown_name_is_no_import() -> None:
    with pytest.raises(ImportError, match="resampel"):
        from clipig_core.kit import resampel  # noqa: F401
