from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest
import torch

from clipig_core.config.check import check
from clipig_core.config.document import merge
from clipig_core.engine.run import Run
from clipig_core.errors import PluginError
from clipig_core.extension import guard
from clipig_core.extension.registry import Registry
from clipig_core.language.yaml import read_yaml

from .support import LinearEncoder, third_party

CODE = """
import os, sys
import torch
from clipig_core import hookimpl

@hookimpl
def clipig_transforms():
    return {{"spoil": "{name}:spoil"}}

@hookimpl
def clipig_constraints():
    return {{"spoil": "{name}:constraint"}}

def constraint(images):
    return spoil(images)

def spoil(images):
    {body}
"""

CONFIG = """
model: emoji
epochs: 2
resolution: 8
targets:
  - features: [text: x]
    transforms: [spoil]
"""


def registry(monkeypatch: pytest.MonkeyPatch, folder: Path, body: str, name: str = "acme_spoils") -> Registry:
    monkeypatch.setattr(guard, "_told", set())
    return third_party(monkeypatch, folder, name, CODE.format(name=name, body=body))


def run(found: Registry, text: str = CONFIG) -> Run:
    return Run(check(merge([read_yaml(text, "a.yaml")]), found), encoder=LinearEncoder({"x": (1.0, 0, 0, 0)}))


SPOILS = {
    "the working directory": "os.chdir('/')",
    "stdout": "sys.stdout = open(os.devnull, 'w')",
    "the gradient mode": "torch.set_grad_enabled(False)",
    "the default dtype": "torch.set_default_dtype(torch.float64)",
    "the number of threads": "torch.set_num_threads(torch.get_num_threads() + 1)",
}


def surroundings() -> tuple[object, ...]:
    return Path.cwd(), sys.stdout, torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("what", SPOILS)
def test_what_a_component_changes_of_the_process_is_changed_back_and_said_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    found = registry(monkeypatch, tmp_path, f"{SPOILS[what]}; return images * 1")
    before = surroundings()
    list(run(found))
    assert surroundings() == before
    said = f"transform 'spoil' of plugin 'acme' (acme 1) changed {what} of the whole process; it was changed back"
    assert [record.message for record in caplog.records].count(said) == 1


def test_what_an_import_changes_is_changed_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = surroundings()
    code = "import os, torch\nos.chdir('/')\ntorch.set_default_dtype(torch.float64)\n"
    monkeypatch.setattr(guard, "_told", set())
    third_party(monkeypatch, tmp_path, "acme_import", code)
    assert surroundings() == before
    assert "plugin 'acme' (acme 1) changed the working directory and the default dtype" in caplog.text


RAISES = [
    "sys.exit(3)",
    "raise GeneratorExit",
    "raise BaseException('base')",
    "raise type('Mine', (BaseException,), {})('base')",
]


@pytest.mark.parametrize("body", RAISES)
def test_no_exception_of_a_component_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str
) -> None:
    with pytest.raises(PluginError, match=r"transform 'spoil' of plugin 'acme' \(acme 1\) failed: "):
        run(registry(monkeypatch, tmp_path, body))


RESULTS = {
    "images.double()": r"\[1, 3, 8, 8\], torch.float64 on cpu",
    "images.half()": "torch.float16",
    "images.to_sparse()": r"torch.sparse_coo, \[1, 3, 8, 8\]",
    "images.to('meta')": "on meta",
    "images[:, :1]": r"\[1, 1, 8, 8\]",
    "images[:0]": r"\[0, 3, 8, 8\]",
    "images[:, :, :0]": r"\[1, 3, 0, 8\]",
    "torch.cat([images, images])": r"\[2, 3, 8, 8\]",
    "None": "None",
    "[images]": r"\[tensor",
    "type('Evil', (), {'__repr__': lambda self: 1 / 0})()": "Evil",
}


@pytest.mark.parametrize("result", RESULTS)
def test_what_leaves_a_transform_is_what_its_contract_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, result: str
) -> None:
    with pytest.raises(
        PluginError, match=rf"transform 'spoil' of plugin 'acme' \(acme 1\) returned .*{RESULTS[result]}"
    ):
        run(registry(monkeypatch, tmp_path, f"return {result}"))


@pytest.mark.parametrize(
    "result", ["images.mean((1, 2, 3)).double()", "images.mean()", "0.5", "images.mean((1, 2, 3)).to_sparse()"]
)
def test_what_leaves_a_constraint_is_what_its_contract_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, result: str
) -> None:
    text = CONFIG.replace("transforms", "constraints")
    with pytest.raises(PluginError, match=r"constraint 'spoil' of plugin 'acme' \(acme 1\) returned"):
        run(registry(monkeypatch, tmp_path, f"return {result}"), text)


class Encoder(LinearEncoder):
    def __init__(self, result: object) -> None:
        super().__init__({"x": (1.0, 0, 0, 0)})
        self.result = result

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.result(super().encode_image(images))  # type: ignore[operator]
        return result


@pytest.mark.parametrize(
    "result", [lambda x: x[:0], lambda x: x[0], lambda x: x.int(), lambda _: None, lambda x: x.to("meta")]
)
def test_what_leaves_a_model_is_what_its_contract_says(result: object) -> None:
    text = "model: emoji\nepochs: 1\nresolution: 8\ntargets: [{features: [text: x]}]"
    made = Run(check(merge([read_yaml(text, "a.yaml")]), Registry()), encoder=Encoder(result))
    with pytest.raises(
        PluginError, match=r"model 'emoji' of plugin 'clip' .* returned .*, not features \[B, D\] of 1 images"
    ):
        list(made)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "clipig")
    assert os.getcwd()  # noqa: PTH109
