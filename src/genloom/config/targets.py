"""What a dotted name means, read from sources: nothing is imported.

``torch.optim.Adam`` is looked up as Python would: the top-level package through the import system's finders (which
run no code of it), then file by file and definition by definition, along imports and re-exports. What sources don't
tell (compiled modules, module-level ``__getattr__``, computed names) is :class:`Unclear`, and left for the import.
"""

import ast
import importlib.util
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TypeAlias

from genloom.config.near import did_you_mean, near


class Absent(Exception):
    """A name is certainly not there; the message says where it was looked for and what is near."""


class Unclear(Exception):
    """Sources don't tell."""


@dataclass(frozen=True)
class Definition:
    """A class, a function or an assigned expression, and the module whose names it uses."""

    module: "Module"
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.expr


Meaning: TypeAlias = "Module | Definition"


class Module:
    """A module or package.

    Args:
        name: its dotted name.
        source: its file; None for what is compiled or a mere folder.
        folders: where its submodules are; none for a plain module.
    """

    def __init__(self, name: str, source: Path | None, folders: tuple[Path, ...]) -> None:
        self.name = name
        self.source = source
        self.folders = folders

    @cached_property
    def _statements(self) -> list[ast.stmt]:
        if self.source is None:
            return []
        try:
            return ast.parse(self.source.read_bytes()).body
        except (OSError, SyntaxError, ValueError) as error:
            raise Unclear(f"{self.source} cannot be read") from error

    @cached_property
    def _bindings(self) -> dict[str, ast.stmt | tuple[ast.stmt, ast.alias]]:
        bindings: dict[str, ast.stmt | tuple[ast.stmt, ast.alias]] = {}
        for statement, is_alternative in _top_level(self._statements):
            for name, binding in _bound(statement):
                # `try: from fast import f; except ImportError: f = None` means the first
                weak = is_alternative or isinstance(binding, ast.Assign | ast.AnnAssign)
                if not (weak and name in bindings):
                    bindings[name] = binding
        return bindings

    @cached_property
    def _is_dynamic(self) -> bool:
        """Whether it may have names that its statements don't show."""
        if self.source is None:
            return not self.folders
        return "__getattr__" in self._bindings or b"globals()" in self.source.read_bytes()

    @property
    def names(self) -> list[str]:
        """Names that can be asked for: definitions and submodules."""
        submodules = [module.name for module in pkgutil.iter_modules([str(folder) for folder in self.folders])]
        starred = [name for source in self._star_imports for name in source._bindings]
        return [name for name in dict.fromkeys((*self._bindings, *starred, *submodules)) if not name.startswith("_")]

    def child(self, name: str) -> "Module | None":
        """Return a submodule, if there is such a file."""
        return _child(self, name)

    def find(self, name: str, trail: frozenset[tuple[str, str]] = frozenset()) -> Meaning:
        """Return what ``name`` means in this module.

        Raises:
            Absent: it is not there.
            Unclear: it may be.
        """
        if (self.name, name) in trail:
            raise Unclear(f"{self.name}.{name} is imported in a circle")
        trail |= {(self.name, name)}
        if name in self._bindings:
            try:
                return self._follow(name, self._bindings[name], trail)
            except Absent as error:  # an import that fails, or one of several alternatives
                raise Unclear(str(error)) from error
        is_dynamic = self._is_dynamic
        for source in self._star_imports:
            try:
                return source.find(name, trail)
            except Absent:
                continue
            except Unclear:
                is_dynamic = True
        submodule = self.child(name)
        if submodule is not None:
            return submodule
        if is_dynamic or self._has_unknown_star:
            raise Unclear(f"{self.name} may define {name}")
        raise Absent(f"{self.name} has no {name}{did_you_mean(name, self.names)}")

    def _follow(
        self, name: str, binding: ast.stmt | tuple[ast.stmt, ast.alias], trail: frozenset[tuple[str, str]]
    ) -> Meaning:
        match binding:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                return Definition(self, binding)
            case (ast.Import(), ast.alias(name=imported, asname=None)):
                return module(imported.split(".")[0])
            case (ast.Import(), ast.alias(name=imported)):
                return module(imported)
            case (ast.ImportFrom() as statement, ast.alias(name=imported)):
                source = module(self._absolute(statement))
                submodule = source.child(imported)
                if source is self and submodule is not None:  # `from package import submodule` in the package itself
                    return submodule
                return source.find(imported, trail)
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                if isinstance(value, ast.Name | ast.Attribute):
                    return self.evaluate(value, trail)
                return Definition(self, value)
        raise Unclear(f"{self.name}.{name} is assigned in a way that can't be followed")

    def evaluate(self, expression: ast.expr, trail: frozenset[tuple[str, str]] = frozenset()) -> Meaning:
        """Return what a name such as ``a`` or ``a.b`` means in this module; raises as :meth:`find`."""
        match expression:
            case ast.Name(id=name):
                return self.find(name, trail)
            case ast.Attribute(value=value, attr=name):
                owner = self.evaluate(value, trail)
                if isinstance(owner, Module):
                    return owner.find(name, trail)
        raise Unclear(f"{ast.unparse(expression)} is computed")

    def _absolute(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        package = self.name.split(".")
        package = package[: len(package) - statement.level + bool(self.folders)]
        return ".".join([*package, *([statement.module] if statement.module else [])])

    @cached_property
    def _star_sources(self) -> list["Module | None"]:
        found: list[Module | None] = []
        for statement, _ in _top_level(self._statements):
            if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
                try:
                    found.append(module(self._absolute(statement)))
                except (Absent, Unclear):
                    found.append(None)
        return found

    @property
    def _star_imports(self) -> list["Module"]:
        return [source for source in self._star_sources if source is not None]

    @property
    def _has_unknown_star(self) -> bool:
        return None in self._star_sources


def _top_level(statements: list[ast.stmt], is_alternative: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield statements that run when a module is imported, and whether each stands in an else or except."""
    for statement in statements:
        match statement:
            case ast.If(body=body, orelse=orelse):
                yield from _top_level(body, is_alternative)
                yield from _top_level(orelse, True)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
                yield from _top_level([*body, *orelse, *finalbody], is_alternative)
                yield from _top_level([inner for handler in handlers for inner in handler.body], True)
            case ast.With(body=body):
                yield from _top_level(body, is_alternative)
            case _:
                yield statement, is_alternative


def _bound(statement: ast.stmt) -> Iterator[tuple[str, ast.stmt | tuple[ast.stmt, ast.alias]]]:
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name, statement
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            for alias in aliases:
                yield alias.asname or alias.name.split(".")[0], (statement, alias)
        case ast.Assign(targets=targets):
            for target in targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                        yield name.id, statement if target is name else ast.Pass()
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name, statement


@cache
def _child(parent: Module, name: str) -> Module | None:
    dotted = f"{parent.name}.{name}"
    for folder in parent.folders:
        package, plain = folder / name, folder / f"{name}.py"
        if (package / "__init__.py").is_file():
            return Module(dotted, package / "__init__.py", (package,))
        if plain.is_file():
            return Module(dotted, plain, ())
        if next(folder.glob(f"{name}.*.so"), None) or next(folder.glob(f"{name}.*.pyd"), None):
            return Module(dotted, None, ())
        if package.is_dir():
            return Module(dotted, None, (package,))
    return None


@cache
def _top_level_module(name: str) -> Module:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError) as error:
        raise Unclear(f"{name} has no specification") from error
    if spec is None:
        installed = [module.name for module in pkgutil.iter_modules()]
        raise Absent(
            f"there is no package {name} in this folder, on PYTHONPATH or installed{did_you_mean(name, installed)}"
        )
    source = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    return Module(name, source, tuple(Path(folder) for folder in spec.submodule_search_locations or ()))


def module(name: str) -> Module:
    """Return a module by its dotted name; raises as :meth:`Module.find`."""
    first, *rest = name.split(".")
    found = _top_level_module(first)
    for part in rest:
        submodule = found.child(part)
        if submodule is None:
            raise Absent(f"{found.name} has no {part}{did_you_mean(part, found.names)}")
        found = submodule
    return found


def resolve(target: str) -> Meaning:
    """Return what a ``_target_`` means.

    Raises:
        Absent: a part of it does not exist.
        Unclear: only importing it would tell.
    """
    first, *rest = target.split(".")
    found: Meaning = _top_level_module(first)
    for part in rest:
        if isinstance(found, Definition):
            found = _attribute(found, part)
            continue
        submodule = found.child(part) if part is not rest[-1] else None
        try:
            found = submodule or found.find(part)
        except Unclear:
            # a dynamic package: in the middle of a name a submodule is meant, and those are files
            if part is not rest[-1] and near(part, found.names):
                raise Absent(f"{found.name} has no {part}{did_you_mean(part, found.names)}") from None
            raise
    return found


def _attribute(owner: Definition, name: str) -> Definition:
    if not isinstance(owner.node, ast.ClassDef):
        raise Unclear(f"{name} is an attribute of a function or a value")
    for node in owner.node.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return Definition(owner.module, node)
    raise Unclear(f"{owner.node.name}.{name} may be inherited")
