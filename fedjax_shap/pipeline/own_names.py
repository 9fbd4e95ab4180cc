"""Names of one's own in a configuration: `name = "package.module:function"`, in every section.

The module is imported from where Python finds it, else from the working directory. What is named is
a function of the section's keywords, as the registries hold them, or the thing itself; what comes
of it is checked.
"""

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib import import_module, invalidate_caches
from operator import attrgetter
from pathlib import Path
from typing import Any

from fedjax_shap._validate import InvalidInputError, described, one_of, require
from fedjax_shap.pipeline.descriptions import type_name, type_of
from fedjax_shap.pipeline.products import Product

SEPARATOR = ":"  # between a module and what is in it


class Rows(dict[str, Any]):
    """Rows of registries by name; one of a name with a colon is imported when it is asked for."""

    def __init__(self, rows: Mapping[str, Any], find: Callable[[str], Any]) -> None:
        """Keeps the rows.

        Args:
            rows: those of the registries.
            find: a name with a colon -> its row.
        """
        super().__init__(rows)
        self._find = find

    def __missing__(self, name: Any) -> Any:
        """The row of a name with a colon."""
        if not is_own(name):
            raise KeyError(name)
        return self._find(name)


def is_own(name: Any) -> bool:
    """Whether a name says where to import from."""
    return isinstance(name, str) and SEPARATOR in name


def own_row(name: str, product: Product | None) -> Any:
    """The row of a name with a colon, as a registry would hold it.

    Args:
        name: "package.module:function".
        product: what the entries of the section make.

    Returns:
        A function of the section's keywords, whose result is checked; where registries hold the
        product itself, such as a kind of federation, that.

    Raises:
        InvalidInputError: a module that cannot be imported, that does not have the name, or has
            another thing by that name.
    """
    if product is None:
        raise KeyError(name)
    field = f"{product.section}.name={name!r}"
    found = _imported(field, name)
    if product.is_row:
        _check(field, found, product)
        return found
    if not callable(found) or _is_product(found, product):
        _check(field, found, product)
        return _constant(_guarded(field, found, product))
    return _checked_factory(field, found, product)


def own_function(field: str, name: str) -> Callable[..., Any]:
    """The function that a name with a colon names.

    Args:
        field: what is given the name, such as "game.metric".
        name: "package.module:function".

    Raises:
        InvalidInputError: as `own_row`, or what it names is no function.
    """
    found = _imported(f"{field}={name!r}", name)
    if not callable(found):
        raise InvalidInputError(
            f"Expected {field}={name!r} to name a function, got {described(found)}."
        )
    return found  # type: ignore[no-any-return]


def _imported(field: str, name: str) -> Any:
    """What a name names, or a refusal with the module's own error."""
    module_name, _, path = name.partition(SEPARATOR)
    parts = [*module_name.split("."), *path.split(".")]
    require(
        all(part.isidentifier() for part in parts),
        f"Expected {field} to be of the form 'package.module:function'.",
    )
    expected = f"Expected {field} to name a module that can be imported"
    try:
        with _working_directory():
            module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise InvalidInputError(f"{expected}, but it needs another: {error}.") from error
        raise InvalidInputError(
            f"{expected}, from {str(Path.cwd())!r} too, but there is no module {error.name!r}."
        ) from error
    except (Exception, SystemExit) as error:
        raise InvalidInputError(
            f"{expected}, but importing it gave {type(error).__name__}: {error}."
        ) from error
    first, *_ = path.split(".")
    public = [key for key in vars(module) if not key.startswith("_")]
    if not hasattr(module, first):
        known = f"in {module_name}, which has no {first!r}"
        try:
            one_of("", first, public, known)
        except InvalidInputError as error:
            _, _, hint = str(error).partition("; ")
            raise InvalidInputError(f"Expected {field} to be {known}; {hint}") from error
    try:
        return attrgetter(path)(module)
    except AttributeError as error:
        raise InvalidInputError(f"Expected {field} to be in its module: {error}.") from error


@contextmanager
def _working_directory() -> Iterator[None]:
    """Modules are found in the working directory too, behind those that are installed."""
    here = str(Path.cwd())
    sys.path.append(here)
    invalidate_caches()
    try:
        yield
    finally:
        # the last one: the program may have had it before
        place = len(sys.path) - 1 - sys.path[::-1].index(here)
        del sys.path[place]


def _is_product(found: Callable[..., Any], product: Product) -> bool:
    """Whether a function is what the section wants itself, and not one of the section's keywords.

    It is where it must be given exactly the product's arguments by position.
    """
    if isinstance(found, _kinds(product)):
        return True
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return bool(product.arguments)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in parameters if one.kind in positional and one.default is one.empty]
    return len(needed) == len(product.arguments) > 0


def _kinds(product: Product) -> tuple[type, ...]:
    """The types of which a product may be."""
    kinds = []
    for kind in product.kinds:
        module, name = kind.split(":")
        kinds.append(getattr(import_module(module), name))
    return tuple(kinds)


def _check(field: str, made: Any, product: Product) -> None:
    """Refuses what is not what the section wants."""
    kinds = _kinds(product)
    if isinstance(made, kinds) or (product.arguments and _takes(made, len(product.arguments))):
        return
    wanted = [f"a {kind.__name__}" for kind in kinds]
    if product.arguments:
        wanted.append(f"a function of {', '.join(product.arguments)}")
    raise InvalidInputError(
        f"Expected {field} to give {' or '.join(wanted)}, such as {product.example} gives, got "
        f"{described(made)}."
    )


def _takes(made: Any, count: int) -> bool:
    """Whether something can be called with so many arguments by position."""
    if not callable(made):
        return False
    try:
        inspect.signature(made).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # some functions of other languages have no signature
        return True
    return True


def _where(error: Exception) -> str:
    """The line of a user's own file where it failed; nothing for a function of no Python file."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if frame.filename == __file__:
        return ""
    return f" (line {frame.lineno} of {Path(frame.filename).name})"


@contextmanager
def _own_errors(field: str) -> Iterator[None]:
    """Errors of a user's own function are refusals that say where it fails."""
    try:
        yield
    except InvalidInputError:
        raise
    except Exception as error:
        what = " ".join(str(error).split()) or "no message"
        raise InvalidInputError(
            f"Expected {field} to give what the section needs, but it gave "
            f"{type(error).__name__}: {what}{_where(error)}."
        ) from error


def _guarded(field: str, made: Any, product: Product) -> Any:
    """A function that a section wants, whose errors are refusals; any other thing as it is."""
    if not product.arguments or not callable(made) or isinstance(made, _kinds(product)):
        return made

    @wraps(made)
    def guarded(*given: Any, **named: Any) -> Any:
        with _own_errors(field):
            return made(*given, **named)

    return guarded


def _constant(thing: Any) -> Callable[[], Any]:
    """A function without keywords that gives a thing."""

    def factory() -> Any:
        return thing

    factory.__doc__ = inspect.getdoc(thing)
    return factory


def _checked_factory(field: str, found: Callable[..., Any], product: Product) -> Any:
    """A function of one's own with keywords that a configuration can check, whose result is
    checked.
    """

    @wraps(found)
    def factory(**given: Any) -> Any:
        with _own_errors(field):
            made = found(**given)
        _check(field, made, product)
        return _guarded(field, made, product)

    try:
        signature = inspect.signature(found, eval_str=True)
    except NameError:  # annotations that exist for type checkers alone
        signature = inspect.signature(found)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"Expected {field} to say what it takes: {error}.") from error
    named = [one for one in signature.parameters.values() if one.kind is not one.VAR_POSITIONAL]
    vars(factory)["__signature__"] = signature.replace(parameters=[_keyword(one) for one in named])
    return factory


def _keyword(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter as a keyword; of any type where its own is none that a file can hold."""
    kind = parameter.kind
    if kind is not parameter.VAR_KEYWORD:
        kind = parameter.KEYWORD_ONLY
    annotation = parameter.annotation
    try:
        type_of(type_name(annotation))
    except (KeyError, SyntaxError):
        annotation = Any
    return parameter.replace(kind=kind, annotation=annotation)
