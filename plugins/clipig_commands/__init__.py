"""Commands around pictures and configs: make one from words, look into it, compare, ask what it will cost."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_commands() -> Mapping[str, str]:
    names = ("bundle", "diff", "enlarge", "explain", "help", "make", "show", "words")
    return {name: f"clipig_commands.{name}:{name}" for name in names}
