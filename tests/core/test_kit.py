"""The kit: whatever it offers is there, and costs only what is taken from it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from clipig_core import kit


def test_everything_it_offers_is_there_and_typed() -> None:
    imports = (node for node in ast.walk(ast.parse(Path(kit.__file__).read_text())) if isinstance(node, ast.ImportFrom))
    typed = {
        alias.asname or alias.name for node in imports for alias in node.names if "clipig_core" in str(node.module)
    }
    assert {*kit.__all__} == typed
    assert all(getattr(kit, name) is not None for name in kit.__all__)


def test_configs_are_read_without_torch() -> None:
    code = "import sys; from clipig_core.kit import Registry, read_config; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
