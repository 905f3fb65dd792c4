"""The check of looks."""

from __future__ import annotations

from clipig_core.config.check import check
from clipig_core.config.templates import fill, gaps
from clipig_core.errors import InputError
from clipig_core.extension.kinds import LOOK
from clipig_core.extension.registry import Registry
from clipig_core.language.yaml import read_yaml
from clipig_core.testing.base import ContractError

__tracebackhide__ = True

WORDS = "a strawberry: '#1', with \"leaves\""


def check_look(target: str, /, text: str = WORDS) -> None:
    """Check a look, given as its target `"package:file.yaml"`: with a text in its place it must be a right config."""
    if LOOK.missing(target):
        raise ContractError(f"{target}: {LOOK.missing(target)}; name a file of a package, 'package:file.yaml'")
    look = LOOK.load(target)
    if not LOOK.describe(look):
        raise ContractError(f"{target}: has no documentation; begin it with a comment that says how its pictures look")
    try:
        node = read_yaml(look, target)
        found = {name for name, _ in gaps(node)}
        if found != {"text"}:
            raise ContractError(
                f"{target}: has the placeholders {sorted(found)}; write '{{{{text}}}}', in quotes, where the words of "
                "the user are to stand, and no others"
            )
        check(fill(node, {"text": text}), Registry())
    except InputError as error:
        raise ContractError(f"{target}: is no config once a text is in its place:\n{error}") from error
