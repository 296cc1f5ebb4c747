"""Frozen pydantic values, and errors that name the file, the key and what is accepted."""

import difflib
import inspect
import typing
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from superres.errors import ConfigError


class Frozen(BaseModel):
    """An immutable value; a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Value = TypeVar("Value", bound=Frozen)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; ConfigError when the file is missing, not YAML or not a mapping."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file. Run the command in the project folder.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error}).") from None
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        found = type(content).__name__
        raise ConfigError(f"{path}: expected a mapping of keys to values, found {found}.")
    return content


def parse(kind: type[Value], content: dict[str, Any], origin: Path | str) -> Value:
    """Check `content` against `kind`; ConfigError lists every fault with its key and the cure."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        faults = [(_keys(content, fault), fault) for fault in error.errors(include_url=False)]
        told = [
            _explain(kind, keys, fault)
            for keys, fault in faults
            if not _is_said_better(keys, fault, [others for others, _ in faults])
        ]
        raise ConfigError("\n".join(f"{origin}: {fault}" for fault in told)) from None


def _keys(content: Any, fault: Any) -> list[str]:
    """Return the keys that lead to a fault, without pydantic's names of a union's members."""
    keys = []
    for part in fault["loc"]:
        is_index = isinstance(content, list | tuple) and isinstance(part, int)
        if (is_index and part < len(content)) or (isinstance(content, dict) and part in content):
            keys.append(str(part))
            content = content[part]
    return [*keys, str(fault["loc"][-1])] if fault["type"] == "missing" else keys


def _is_said_better(keys: list[str], fault: Any, others: list[list[str]]) -> bool:
    """Tell whether a list is called too short, or a choice wrong, for what is wrong inside it."""
    inside = any(len(one) > len(keys) and one[: len(keys)] == keys for one in others)
    return inside and fault["type"] in ("too_short", "literal_error")


def _explain(kind: type[Frozen], keys: list[str], fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        owner = _owner(kind, fault["loc"][:-1])
        accepted = sorted(owner.model_fields) if owner else []
        close = difflib.get_close_matches(keys[-1], accepted, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        where = f" in '{'.'.join(keys[:-1])}'" if keys[:-1] else ""
        return f"unknown key '{keys[-1]}'{where}; accepted: {', '.join(accepted)}.{hint}"
    if fault["type"] == "missing":
        return f"key '{'.'.join(keys)}' is missing."
    message = fault["msg"].removeprefix("Value error, ")
    if not keys:
        return f"{message}."
    found = repr(fault["input"])
    shown = found if len(found) < 80 else found[:77] + "..."
    return f"key '{'.'.join(keys)}': {message}; found {shown}."


def _owner(kind: type[Frozen], location: tuple[int | str, ...]) -> type[Frozen] | None:
    """Return the Frozen class that holds the key at `location` below `kind`."""
    current: type[Frozen] | None = kind
    for part in location:
        if current is None:
            return None
        if isinstance(part, str) and part in current.model_fields:
            current = _frozen_in(current.model_fields[part].annotation)
    return current


def _frozen_in(annotation: Any) -> type[Frozen] | None:
    if inspect.isclass(annotation) and issubclass(annotation, Frozen):
        return annotation
    for argument in typing.get_args(annotation):
        found = _frozen_in(argument)
        if found is not None:
            return found
    return None
