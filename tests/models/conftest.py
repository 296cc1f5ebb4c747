"""Runs a specification's tests with each of the subclass's variants."""

import pytest
import torch

torch.set_num_threads(1)  # more only stand in each other's way on networks this small


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hand `options` the `variants` of the test's class."""
    if "options" in metafunc.fixturenames and metafunc.cls is not None:
        variants = metafunc.cls.variants
        names = [" ".join(f"{key}={value}" for key, value in one.items()) for one in variants]
        metafunc.parametrize("options", variants, ids=names)
