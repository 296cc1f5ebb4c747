"""Small files, small functions, telling names, and a map of all of them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "superres"
FILES = sorted(file for folder in ("src", "flows") for file in (ROOT / folder).rglob("*.py"))
NAMES_OF_NOTHING = {"utils", "util", "common", "base", "core", "helpers", "helper", "manager"}
README = ROOT / "README.md"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_files_and_functions_are_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 50, f"{node.name} has {length} lines"


def test_no_module_is_named_after_nothing() -> None:
    for file in FILES:
        assert not NAMES_OF_NOTHING & {*file.relative_to(ROOT).with_suffix("").parts}, file


def test_the_readme_has_a_map_of_every_module() -> None:
    """A module is named in the map as `name` or `name.py`, after the folder it lies in."""
    _, _, readme = README.read_text(encoding="utf-8").partition("## File map")
    assert readme, "README.md has no section 'File map'"
    modules = {file.relative_to(PACKAGE).with_suffix("") for file in PACKAGE.rglob("*.py")}
    missing = [
        module.as_posix()
        for module in sorted(modules)
        if module.name != "__init__" and not _named(module.name, readme)
    ]
    assert missing == []


def _named(name: str, text: str) -> bool:
    words = text.translate(str.maketrans(dict.fromkeys("`/,;:()|.", " "))).split()
    return name in words
