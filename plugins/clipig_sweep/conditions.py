"""Conditions of sweeps, such as `colour != 'red' or seed < 5`: Python's comparisons, and nothing that could be run."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clipig_core import InputError, Problem
from clipig_core.kit import Node, nearest

MAX_LENGTH = 500

_BINARY: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, several: one in several,
    ast.NotIn: lambda one, several: one not in several,
}
_UNARY: Mapping[type[ast.AST], Callable[[Any], Any]] = {ast.Not: operator.not_, ast.USub: operator.neg}
_SYNTAX = (
    *(ast.Expression, ast.Name, ast.Load, ast.Constant, ast.Tuple, ast.List, ast.BinOp, ast.UnaryOp, ast.Compare),
    *(ast.BoolOp, ast.And, ast.Or),
    *_BINARY,
    *_UNARY,
)


class Condition:
    """Whether a job is to be made. A key is called by its last name, `weight` for `targets.0.weight`.

    Raises:
        InputError: the text is no condition, or names no key, or several.
    """

    def __init__(self, node: Node, keys: Sequence[str]) -> None:
        self.node = node
        if not isinstance(node.value, str) or len(node.value) > MAX_LENGTH:
            raise self._error("'where' is no condition", "such as seed < 5 or colour != 'red'")
        try:
            self._tree = ast.parse(node.value.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._error(f"'{node.value}' is no condition", "such as seed < 5 or colour != 'red'") from None
        self._keys: dict[str, str] = {}
        for part in ast.walk(self._tree):
            if not isinstance(part, _SYNTAX):
                raise self._error(f"'{ast.unparse(part)}' cannot stand in a condition", "write comparisons of keys")
            if isinstance(part, ast.Name):
                self._keys[part.id] = self._key(part.id, keys)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true for these values of the keys.

        Raises:
            InputError: a value cannot be compared with another one.
        """
        try:
            return bool(self._value(self._tree, values))
        except (TypeError, ArithmeticError) as error:
            shown = ", ".join(f"{name} = {values[key]!r:.40}" for name, key in self._keys.items())
            raise self._error(f"'{self.node.value}' has no value for {shown}: {error}") from None

    def _key(self, name: str, keys: Sequence[str]) -> str:
        found = [key for key in keys if key.rpartition(".")[2] == name]
        if len(found) == 1:
            return found[0]
        names = [key.rpartition(".")[2] for key in keys]
        if found:
            raise self._error(f"'{name}' is the name of several axes: {', '.join(found)}")
        raise self._error(f"no axis is called '{name}'", nearest(name, names))

    def _error(self, message: str, hint: str = "") -> InputError:
        return InputError(Problem(message, self.node.place, hint))

    def _value(self, part: ast.AST, values: Mapping[str, Any]) -> Any:
        match part:
            case ast.Constant():
                return part.value
            case ast.Name():
                return values[self._keys[part.id]]
            case ast.Tuple() | ast.List():
                return [self._value(one, values) for one in part.elts]
            case ast.UnaryOp():
                return _UNARY[type(part.op)](self._value(part.operand, values))
            case ast.BinOp():
                numbers = [self._value(part.left, values), self._value(part.right, values)]
                if not all(isinstance(number, int | float) for number in numbers):
                    raise TypeError("only numbers can be computed with")  # texts would grow without bound
                return _BINARY[type(part.op)](*numbers)
            case ast.BoolOp():
                choose = all if isinstance(part.op, ast.And) else any
                return choose(self._value(one, values) for one in part.values)
            case ast.Compare():
                return self._compare(part, values)
        raise AssertionError(part)

    def _compare(self, part: ast.Compare, values: Mapping[str, Any]) -> bool:
        """`1 < seed < 5` is two comparisons."""
        parts = [self._value(one, values) for one in [part.left, *part.comparators]]
        return all(_BINARY[type(how)](*pair) for how, *pair in zip(part.ops, parts, parts[1:], strict=False))
