"""The expression language of configs: Python's expression syntax, a fixed list of names, nothing else.

An expression is parsed, checked against the list of allowed syntax, and evaluated by walking its tree. Numbers are
floats and every intermediate result must be finite, so that nothing can run for long or grow without bound.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

from clipig_core.errors import unknown

MAX_LENGTH = 500
MAX_NODES = 200
MAX_DEPTH = 32
MAX_WHOLE = 10_000  # arguments of factorial, comb and perm, whose cost grows with them

VARIABLES: dict[str, tuple[str, ...]] = {
    "time": (
        *("epoch", "time", "t", "time_inverse", "ti"),
        *(f"{name}{power}" for name in ("time", "t", "time_inverse", "ti") for power in (2, 3, 4, 5)),
        *("time_step", "ts"),
    ),
    "resolution": ("resolution", "res", "width", "height"),
    "learnrate": ("learnrate", "lr", "learnrate_scale", "lrs"),
    "target feature": ("similarity", "sim"),
    "target constraint": ("similarity", "sim"),
    "run": ("loss", "similarity", "sim", "change"),
}
"""The variables by group; a parameter declares which groups its expressions may use."""

SIMILARITY = frozenset(VARIABLES["target feature"])
TIME_FUNCTIONS = frozenset({"time_step", "ts"})
RANDOM = frozenset({"random", "uniform", "gauss", "randint", "choice"})
CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}
NAMES = frozenset(CONSTANTS).union(*VARIABLES.values())
"""What a single word may mean."""


Functions = Mapping[str, Callable[..., object]]
NONE: Functions = {}


class ExpressionError(ValueError):
    """The expression is not part of the language, or has no finite value. `offset` counts characters from 0."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


def _whole(value: float) -> int:
    if value != int(value):
        raise ValueError(f"{value:g} is not a whole number")
    return int(value)


def _bounded(function: Callable[..., int]) -> Callable[..., int]:
    def call(*args: float) -> int:
        if any(abs(arg) > MAX_WHOLE for arg in args):
            raise ValueError(f"arguments of at most {MAX_WHOLE} are allowed")
        return function(*map(_whole, args))

    return call


def _wholes(function: Callable[..., int]) -> Callable[..., int]:
    return lambda *args: function(*map(_whole, args))


_MATH: dict[str, Callable[..., Any]] = {
    name: function for name, function in vars(math).items() if callable(function) and not name.startswith("_")
}
_MATH |= {name: _bounded(_MATH[name]) for name in ("factorial", "comb", "perm")}
_MATH |= {name: _wholes(_MATH[name]) for name in ("gcd", "lcm", "isqrt")}
_MATH["ldexp"] = lambda x, exponent: math.ldexp(x, _whole(exponent))

FUNCTIONS: dict[str, Callable[..., object]] = {
    **_MATH,
    "abs": abs,
    "min": min,
    "max": max,
    "round": lambda x, digits=0.0: round(x, _whole(digits)),
    "int": int,
    "float": float,
    "bool": bool,
}

_BINARY: dict[type[ast.operator], Callable[[object, object], object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], object]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], object]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_SYNTAX = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.And, ast.Or),
    *(ast.Compare, ast.IfExp, ast.List, ast.Tuple, ast.Dict, ast.Subscript, ast.Call),
    *_BINARY,
    *_UNARY,
    *_COMPARE,
)
_WHOLE_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)
_WHOLE_FUNCTIONS = frozenset(
    {"int", "floor", "ceil", "trunc", "randint", "factorial", "comb", "perm", "gcd", "lcm", "isqrt"}
)
_PASSING_FUNCTIONS = frozenset({"abs", "min", "max"})
"""Functions whose results are whole numbers, always or for whole numbers."""


class Deferred:
    """What has its value only when an epoch begins, unless it is `constant`.

    `names` are the variables that it reads; `random` says that it draws, `literal` that it is one number.
    """

    names: frozenset[str] = frozenset()
    random = False
    literal = False

    @property
    def constant(self) -> bool:
        """Whether it is the same in every epoch."""
        return not self.names and not self.random

    def __call__(self, variables: Mapping[str, object], rng: Random) -> object:
        """The value for these variables."""
        raise NotImplementedError


class Expression(Deferred):
    """One checked expression.

    `functions` may be called besides those of the language, and are pure.

    Raises:
        ExpressionError: the text is not an expression of the language, or reads names outside `allowed`.
    """

    def __init__(self, text: str, allowed: Iterable[str] = (), functions: Functions = NONE) -> None:
        self.text = text
        self._tree = _parse(text)
        self._functions = functions
        self.names = _check(self._tree, frozenset(allowed), functions)
        nodes = list(ast.walk(self._tree))
        body = self._tree.body
        self.literal = isinstance(body.operand if isinstance(body, ast.UnaryOp) else body, ast.Constant)
        called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        self.random = bool(called & RANDOM)

    def __call__(self, variables: Mapping[str, object], rng: Random) -> Any:
        """The value: a number, a bool, or a list, tuple or dict of floats and bools.

        A number is an int if it comes from whole numbers alone (`10 * 30`, `10 if width > 100 else 20`), or from a
        function that rounds to them (`int(t * 7)`); this matters where int and float differ in meaning.

        Raises:
            ExpressionError: an intermediate result is not finite, or an operation does not fit its operands.
        """
        walker = _Walker(variables, rng, self._functions)
        value = walker.visit(self._tree.body)
        return int(value) if isinstance(value, float) and walker.whole(self._tree.body) else value


def _parse(text: str) -> ast.Expression:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters, this one has {len(text)}")
    if not text.strip():
        raise ExpressionError("the expression is empty")
    if not text.strip().isprintable():
        raise ExpressionError("an expression has printable characters only")
    lead = len(text) - len(text.lstrip())
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        message = f"'{text}' is not an expression: {error.msg}"
        if text.count("(") > text.count(")"):  # YAML ended it at a comma
            message += "; inside {} and [], an expression with commas needs quotes"
        raise ExpressionError(message, lead + max(0, (error.offset or 1) - 1)) from None
    except (RecursionError, MemoryError, ValueError):
        raise ExpressionError("the expression is nested too deeply") from None


def _check(tree: ast.Expression, allowed: frozenset[str], functions: Functions) -> frozenset[str]:
    """The variables that the tree reads. Refuses what is not part of the language."""
    names: set[str] = set()
    count = 0
    level: list[ast.AST] = [tree]
    for depth in range(MAX_DEPTH + 2):
        count += len(level)
        if count > MAX_NODES:
            raise ExpressionError(f"an expression has at most {MAX_NODES} parts")
        if not level:
            return frozenset(names)
        if depth > MAX_DEPTH:
            break
        for node in level:
            names |= _check_node(node, allowed, functions)
        level = [
            child
            for node in level
            for child in ast.iter_child_nodes(node)
            if not (isinstance(node, ast.Call) and child is node.func)
            and not isinstance(child, ast.expr_context | ast.operator | ast.unaryop | ast.boolop | ast.cmpop)
        ]
    raise ExpressionError(f"an expression has at most {MAX_DEPTH} levels")


def _check_node(node: ast.AST, allowed: frozenset[str], functions: Functions) -> set[str]:
    offset = getattr(node, "col_offset", 0)
    parts = [node, *getattr(node, "ops", []), *([node.op] if hasattr(node, "op") else [])]
    for part in parts:
        if not isinstance(part, _SYNTAX):
            raise ExpressionError(f"{_describe(part)} is not allowed in an expression", offset)
    if isinstance(node, ast.Constant) and type(node.value) not in (int, float, bool):
        raise ExpressionError(f"{_describe(node)} is not allowed in an expression", offset)
    if isinstance(node, ast.Dict) and None in node.keys:
        raise ExpressionError("unpacking is not allowed in an expression", offset)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            raise ExpressionError(
                "'.get' is not allowed in an expression; write 'a if c else b', or '{...}[key]'", offset
            )
        if not isinstance(node.func, ast.Name):
            raise ExpressionError("only functions can be called, by their name", offset)
        if node.keywords:
            raise ExpressionError("keyword arguments are not allowed in an expression", offset)
        name = node.func.id
        if name in TIME_FUNCTIONS & allowed:
            return {name}
        if name not in FUNCTIONS and name not in RANDOM and name not in functions:
            raise _unknown("function", name, [*FUNCTIONS, *RANDOM, *(TIME_FUNCTIONS & allowed), *functions], offset)
    if isinstance(node, ast.Name) and node.id not in CONSTANTS:
        variables = allowed - TIME_FUNCTIONS
        if node.id not in variables:
            raise _unknown("variable", node.id, variables, offset)
        return {node.id}
    return set()


def _describe(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return {str: "a string", bytes: "a string", complex: "a complex number"}.get(type(node.value), str(node.value))
    words = "".join(f" {char.lower()}" if char.isupper() else char for char in type(node).__name__).strip()
    return f"'{words}'"


def _unknown(what: str, name: str, known: Iterable[str], offset: int) -> ExpressionError:
    names = list(known)
    text = unknown(what, name, names) if names else f"'{name}' is not a number, and no {what} can be used here"
    return ExpressionError(text, offset)


class _Walker:
    """Evaluates a checked tree."""

    def __init__(self, variables: Mapping[str, Any], rng: Random, functions: Functions) -> None:
        self.variables, self.others = variables, functions
        self.functions: dict[str, Callable[..., object]] = {
            "random": rng.random,
            "uniform": rng.uniform,
            "gauss": rng.gauss,
            "randint": lambda low, high: rng.randint(_whole(low), _whole(high)),
            "choice": rng.choice,
        }

        self._taken: dict[int, ast.expr] = {}

    def whole(self, node: ast.expr) -> bool:
        """Whether the value of a node that was visited comes from whole numbers alone."""
        if isinstance(node, ast.Constant):
            return type(node.value) is int
        if isinstance(node, ast.UnaryOp):
            return isinstance(node.op, ast.USub | ast.UAdd) and self.whole(node.operand)
        if isinstance(node, ast.BinOp):
            return isinstance(node.op, _WHOLE_OPERATORS) and self.whole(node.left) and self.whole(node.right)
        if isinstance(node, ast.IfExp):
            return self.whole(self._taken[id(node)])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name, one = node.func.id, len(node.args) == 1
            if name in _PASSING_FUNCTIONS:
                return all(map(self.whole, node.args))
            return name in _WHOLE_FUNCTIONS or (name == "round" and one)
        return False

    def visit(self, node: ast.expr) -> object:
        try:
            return _finite(getattr(self, f"_{type(node).__name__.lower()}")(node), node)
        except ExpressionError:
            raise
        except (ArithmeticError, ValueError, TypeError, LookupError) as error:
            known = {LookupError: "no such element", OverflowError: "the number is too large"}
            reason = next((text for kind, text in known.items() if isinstance(error, kind)), str(error))
            raise ExpressionError(f"'{ast.unparse(node)}' has no value: {reason}", node.col_offset) from None

    def _number(self, node: ast.expr) -> Any:
        value = self.visit(node)
        if not isinstance(value, int | float):
            raise ExpressionError(f"'{ast.unparse(node)}' is not a number", node.col_offset)
        return value

    def _constant(self, node: ast.Constant) -> object:
        return node.value if isinstance(node.value, bool) else float(node.value)  # type: ignore[arg-type]

    def _name(self, node: ast.Name) -> object:
        return self.variables[node.id] if node.id in self.variables else CONSTANTS[node.id]

    def _binop(self, node: ast.BinOp) -> object:
        return _BINARY[type(node.op)](float(self._number(node.left)), float(self._number(node.right)))

    def _unaryop(self, node: ast.UnaryOp) -> object:
        return _UNARY[type(node.op)](self._number(node.operand))

    def _boolop(self, node: ast.BoolOp) -> object:
        wanted = isinstance(node.op, ast.Or)
        value: object = None
        for operand in node.values:
            value = self.visit(operand)
            if bool(value) is wanted:
                break
        return value

    def _compare(self, node: ast.Compare) -> bool:
        left = self._number(node.left)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self._number(comparator)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _ifexp(self, node: ast.IfExp) -> object:
        taken = self._taken[id(node)] = node.body if self.visit(node.test) else node.orelse
        return self.visit(taken)

    def _list(self, node: ast.List | ast.Tuple) -> list[object]:
        return [self.visit(element) for element in node.elts]

    _tuple = _list

    def _dict(self, node: ast.Dict) -> dict[object, object]:
        return {self._number(key): self.visit(value) for key, value in zip(node.keys, node.values, strict=True) if key}

    def _subscript(self, node: ast.Subscript) -> object:
        container, index = self.visit(node.value), self._number(node.slice)
        if isinstance(container, dict):
            return container[index]
        if not isinstance(container, list | tuple):
            raise ExpressionError(f"'{ast.unparse(node.value)}' has no elements", node.col_offset)
        return container[_whole(index)]

    def _call(self, node: ast.Call) -> object:
        name = node.func.id  # type: ignore[attr-defined]
        function = self.variables.get(name) or self.functions.get(name) or FUNCTIONS.get(name) or self.others[name]
        return function(*(self.visit(argument) for argument in node.args))


def _finite(value: object, node: ast.expr) -> object:
    """`value` with ints as floats. Refuses what is not a finite real number or made of them."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        value = float(value)
        if math.isfinite(value):
            return value
    elif isinstance(value, list | tuple):
        return [_finite(element, node) for element in value]
    elif isinstance(value, dict):
        return {key: _finite(element, node) for key, element in value.items()}
    raise ExpressionError(f"'{ast.unparse(node)}' is not a finite number", node.col_offset)


def split_list(text: str, allowed: Iterable[str] = (), functions: Functions = NONE) -> list[Expression]:
    """The expressions of a list that is written as one string.

    Split at commas outside brackets; without commas, at spaces when every piece is an expression by itself
    (`0 1`, `width/2 height/2`), and otherwise it is one expression (`224 * 3`, `224 if t < .2 else 448`).

    Raises:
        ExpressionError: a piece is not an expression.
    """
    allowed = frozenset(allowed)
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters, this one has {len(text)}")
    commas, depth = [], 0
    for index, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            commas.append(index)
    spans = list(zip([0, *(comma + 1 for comma in commas)], [*commas, len(text)], strict=True))
    if not commas:
        words = [match.span() for match in re.finditer(r"\S+", text)]
        try:
            for start, end in words:
                _parse(text[start:end])
        except ExpressionError:
            pass
        else:
            spans = words or spans
    return [_piece(text, start, end, allowed, functions) for start, end in spans]


def _piece(text: str, start: int, end: int, allowed: frozenset[str], functions: Functions) -> Expression:
    """The expression of a part of a text; errors count their offset in the whole text."""
    piece = text[start:end]
    try:
        return Expression(piece.strip(), allowed, functions)
    except ExpressionError as error:
        error.offset += start + len(piece) - len(piece.lstrip())
        raise
