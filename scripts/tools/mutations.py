"""What can be changed in a file of Python: one comparison, operator, number, call, argument or line at a time.

What can change no result by construction is left alone: where and how fast something is computed (``device=``,
``non_blocking=``, ``inplace=True``), how much at once (AT_ONCE; tests hold results against those of other sizes), the
order of arguments of what is symmetric (COMMUTING), the default of an argument that the function does not look at, and
``zip``'s ``strict=True``, which like an assertion only tells of mistakes. A guard against zero, below 1e-5, becomes 0
instead of twice as large: whether it is there can be noticed.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
_PAIRS = (
    "mean sum,exp expm1,log log1p,softplus relu,sqrt abs,square abs,std var,amax amin,argmax argmin,max min,cos sin,"
    "clamp_min clamp_max,sigmoid tanh,floor ceil,any all,softmax log_softmax,logsigmoid sigmoid,cumsum cumprod,"
    "rand randn,zeros_like ones_like,zeros ones,triu tril,real fake,train eval"
)
FUNCTIONS = {a: b for pair in _PAIRS.split(",") for a, b in (pair.split(), pair.split()[::-1])}
DROPPED = ("detach", "abs", "square", "sqrt", "exp", "log", "clamp", "clamp_min", "clamp_max", "sum", "mean", "double")
#: Functions of two arguments, by the end of their names, that give the same with the arguments exchanged.
COMMUTING = ("max", "min", "minimum", "maximum", "torch.add", "transpose", "torch.equal", "logaddexp")
#: Names of how much is worked on at once, whatever the result.
AT_ONCE = ("batch_size", "chunk_size", "_CHUNK", "_COUNTED_AT_ONCE", "_ENTRIES")


@dataclass(frozen=True)
class Mutant:
    """A piece of a file, and what is written in its place."""

    path: str
    line: int
    start: int
    end: int
    new: str

    def of(self, source: bytes) -> bytes:
        """Return the changed file."""
        return source[: self.start] + self.new.encode() + source[self.end :]

    def means_something(self, source: bytes) -> bool:
        """Return whether the changed file can be read, and says something else."""
        try:
            return ast.dump(ast.parse(self.of(source))) != ast.dump(ast.parse(source))
        except SyntaxError:
            return False

    def show(self, source: bytes) -> str:
        """Return place, line before and line after."""
        begin = source.rfind(b"\n", 0, self.start) + 1
        end = source.find(b"\n", self.end)
        before, after = (
            b" ".join(text.split()).decode() for text in (source[begin:end], self.of(source)[begin : end - len(source)])
        )
        return f"{self.path}:{self.line}\n  - {before}\n  + {after}"


class Finder(ast.NodeVisitor):
    """Collects what can be changed in a file: no annotation, type variable, docstring, message or decorator.

    Args:
        path: of the file.
        source: its content.
        part: name of the function that is changed; None for all.
    """

    def __init__(self, path: str, source: bytes, part: str | None = None) -> None:
        self.path, self.source, self.part = path, source, part
        self.lines = [0]
        for line in source.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.found: list[Mutant] = []

    def place(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node is, in bytes."""
        return (
            self.lines[node.lineno - 1] + node.col_offset,  # pyright: ignore
            self.lines[node.end_lineno - 1] + node.end_col_offset,  # pyright: ignore
        )

    def text(self, node: ast.AST) -> str:
        """Return what a node is written as."""
        start, end = self.place(node)
        return self.source[start:end].decode()

    def add(self, node: ast.AST, new: str, *, start: int | None = None, end: int | None = None) -> None:
        """Remember a change."""
        first, last = self.place(node)
        self.found.append(Mutant(self.path, node.lineno, start or first, end or last, new))  # pyright: ignore

    def between(self, left: ast.AST, right: ast.AST, node: ast.AST, old: str, new: str) -> None:
        """Change the operator between two operands."""
        start, end = self.place(left)[1], self.place(right)[0]
        place = self.source[start:end].find(old.encode())
        if place >= 0:
            self.add(node, new, start=start + place, end=start + place + len(old))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """Pass over types."""
        if self.text(node.value) not in (
            "Float",
            "Int",
            "Int64",
            "Bool",
            "Callable",
            "dict",
            "list",
            "tuple",
            "Literal",
        ):
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Pass over the annotation."""
        if (
            node.value is not None
            and "ClassVar" not in self.text(node.annotation)
            and self.text(node.target) not in AT_ONCE
        ):
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Pass over how much is done at once."""
        if self.text(node.targets[0]) not in AT_ONCE:
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Pass over arguments without an effect."""
        self.visit(node.func)
        for argument in (*node.args, *(each for each in node.keywords if not without_effect(each, node))):
            self.visit(argument)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Visit body, and defaults of what it looks at."""
        if self.part is None or node.name == self.part:
            before, self.part = self.part, None
            seen = {each.id for each in ast.walk(ast.Module(node.body, [])) if isinstance(each, ast.Name)}
            positional = [*node.args.posonlyargs, *node.args.args][::-1]
            pairs = [*zip(positional, node.args.defaults[::-1], strict=False)][::-1]
            for argument, default in (*pairs, *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)):
                if default is not None and argument.arg in seen:
                    self.visit(default)
            self.body(node.body)
            self.part = before

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Visit the body."""
        self.body(node.body)

    def body(self, statements: list[ast.stmt]) -> None:
        """Visit all statements but a docstring."""
        for statement in statements:
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not is_text:
                self.visit(statement)

    def visit(self, node: ast.AST) -> None:
        """Collect the changes of a node and of what is in it; of messages there are none."""
        if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
            return
        if isinstance(node, ast.Call) and self.text(node.func) == "TypeVar":
            return
        if self.part is None and isinstance(node, ast.expr | ast.stmt):
            for new in changes(node, self):
                self.add(node, new)
            if isinstance(node, ast.Compare):
                for left, operator, right in zip(
                    [node.left, *node.comparators], node.ops, node.comparators, strict=False
                ):
                    for other in COMPARISONS.get(type(operator), ()):
                        self.between(left, right, node, symbol(operator), symbol(other()))
            if isinstance(node, ast.BinOp) and (other := ARITHMETIC.get(type(node.op))):
                self.between(node.left, node.right, node, symbol(node.op), symbol(other()))
            if isinstance(node, ast.BoolOp):
                words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                self.between(node.values[0], node.values[1], node, *words)
        super().visit(node)


def without_effect(argument: ast.keyword, call: ast.Call) -> bool:
    """Return whether what is given for an argument can't change a result, at least not where a test can see it."""
    match argument.arg, argument.value:
        case (("device" | "non_blocking"), _):
            return True
        case "inplace", ast.Constant(value=True):
            return True
        case "strict", ast.Constant(value=True):
            return isinstance(call.func, ast.Name) and call.func.id == "zip"
    return False


def symbol(operator: ast.AST) -> str:
    """Return how an operator is written."""
    a, b = ast.Name("a"), ast.Name("b")
    if isinstance(operator, ast.cmpop):
        return ast.unparse(ast.Compare(a, [operator], [b]))[2:-2]
    assert isinstance(operator, ast.operator)
    return ast.unparse(ast.BinOp(a, operator, b))[2:-2].strip()


def changes(node: ast.AST, file: Finder) -> Iterator[str]:
    """Yield what may be written in the place of a node."""
    text = file.text
    match node:
        case ast.Constant(value=bool(value)):
            yield str(not value)
        case ast.Constant(value=int(value)):
            yield f"{value + 1}"
            if value > 1:
                yield f"{value - 1}"
        case ast.Constant(value=float(value)):
            yield "1.0" if value == 0 else "0.0" if abs(value) < 1e-5 else f"{value * 2}"
            if abs(value) == 1:
                yield "0.0"
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield text(operand)
        case ast.If(test=test) | ast.IfExp(test=test):
            changed = Mutant("", 0, *file.place(test), f"(not ({text(test)}))")
            start, end = file.place(node)
            yield changed.of(file.source)[
                start : end + len(changed.new.encode()) - (changed.end - changed.start)
            ].decode()
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield "pass"
        case ast.Call(func=function, args=positional, keywords=named):
            if isinstance(function, ast.Attribute):
                receiver, name = text(function.value), function.attr
                if other := FUNCTIONS.get(name):
                    yield f"{receiver}.{other}{text(node)[len(text(function)) :]}"
                if name in DROPPED and not receiver.startswith(("torch", "math", "F", "np")):
                    yield receiver
            elif isinstance(function, ast.Name) and (other := FUNCTIONS.get(function.id)):
                yield f"{other}{text(node)[len(function.id) :]}"
            if isinstance(function, ast.Name) and function.id in ("isinstance", "getattr", "zip"):
                return
            written = [*map(text, positional), *map(text, named)]
            rest = written[2:]
            commutes = text(function).endswith(COMMUTING)
            if (
                len(positional) > 1
                and not commutes
                and not any(isinstance(each, ast.Starred) for each in positional[:2])
            ):
                yield f"{text(function)}({', '.join([written[1], written[0], *rest])})"
            for place, argument in enumerate(named, len(positional)):
                if not without_effect(argument, node):
                    yield f"{text(function)}({', '.join(written[:place] + written[place + 1 :])})"
