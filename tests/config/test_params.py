"""params.yaml: every fault is named with its file, its key and what is accepted."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from superres.config import load_params
from superres.errors import ConfigError

ROOT = Path(__file__).parents[2]
SMALL = """
experiments: [compact-mse]
data:
  sources:
    - {name: photographs}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(SMALL)
    return path


def fault(path: Path, *overrides: str) -> str:
    """Return the message of the one error that loading raises."""
    with pytest.raises(ConfigError) as caught:
        load_params(path, overrides)
    return str(caught.value)


def test_the_file_of_this_project_loads() -> None:
    params = load_params(ROOT / "params.yaml")
    for name in params.experiments:
        assert (ROOT / "experiments" / f"{name}.yaml").is_file()


def test_what_is_left_out_has_its_default(file: Path) -> None:
    params = load_params(file)
    assert (params.seed, params.scale, params.budget) == (1, 4, "demo")
    assert params.data.kernel == "bicubic"
    assert params.serving.tile == "auto"


def test_values_are_frozen(file: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_params(file).seed = 3


def test_overrides_are_yaml_below_dotted_keys(file: Path) -> None:
    overrides = [
        "budget=0.25",
        "training.device=cpu",
        "serving.tile=128",
        "experiments=[srcnn-mse, srgan-mse]",
        "evaluation.shave=null",
    ]
    params = load_params(file, overrides)
    assert params.budget == 0.25
    assert params.training.device == "cpu"
    assert params.serving.tile == 128
    assert params.experiments == ("srcnn-mse", "srgan-mse")
    assert params.evaluation.shave is None
    assert load_params(file).budget == "demo"


def test_an_unknown_key_is_named_with_file_place_and_the_accepted_ones(file: Path) -> None:
    message = fault(file, "training.state_evry=5")
    assert message.startswith(f"{file}: unknown key 'state_evry' in 'training'; accepted: ")
    assert ", device, " in message
    assert "Did you mean 'state_every'?" in message


def test_an_unknown_key_at_the_top_and_in_a_list_is_named(file: Path) -> None:
    assert "unknown key 'sale'; accepted: budget," in fault(file, "sale=4")
    sources = "data.sources=[{name: one}, {name: two, evry: 3}]"
    assert "unknown key 'evry' in 'data.sources.1'; accepted: clip_length," in fault(file, sources)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=-1", "key 'seed': Input should be greater than or equal to 0; found -1."),
        ("scale=9", "key 'scale': Input should be less than or equal to 8; found 9."),
        ("budget=half", "key 'budget': Input should be 'demo' or 'full'; found 'half'."),
        ("budget=0", "key 'budget': Input should be greater than 0; found 0."),
        ("data.kernel=cubic", "key 'data.kernel': Input should be 'bicubic', 'bilinear',"),
        ("data.sources=[]", "key 'data.sources': Tuple should have at least 1 item"),
        ("data.sources=[{path: x}]", "key 'data.sources.0.name' is missing."),
        ("data.sources=[{name: A b}]", "key 'data.sources.0.name': String should match"),
        ("data.sources=[{name: a}, {name: a}]", "source names must be unique, found ['a', 'a']"),
        ("experiments=[a, a]", "experiments must be named once each"),
        ("gate.max_parameters=.inf", "key 'gate.max_parameters'"),
        ("gate.min_gain_over_bicubic=.nan", "key 'gate.min_gain_over_bicubic'"),
        ("serving.backend=tpu", "'auto', 'torch', 'onnx' or 'openvino'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_accepted(
    file: Path, override: str, message: str
) -> None:
    found = fault(file, override)
    assert found.startswith(f"{file}: ")
    assert message in found
    assert "constrained" not in found  # no names of the library below


def test_all_faults_are_told_at_once(file: Path) -> None:
    lines = fault(file, "seed=-1", "gate.min_gain=2", "tracking.experiment=3").splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{file}: ") for line in lines)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "expected the form key.subkey=value"),
        ("=3", "expected the form key.subkey=value"),
        ("seed.x=3", "'seed' has no keys below it"),
        ("data.sources.0.name=a", "'sources' has no keys below it"),
        ("seed=[1", "not valid YAML"),
    ],
)
def test_a_malformed_override_is_quoted(file: Path, override: str, message: str) -> None:
    file.write_text(SMALL + "seed: 1\n")
    found = fault(file, override)
    assert found.startswith(f"override '{override}': ")
    assert message in found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed: [1", "not valid YAML"),
        (b"- seed", "expected a mapping of keys to values, found list"),
        (b"", "expected a mapping of keys to values, found NoneType"),
        (b"seed: \xff", "cannot be read as UTF-8 text"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    assert fault(file).startswith(f"{file}: {message}")


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    assert "no such file. Run the command in the project folder" in fault(tmp_path / "params.yaml")


def test_yaml_cannot_run_code(file: Path) -> None:
    file.write_text(SMALL + "seed: !!python/object/apply:os.getpid []\n")
    assert "not valid YAML" in fault(file)
