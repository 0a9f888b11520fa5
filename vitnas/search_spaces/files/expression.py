"""Expression: arithmetic over named values, written in a file. It can compute and nothing else."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from vitnas.errors import SpaceError, suggest
from vitnas.search_spaces.gene import Choice

FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "int": int, "round": round}
LONGEST = 500

_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MAY = "it may hold numbers, 'words', names, + - * / // %, comparisons, and/or/not, min, max, int and round"


class Expression:
    """Parsed once, evaluated for many values.

    Attributes:
        names: the values that it reads.
    """

    def __init__(self, text: str | int | float, where: str) -> None:
        """Refuses what is no arithmetic.

        Args:
            text: such as ``"image_size // 4"``, or a number.
            where: file, table and key, for messages.
        """
        self.text, self.where = str(text), where
        if len(self.text) > LONGEST:
            raise SpaceError(f"{where}: an expression of {len(self.text)} characters; write at most {LONGEST}")
        try:
            self._tree = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise SpaceError(f"{where}: cannot read the expression '{self.text}'; {_MAY}") from None
        self.names = frozenset(self._check(self._tree))

    def __call__(self, values: Mapping[str, Choice]) -> Any:
        try:
            return self._value(self._tree, values)
        except (ArithmeticError, TypeError, ValueError) as error:
            read = ", ".join(f"{name} = {values[name]!r}" for name in sorted(self.names))
            raise SpaceError(f"{self.where}: '{self.text}' fails for {read or 'these numbers'}: {error}") from None

    def whole(self, values: Mapping[str, Choice]) -> int:
        """The value as a size of a shape."""
        found = self(values)
        if type(found) is not int or found < 1:
            read = ", ".join(f"{name} = {values[name]!r}" for name in sorted(self.names))
            raise SpaceError(
                f"{self.where}: '{self.text}' must be a whole number of at least 1, and is {found!r}"
                + (f" for {read}" if read else "")
                + ("; use // or int(...)" if isinstance(found, float) else "")
            )
        return found

    def check_names(self, known: Mapping[str, object] | set[str]) -> None:
        """Refuses names that nothing gives a value."""
        for name in sorted(self.names):
            if name not in known:
                raise SpaceError(f"{self.where}: '{self.text}' reads '{name}'; {suggest(name, sorted(known))}")

    def _check(self, node: ast.AST) -> set[str]:
        match node:
            case ast.Constant(value=bool() | int() | float() | str()):
                return set()
            case ast.Name(id=name):
                return {name}
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                parts: list[ast.expr] = [left, right]
            case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
                parts = [operand]
            case ast.BoolOp(values=values):
                parts = values
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
                parts = [left, *others]
            case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name in FUNCTIONS and parts:
                pass
            case ast.Call(func=ast.Name(id=name)) if name not in FUNCTIONS:
                raise SpaceError(f"{self.where}: '{self.text}' calls '{name}'; {suggest(name, FUNCTIONS)}")
            case _:
                raise SpaceError(
                    f"{self.where}: '{ast.unparse(node)}' in the expression '{self.text}' is not allowed; {_MAY}"
                )
        return set().union(*(self._check(part) for part in parts))

    def _value(self, node: ast.AST, values: Mapping[str, Choice]) -> Any:
        def of(part: ast.AST) -> Any:
            return self._value(part, values)

        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return values[name]
            case ast.BinOp(left=left, op=op, right=right):
                return _BINARY[type(op)](_number(of(left)), _number(of(right)))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -_number(of(operand))
            case ast.UnaryOp(operand=operand):
                return not of(operand)
            case ast.BoolOp(op=op, values=parts):
                return (all if isinstance(op, ast.And) else any)(of(part) for part in parts)
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [of(left), *map(of, others)]
                return all(_COMPARE[type(op)](a, b) for op, a, b in zip(ops, sides, sides[1:], strict=False))
            case ast.Call(func=ast.Name(id=name), args=parts):
                return FUNCTIONS[name](*(_number(of(part)) for part in parts))
        raise AssertionError(ast.dump(node))


def _number(value: Any) -> Any:
    """Only numbers are computed with: a word times a number would be a long word."""
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value
