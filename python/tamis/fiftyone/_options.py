"""The options that Brain's functions of embeddings share."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class EmbeddingOptions:
    """Where the embeddings of samples come from. Names, order and defaults are Brain's."""

    roi_field: str | None = None
    embeddings: Any = None
    similarity_index: Any = None
    model: Any = None
    model_kwargs: Any = None
    force_square: bool = False
    alpha: float | None = None
    batch_size: int | None = None
    num_workers: int | None = None
    skip_failures: bool = True
    progress: Any = None


DEFAULTS = EmbeddingOptions()
PARAMETERS = [
    inspect.Parameter(
        field.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=field.default,
        annotation=field.type,
    )
    for field in dataclasses.fields(EmbeddingOptions)
]


def one_by_one(function: Callable[..., Result]) -> Callable[..., Result]:
    """Take the fields of `given`, an `EmbeddingOptions`, as parameters in its place."""
    own = inspect.signature(function)
    parameters = list(own.parameters.values())
    at = next(i for i, parameter in enumerate(parameters) if parameter.name == "given")
    signature = own.replace(parameters=[*parameters[:at], *PARAMETERS, *parameters[at + 1 :]])
    rest = [p.name for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Result:
        try:
            named = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{function.__name__}() {error}") from None
        for name in rest:
            named.update(named.pop(name, {}))
        given = {p.name: named.pop(p.name) for p in PARAMETERS if p.name in named}
        return function(**named, given=EmbeddingOptions(**given))

    call.__signature__ = signature  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    call.__annotations__["return"] = signature.return_annotation
    return call


__all__ = ["DEFAULTS", "EmbeddingOptions", "one_by_one"]
