"""What clipig expects of outputs, looks, commands, functions and launchers; and the papers, a kind of our own."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from clipig_core.extension.registry import Registry
from clipig_core.testing import check_command, check_function, check_launcher, check_look, check_output

from clipig_sepia.command import toned
from clipig_sepia.function import film
from clipig_sepia.launcher import darkroom
from clipig_sepia.output import proof
from clipig_sepia.paper import baryta


def test_proof(tmp_path: Path) -> None:
    check_output(proof)
    check_output(proof, margin=3)
    observer = proof(tmp_path / "boat", 2)
    paper = SimpleNamespace(component=SimpleNamespace(function=baryta), arguments=lambda *_: {"age": 60.0})
    observer.begin(SimpleNamespace(plan=SimpleNamespace(choices={"paper": paper})))
    observer.end(SimpleNamespace(image=torch.zeros(1, 3, 4, 4)))
    assert (tmp_path / "boat-proof.png").exists()
    assert observer.color == baryta(60)


def test_old_portrait() -> None:
    check_look("clipig_sepia:old_portrait.yaml")


def test_toned() -> None:
    check_command(toned)
    assert CliRunner().invoke(toned, ["1", "0", "0"]).output == "0.433 0.333 0.233\n"


def test_film() -> None:
    check_function(film, 0.3)
    check_function(film, 1, 0.5)
    assert (film(-1), film(0.5), film(2)) == (0, 0.5, 1)
    with pytest.raises(ValueError, match="not above 0"):
        film(0.5, 0)


def test_darkroom() -> None:
    check_launcher(darkroom)
    check_launcher(darkroom, trays=3)


def test_papers_are_a_kind() -> None:
    registry = Registry()
    assert registry.kinds["paper"].hook == "clipig_papers"
    assert registry.names("paper") == ["baryta", "fibre"]
    assert registry.default("paper") == "baryta"
