"""Read datasets.yaml: one entry per data set, every key checked."""

from pathlib import Path
from typing import TypeVar

from superres.config.schema import Frozen, parse, read_yaml

Entry = TypeVar("Entry", bound=Frozen)


def read_entries(path: Path, kind: type[Entry]) -> dict[str, Entry]:
    """Return name -> entry, in the order of the file; the name is the entry's key.

    Raises ConfigError naming the entry, the key and what is accepted.
    """
    return {
        name: parse(kind, {"name": name, **content}, f"{path.name}: {name}")
        for name, content in read_yaml(path).items()
    }
