"""What a model says about where it comes from."""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from superres.training.lineage import digest, flatten, git_commit, weights_digest


def test_a_digest_is_of_the_content_not_of_its_order() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert digest([1, 2]) != digest([2, 1])


def test_weights_have_equal_digests_exactly_when_every_value_is_equal() -> None:
    one = {"a": torch.rand(3, 2, generator=torch.Generator().manual_seed(1)), "b": torch.ones(2)}
    same = {"b": one["b"].clone(), "a": one["a"].t().contiguous().t()}
    assert weights_digest(one) == weights_digest(same)
    last_bit = one["a"].clone()
    last_bit.view(torch.int32)[0, 0] += 1
    assert weights_digest({**one, "a": last_bit}) != weights_digest(one)
    assert weights_digest({"a": one["a"], "c": one["b"]}) != weights_digest(one)
    assert len(weights_digest(one)) == 12


def test_nested_settings_become_dotted_keys() -> None:
    nested = {
        "model": {"name": "compact", "kernels": [9, 1, 5]},
        "phases": [{"steps": 5, "losses": {"mse": 1.0}}, {"steps": 7}],
        "ema": None,
        "demo": {},
        "norm": False,
    }
    assert flatten(nested) == {
        "model.name": "compact",
        "model.kernels": "[9, 1, 5]",
        "phases.0.steps": "5",
        "phases.0.losses.mse": "1.0",
        "phases.1.steps": "7",
        "demo": "{}",
        "norm": "False",
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    for folder in ("src", "experiments", "docs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.txt").write_text("one")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "One")
    return tmp_path


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", *who, *words]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return told.stdout.strip()


def test_the_commit_of_the_code(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert git_commit(repository) == commit
    (repository / "docs" / "one.txt").write_text("changed")
    assert git_commit(repository) == commit
    (repository / "src" / "one.txt").write_text("changed")
    assert git_commit(repository) == f"{commit}-dirty"


def test_code_outside_a_repository_is_of_an_unknown_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit(tmp_path) == "unknown"
    monkeypatch.setenv("PATH", "")
    assert git_commit(tmp_path) == "unknown"
