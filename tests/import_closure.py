"""Which files of the package a module reaches when it runs, read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PACKAGE = "src/superres"


def closure(module: str) -> set[str]:
    """Return the project files, relative to the root, that running `module` can import.

    Imports inside functions count; those for type checkers only do not. The package's own
    `superres.load` is lazy for its users and is called by no stage.
    """
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in seen or _file(name) is None:
            continue
        seen.add(name)
        todo.append(name.rpartition(".")[0])
        todo += _imports(name)
    files = (_file(name) for name in seen)
    return {file.relative_to(ROOT).as_posix() for file in files if file is not None}


def _file(name: str) -> Path | None:
    if not name:
        return None
    path = SOURCE.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _imports(name: str) -> Iterator[str]:
    file = _file(name)
    assert file is not None
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in _reached(tree, into_functions=name != "superres"):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _reached(node: ast.AST, *, into_functions: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        is_type_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if is_type_only or (isinstance(child, ast.FunctionDef) and not into_functions):
            continue
        yield child
        yield from _reached(child, into_functions=into_functions)


def stage_code(stage: str) -> list[str]:
    """Return the deps of a DVC stage that are code: files, and folders that are reached whole.

    A stage runs `python -m superres <stage>`; __main__ only dispatches and changes no result,
    so it is left out: else an option of one command would retrain every model. The bento holds
    the whole package.
    """
    if stage == "package":
        return [PACKAGE]
    files = closure(f"superres.commands.{stage}")
    files |= _read_by(files)
    for folder in sorted({Path(file).parent for file in files}):
        inside = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py")}
        if len(inside) > 1 and inside <= files:
            files = (files - inside) | {folder.as_posix()}
    return sorted(files)


def _read_by(files: set[str]) -> set[str]:
    """Return the data files of the package that one of `files` names, as datasets.yaml."""
    texts = [(ROOT / file).read_text(encoding="utf-8") for file in files]
    kept = [path for path in (ROOT / PACKAGE).rglob("*.*") if path.suffix in (".json", ".yaml")]
    named = (path for path in kept if any(path.name in text for text in texts))
    return {path.relative_to(ROOT).as_posix() for path in named}


def pipeline() -> dict[str, Any]:
    """Return dvc.yaml."""
    import yaml

    content: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    return content


def is_code(dependency: str) -> bool:
    """Tell whether a dep is part of the package."""
    return dependency.startswith(PACKAGE)


def rewrite() -> None:
    """Write the code that each stage reaches into dvc.yaml, keeping comments and order."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.width = 1000
    path = ROOT / "dvc.yaml"
    content = editor.load(path)
    for name, entry in content["stages"].items():
        stage = entry.get("do", entry)
        others = [dependency for dependency in stage["deps"] if not is_code(dependency)]
        stage["deps"] = others + stage_code(name)
    with path.open("w", encoding="utf-8") as stream:
        editor.dump(content, stream)


if __name__ == "__main__":
    rewrite()
