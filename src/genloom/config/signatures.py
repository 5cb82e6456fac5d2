"""What a target accepts, read from its source: parameters, their annotations, and which are required.

A class accepts what its ``__init__`` does, its own or the first inherited one, or its fields if it is a dataclass.
Where ``**kwargs`` go to ``super().__init__(**kwargs)`` and nowhere else, the base's parameters are accepted; otherwise
any name is.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from genloom.config.libraries import ranges
from genloom.config.targets import Absent, Definition, Module, Unclear, module, resolve

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_ROOTS = {"object", "ABC", "Generic", "Protocol"}  # bases without a constructor of their own


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Args:
        module: where its annotation's names are defined.
        annotation: as written, or None.
        required: it has no default.
        default: the default's expression, or None.
    """

    module: Module
    annotation: ast.expr | None
    required: bool
    default: ast.expr | None


@dataclass(frozen=True)
class Signature:
    """What may be passed by name.

    Args:
        parameters: by name.
        accepts_any: further names are accepted too.
    """

    parameters: dict[str, Parameter]
    accepts_any: bool = False


@cache
def signature(target: str) -> Signature:
    """Return what ``target`` accepts.

    Raises:
        Absent: it does not exist.
        Unclear: its source does not tell.
    """
    meaning = resolve(target)
    if isinstance(meaning, Module):
        raise Absent(f"{target} is a module; name a class or a function in it")
    match meaning.node:
        case ast.ClassDef():
            return _within_ranges(_constructor(meaning) or Signature({}), meaning.module)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            decorators = {_last_name(decorator) for decorator in meaning.node.decorator_list}
            is_method = not isinstance(resolve(target.rpartition(".")[0]), Module) and "staticmethod" not in decorators
            if is_method and "classmethod" not in decorators:
                raise Unclear(f"{target} needs an instance")
            return _parameters(meaning.module, meaning.node, skip=int(is_method))
    raise Unclear(f"{target} is a value")


def _within_ranges(found: Signature, definer: Module) -> Signature:
    """Return a signature with the ranges that another library's does not state."""
    words = module("genloom.limits")
    replaced = {
        name: replace(found.parameters[name], module=words, annotation=ast.parse(annotation, mode="eval").body)
        for name, annotation in ranges(definer.name).items()
        if name in found.parameters
    }
    return replace(found, parameters=found.parameters | replaced)


def _last_name(expression: ast.expr) -> str:
    match expression:
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return _last_name(inner)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def bases(definition: Definition) -> Iterator[Definition | None]:
    """Yield the base classes of a class in order; None for one that can't be found."""
    assert isinstance(definition.node, ast.ClassDef)
    for base in definition.node.bases:
        expression = base.value if isinstance(base, ast.Subscript) else base
        if _last_name(expression) in _ROOTS:
            continue
        try:
            found = definition.module.evaluate(expression)
        except (Absent, Unclear):
            found = None
        yield found if isinstance(found, Definition) and isinstance(found.node, ast.ClassDef) else None


def _constructor(definition: Definition) -> Signature | None:
    """Return what a class accepts; None if neither it nor a base says so."""
    return _own_constructor(definition) or _inherited(definition)


def _own_constructor(definition: Definition) -> Signature | None:
    node = definition.node
    assert isinstance(node, ast.ClassDef)
    if any(keyword.arg == "metaclass" and _last_name(keyword.value) != "ABCMeta" for keyword in node.keywords):
        raise Unclear(f"{node.name} has a metaclass")
    methods = {item.name: item for item in node.body if isinstance(item, _Function)}
    method = methods.get("__init__") or methods.get("__new__")
    if method is not None:
        own = _parameters(definition.module, method, skip=1)
        return _with_forwarded(own, definition, method) if own.accepts_any else own
    decorators = {_last_name(decorator): decorator for decorator in node.decorator_list}
    if "dataclass" in decorators and "init" not in _keywords(decorators["dataclass"]):
        return Signature(_fields(definition))
    if {"define", "attrs", "s", "frozen"} & decorators.keys():
        raise Unclear(f"{node.name} is an attrs class")
    return None


def _inherited(definition: Definition) -> Signature | None:
    for base in _ancestors(definition):
        if base is None:
            raise Unclear("a base is not in sources")
        found = _own_constructor(base)
        if found is not None:
            return found
    return None


def _ancestors(definition: Definition) -> list[Definition | None]:
    """Return all base classes in the order in which Python looks: none before a class that derives from it."""
    found: list[Definition | None] = []
    for base in bases(definition):
        found += [base, *([] if base is None else _ancestors(base))]
    return [base for place, base in enumerate(found) if base not in found[place + 1 :]]


def _keywords(expression: ast.expr) -> dict[str | None, ast.expr]:
    return {keyword.arg: keyword.value for keyword in expression.keywords} if isinstance(expression, ast.Call) else {}


def _parameters(module: Module, function: _Function, *, skip: int) -> Signature:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
    named = list(zip(positional, defaults, strict=True))[max(skip, len(arguments.posonlyargs)) :]
    named += list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    return Signature(
        {argument.arg: Parameter(module, argument.annotation, default is None, default) for argument, default in named},
        accepts_any=arguments.kwarg is not None,
    )


def _with_forwarded(own: Signature, definition: Definition, method: _Function) -> Signature:
    assert method.args.kwarg is not None
    name = method.args.kwarg.arg
    uses = sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(method))
    call = next((node for node in ast.walk(method) if _forwards(node, method.name, name)), None)
    if uses != 1 or not isinstance(call, ast.Call):
        return own
    try:
        base = _inherited(definition) or Signature({})
    except Unclear:
        return own
    given = {keyword.arg for keyword in call.keywords}
    positional = list(base.parameters)[: len(call.args)]
    passed_on = {
        parameter: value
        for parameter, value in base.parameters.items()
        if parameter not in given and parameter not in positional
    }
    return replace(base, parameters=passed_on | own.parameters)


def _forwards(node: ast.AST, method: str, kwargs: str) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name), keywords=keywords):
            return name == method and any(
                keyword.arg is None and isinstance(keyword.value, ast.Name) and keyword.value.id == kwargs
                for keyword in keywords
            )
    return False


def _fields(definition: Definition) -> dict[str, Parameter]:
    node = definition.node
    assert isinstance(node, ast.ClassDef)
    fields: dict[str, Parameter] = {}
    for base in reversed(list(bases(definition))):
        if base is None:
            raise Unclear(f"a base of {node.name} is not in sources")
        assert isinstance(base.node, ast.ClassDef)
        if any(_last_name(decorator) == "dataclass" for decorator in base.node.decorator_list):
            fields |= _fields(base)
    for item in node.body:
        match item:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                options = _keywords(value) if value is not None and _last_name(value) == "field" else {}
                is_value = value is not None and _last_name(value) != "field"
                init = options.get("init")
                if _last_name(annotation) in {"ClassVar", "KW_ONLY"} or (
                    isinstance(init, ast.Constant) and init.value is False
                ):
                    fields.pop(name, None)
                    continue
                has_default = is_value or bool({"default", "default_factory"} & options.keys())
                fields[name] = Parameter(definition.module, annotation, not has_default, value if is_value else None)
    return fields
