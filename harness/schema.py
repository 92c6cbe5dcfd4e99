"""Typed configs: what a section may hold is stated once, and every mistake in it is one sentence with the nearest valid key."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict, TypeAdapter, ValidationError

from harness.errors import ConfigError, DataError, unknown

T = TypeVar("T", bound="Schema")
D = TypeVar("D")
_adapters: dict[Any, TypeAdapter[Any]] = {}

LARGEST_FRAME = 4096 * 4096
"""Pixels of a frame. Scanners make a tenth of that; more is a damaged header, which costs gigabytes before its file ends."""

Whole = Annotated[int, Field(gt=0)]
"""A whole number above zero."""
Count = Annotated[int, Field(ge=0)]
"""A whole number from zero on."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""What every generator of random numbers takes (numpy's old one ends at 32 bits)."""
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Listed = Strict(False)
"""Marks a tuple that may be written as a list: ``Annotated[tuple[int, ...], Listed]``."""

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "bool": "True or False",
    "list": "a list",
    "tuple": "a list",
    "dict": "a section of keys (a dict)",
    "model": "a section of keys (a dict)",
    "none": "None",
    "callable": "a function",
}
_BOUNDS = {
    "greater_than": "greater than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
}


class Schema(BaseModel):
    """A section of a config: frozen, of named keys alone, with values of exactly the stated kinds.

    A whole number passes for a real one and becomes one (1 and 1.0 mean one recipe and have one hash); True is no number,
    and neither NaN nor infinity is one.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)

    @classmethod
    def read(cls: type[T], values: Any, where: str) -> T:
        """Check the plain values of a section, which error sentences call ``where`` ("the recipe").

        Raises:
            ConfigError: an unknown or missing key, or a value that is not of the stated kind and range.
        """
        if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
            raise ConfigError(f"{_capital(where)} must be {_KINDS['dict']}, got {_shown(values)}.")
        try:
            # A plain dict: mmengine's ConfigDict answers for missing keys in ways of its own.
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise _sentence(cls, error, values, where) from None


def parsed(kind: type[D], values: Any, where: str, cure: str) -> D:
    """A dataclass from the plain values of a file (JSON), each field of the kind that it is annotated with.

    Raises:
        DataError: ``<where> ... ; <cure>.``, with the first value that is missing or of another kind.
    """
    try:
        # Through JSON, because that is what such a file holds: a list stands for a tuple, and nothing else is converted.
        if kind not in _adapters:
            _adapters[kind] = TypeAdapter(kind)
        made: D = _adapters[kind].validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise DataError(
            f"{where}: {place or 'it'} is not what is written there ({str(first['msg']).lower()}); {cure}."
        ) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{where} cannot be read ({type(error).__name__}); {cure}.") from error
    # A size in pixels is multiplied by others, and memory is taken for the product.
    for item in dataclasses.fields(made):  # type: ignore[arg-type]
        name, value = item.name, getattr(made, item.name)
        if name.endswith("_size") and isinstance(value, tuple) and math.prod(value) > LARGEST_FRAME:
            raise DataError(f"{where}: {name} is {value}, which no frame has; {cure}.")
    return made


class Config(Schema):
    """A section that is also built in code: a wrong value in ``Config(key=value)`` is a ``ConfigError`` as well.

    ``where`` is what sentences call it. Such a class cannot stand inside another one: pydantic would call its constructor,
    whose sentence knows nothing of the outer section.
    """

    where: ClassVar[str] = "the config"

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _sentence(type(self), error, values, self.where) from None


def _sentence(schema: type[Schema], error: ValidationError, values: Any, where: str) -> ConfigError:
    """The first mistake: misspelt keys before all others, because a key that is missing is mostly one that is misspelt."""
    # All of them at once: a misspelt key is both an unknown and a missing one.
    errors = error.errors(include_url=False)
    for item in errors:
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            path = item["loc"][:-1]
            return unknown("key", str(item["loc"][-1]), _keys(schema, path), _place(where, path))
    missing = [item["loc"] for item in errors if item["type"] == "missing"]
    if missing:
        # Those of the same section together: a user who forgot three adds three.
        inside = [str(loc[-1]) for loc in missing if loc[:-1] == missing[0][:-1]]
        return ConfigError(f"{_capital(_place(where, missing[0][:-1]))} lacks {', '.join(inside)}.")
    path, value = _walked(values, errors[0]["loc"])
    # A union reports each of its branches; the value is wrong in all of them.
    branches = [item for item in errors if _walked(values, item["loc"])[0] == path]
    if len(branches) == 1 and branches[0]["type"] == "literal_error":
        return unknown("value", str(value), _choices(branches[0]), _place(where, path))
    if len(branches) == 1 and branches[0]["type"] == "value_error":
        return ConfigError(f"{_capital(_place(where, path))} {str(branches[0]['msg']).removeprefix('Value error, ')}.")
    wanted = " or ".join(dict.fromkeys(_wanted(item) for item in branches))
    return ConfigError(f"{_capital(_place(where, path))} must be {wanted}, got {_shown(value)}.")


def _wanted(item: Any) -> str:
    """What a value should have been, from one of pydantic's errors."""
    kind, context = str(item["type"]), item.get("ctx", {})
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**{key: _number(bound) for key, bound in context.items()})
    if kind == "finite_number":
        return "a finite number"
    if kind == "literal_error":
        return " or ".join(repr(choice) for choice in _choices(item))
    if kind in ("too_short", "too_long"):
        bound = context.get("min_length", context.get("max_length"))
        return f"a list of {'at least' if kind == 'too_short' else 'at most'} {bound}"
    return _KINDS.get(kind.rpartition("_")[0], str(item["msg"]).lower())


def _number(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, float) else f"{bound:,}"


def _choices(item: Any) -> list[str]:
    return [word.strip("' ") for word in str(item["ctx"]["expected"]).replace(" or ", ", ").split(",")]


def _walked(values: Any, loc: Sequence[Any]) -> tuple[tuple[Any, ...], Any]:
    """The part of an error's place that exists in the values, and what stands there; the rest names branches of a union."""
    path: list[Any] = []
    for step in loc:
        inside = isinstance(values, Mapping) and step in values
        if not inside and not (isinstance(values, list | tuple) and isinstance(step, int) and step < len(values)):
            break
        values = values[step]
        path.append(step)
    return tuple(path), values


def _keys(schema: type[BaseModel], path: Sequence[Any]) -> list[str]:
    """Valid keys of the section at a place."""
    for step in path:
        if not isinstance(step, str) or step not in schema.model_fields:
            continue
        inner = _models(schema.model_fields[step].annotation)
        schema = inner[0] if inner else schema
    return list(schema.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for option in typing.get_args(annotation) for model in _models(option)]


def _place(where: str, path: Sequence[Any]) -> str:
    """``the recipe``, ``("optimizer", "lr")`` → ``the recipe's optimizer.lr``."""
    keys = ".".join(str(step) for step in path if isinstance(step, str))
    return f"{where}'s {keys}" if keys else where


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
