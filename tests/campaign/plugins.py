"""Plugins with bugs, some of which look like malice."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from clipig_core.extension.registry import Registry

from .cases import Case, command, forked, warm

AT_IMPORT = [
    *(
        "",
        "raise RuntimeError('broken')",
        "import sys; sys.exit(3)",
        "import not_there",
        "raise BaseException",
        "1 / 0",
    ),
    *("import os; os.chdir('/')", "print('\\x1b]0;title\\x07')", "import sys; sys.stdout = None", "def broken(:"),
    *(
        "import torch; torch.set_default_dtype(torch.float64)",
        "import torch; torch.manual_seed(0)",
        "import random; random.seed(0)",
    ),
    *(
        "import torch; torch.set_grad_enabled(False)",
        "import sys; sys.path.clear()",
        "import logging; logging.disable()",
    ),
]
HOOKS = [
    *('{"own": "acme:own"}',) * 12,
    *(
        "{}",
        "None",
        "3",
        "[1]",
        '{"own": 3}',
        '{3: "acme:own"}',
        '{"own": "acme"}',
        '{"own": "acme:gone"}',
        '{"own": "gone:own"}',
    ),
    *(
        '{"own": "acme:AT"}',
        '{"\\x1b[2J": "acme:own"}',
        "1 / 0",
        '{"": "acme:own"}',
        '{"own": "acme:own", "blur": "acme:own"}',
    ),
]
BODIES = [
    *("return x * 1", "return None", "return 3", "return x[0]", "return x[:0]", "return x.double()", "return x.half()"),
    *("return x.int()", "return x.to_sparse()", "return x.to('meta')", "return x.detach()", "return x * float('nan')"),
    *(
        "return x * float('inf')",
        "return x.mean((1, 2, 3))",
        "return x.mean()",
        "return [x]",
        "return x[:, :1]",
        "return x.T",
    ),
    *(
        "raise ValueError('\\x1b[2J')",
        "raise ValueError",
        "raise RuntimeError",
        "raise KeyError(3)",
        "raise BaseException",
    ),
    *("raise SystemExit(7)", "raise StopIteration", "raise GeneratorExit", "raise MemoryError", "raise RecursionError"),
    *(
        "return own(x)",
        "x.zero_(); return x",
        "x.requires_grad_(False); return x",
        "x.resize_(0); return x",
        "return type('E', (), {'__repr__': lambda self: 1 / 0})()",
    ),
    *(
        "import os; os.chdir('/'); return x * 1",
        "import sys; sys.stdout = None; return x * 1",
        "print('x'); return x * 1",
    ),
    *("torch.set_grad_enabled(False); return x * 1", "torch.set_default_dtype(torch.float64); return x * 1"),
    *(
        "torch.manual_seed(0); return x * 1",
        "import random; random.seed(0); return x * 1",
        "import os; os.environ.clear(); return x * 1",
    ),
    *(
        "import warnings; warnings.warn('w\\x1b[2J'); return x * 1",
        "import logging; logging.getLogger('clipig').warning('\\x1b]0;t\\x07'); return x * 1",
    ),
    *("return x.expand(-1, 3, -1, -1)", "return torch.zeros_like(x)", "return x + torch.rand(())", "return x.cfloat()"),
]
SIGNATURES = {
    "transform": (
        "transforms",
        [
            "x",
            "x, *, rng",
            "",
            "x, y",
            "x, a: 'Annotated[float, Param(\"a\")]' = 1",
            "x, a: 'Annotated[dict, Param(\"a\")]' = 1",
            "*x",
        ],
    ),
    "constraint": ("constraints", ["x", "x, *, rng", "", "x, y"]),
    "loss": ("losses", ["x, y", "x", ""]),
    "feature": ("features", ["value: 'Annotated[str, Param(\"a\")]', x", "value, x", "x"]),
    "optimizer": ("optimizers", ["x", "x, y", ""]),
    "canvas": ("canvases", ["width, height, x", "x"]),
    "model": ("models", ["name, x, dtype", "x"]),
    "output": ("outputs", ["x", ""]),
}
CONFIGS = {
    "transform": "targets: [{features: [text: fox], transforms: [own]}]",
    "constraint": "targets: [{features: [text: fox], constraints: [own]}]",
    "loss": "targets: [{features: [{text: fox, loss: own}]}]",
    "feature": "targets: [{features: [own: fox]}]",
    "optimizer": "optimizer: own\ntargets: [{features: [text: fox]}]",
    "canvas": "canvas: own\ntargets: [{features: [text: fox]}]",
    "model": "targets: [{features: [text: fox], model: own}]",
    "output": "outputs: [own]\ntargets: [{features: [text: fox]}]",
}


def plugins(rng: random.Random, folder: Path) -> Iterator[tuple[str, Case]]:
    """Runs that use the component, and runs that do not, which have to go well."""
    warm(Registry())
    while True:
        kind = rng.choice([*SIGNATURES])
        plural, signatures = SIGNATURES[kind]
        used = rng.random() < 0.7
        parts = (rng.choice(AT_IMPORT) if rng.random() < 0.3 else "", rng.choice(HOOKS), rng.choice(BODIES))
        signature = signatures[0] if rng.random() < 0.7 else rng.choice(signatures)
        code = (
            "from typing import Annotated\nimport torch\nfrom clipig_core import hookimpl, Param\nAT = 3\n"
            f"{parts[0]}\n@hookimpl\ndef clipig_{plural}():\n    return {parts[1]}\n\n"
            f"def own({signature}):\n    {parts[2]}\n"
        )
        config = f"model: emoji\nepochs: 2\nresolution: 16\ndevice: cpu\n{CONFIGS[kind if used else 'constraint']}\n"
        config = config if used else config.replace("[own]", "[blur]")

        def case(code: str = code, config: str = config, used: bool = used) -> str:
            work, site = folder / "work", folder / "site"
            for one in (work, site):
                shutil.rmtree(one, ignore_errors=True)
                one.mkdir()
            (work / "a.yaml").write_text(config)
            (site / "acme.py").write_text(code)
            info = site / "acme-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text("[clipig]\nacme = acme\n")

            def action() -> None:
                import importlib
                import sys

                sys.path.insert(0, str(site))
                importlib.invalidate_caches()
                command("run", "a.yaml", "-v", "1")()

            ended = forked(action, work)
            left = sorted(path.name for path in work.iterdir())
            if ended.code == 2 and left != ["a.yaml"]:
                return f"refused, and left {left}"
            if not used and (ended.code, ended.out) != (0, "a-1.png\n"):
                return f"a plugin that is not used made it end with {ended.code}: {ended.err[-300:]}"
            return ended.defect((0, 1, 2))

        yield f"{config}\n{code}", case
