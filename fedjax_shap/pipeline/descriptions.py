"""What a registry entry is and which keywords it takes, as text: for refusals, for `fedjax-shap
list`, and for the manifest that answers both without importing the registries.
"""

import ast
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

_TYPES: Mapping[str, Any] = {
    "Any": Any,
    "Callable": Callable,
    "Decimal": Decimal,
    "bool": bool,
    "float": float,
    "int": int,
    "str": str,
}
_GENERICS: Mapping[str, Any] = {"dict": dict, "list": list, "tuple": tuple}
_FUNCTION = "a function"


class Keyword(NamedTuple):
    """A keyword of an entry.

    Attributes:
        type: as a user writes it, see `type_name`.
        default: as Python writes it; None where the keyword must be given.
    """

    type: str
    default: str | None


class EntryDescription(NamedTuple):
    """A registry entry.

    Attributes:
        summary: the first sentence of its docstring.
        keywords: its own keywords, without those that all entries of the section take.
        bound: its parameters that the run fills in, not the configuration.
    """

    summary: str
    keywords: Mapping[str, Keyword]
    bound: tuple[str, ...] = ()


class SectionDescription(NamedTuple):
    """A section of the configuration.

    Attributes:
        default: the entry used where the section names none.
        entries: those that it may name.
        shared: keywords that every entry takes.
        shared_summary: what these mean.
    """

    default: str
    entries: Mapping[str, EntryDescription]
    shared: Mapping[str, Keyword]
    shared_summary: str

    def keywords(self, name: str) -> dict[str, Keyword]:
        """All keywords that the section may give to entry `name`."""
        return {**self.entries[name].keywords, **self.shared}


class Described(Mapping[str, EntryDescription]):
    """The entries of a registry, each described when it is asked for."""

    def __init__(
        self, factories: Mapping[str, Callable[..., Any]], default: str, bound: Collection[str]
    ) -> None:
        """Describes nothing yet.

        Args:
            factories: the entries by name.
            default: the entry whose keywords `**keywords` in a factory's signature stands for.
            bound: parameters that the run fills in.
        """
        self._factories = factories
        self._default = default
        self._bound = bound

    def __getitem__(self, name: str) -> EntryDescription:
        """Describes one entry."""
        factory = self._factories[name]
        taken = parameters(factory, self._factories.get(self._default, factory))
        return EntryDescription(
            summary=first_sentence(factory),
            keywords={key: keyword(one) for key, one in taken.items() if key not in self._bound},
            bound=tuple(key for key in taken if key in self._bound),
        )

    def __iter__(self) -> Iterator[str]:
        """The entries' names."""
        return iter(self._factories)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._factories)


def parameters(
    factory: Callable[..., Any], default: Callable[..., Any]
) -> dict[str, inspect.Parameter]:
    """The parameters of an entry; where it takes `**keywords`, those of `default` as well."""
    taken = dict(inspect.signature(factory, eval_str=True).parameters)
    for name, one in list(taken.items()):
        if one.kind is one.VAR_KEYWORD:
            del taken[name]
            taken |= inspect.signature(default, eval_str=True).parameters
    return taken


def keyword(parameter: inspect.Parameter) -> Keyword:
    """A parameter as a keyword of the configuration."""
    required = parameter.default is inspect.Parameter.empty
    default = None if required else repr(parameter.default)
    return Keyword(type_name(_writable(parameter.annotation)), default)


def first_sentence(factory: Any) -> str:
    """The first paragraph of a factory's docstring, on one line."""
    text = inspect.getdoc(getattr(factory, "func", factory)) or ""
    return " ".join(text.split("\n\n")[0].split())


def type_name(annotation: Any) -> str:
    """A type as a user writes it: "int | None", "'random' | 'antithetic'"."""
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return " | ".join(map(repr, parts))
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(type_name(part) for part in parts)
    if _is_function(annotation):
        return _FUNCTION
    text = inspect.formatannotation(annotation)
    for written, short in (("typing.", ""), ("decimal.", ""), ("NoneType", "None")):
        text = text.replace(written, short)
    return text


def type_of(text: str) -> Any:
    """The type that `type_name` wrote.

    Raises:
        KeyError: a type that no file can hold.
    """
    return _type(ast.parse(text.replace(_FUNCTION, "Callable"), mode="eval").body)


def by_member(wanted: Any) -> Any:
    """The type of a table of values by member's name, where a type allows one value each and no
    table of another meaning; else None.
    """
    parts = (wanted,)
    if get_origin(wanted) in (Union, UnionType):
        parts = get_args(wanted)
    if any(get_origin(part) is dict for part in parts):
        return None
    for part in parts:
        inner = get_args(part)
        if get_origin(part) is tuple and inner[1:] == (...,) and get_origin(inner[0]) is not tuple:
            return dict[str, inner[0]]  # type: ignore[valid-type]
    return None


def _type(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return _TYPES[node.id]
    if isinstance(node, ast.Constant):
        plain = node.value is None or node.value is ...
        return node.value if plain else Literal[node.value]
    if isinstance(node, ast.BinOp):
        return _type(node.left) | _type(node.right)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _GENERICS[node.value.id][tuple(map(_type, inner))]
    raise KeyError(ast.unparse(node))


def _is_function(annotation: Any) -> bool:
    """Whether a type is that of functions: `Callable`, or a protocol with a `__call__`."""
    protocol = getattr(annotation, "_is_protocol", False) and "__call__" in vars(annotation)
    return Callable in (get_origin(annotation), annotation) or protocol


def _writable(annotation: Any) -> Any:
    """A type without what no file can hold: a transformation of optax, where its name will do."""
    parts = get_args(annotation)
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    written = [part for part in parts if not getattr(part, "__module__", "").startswith("optax")]
    return Union[tuple(written)]  # noqa: UP007
