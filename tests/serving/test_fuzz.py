"""Uploads that nobody should send are answered rightly; the description is true."""

import time
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from malformed import Case, cases
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

Serve = Any

EVERY = 4  # of the cases here; benchmarks/service_fuzz.py sends all of them to a real server


def answer_of(client: Any, case: Case) -> Any:
    response = client.post(case.address, **case.sent)
    assert response.status_code in case.codes, (
        f"{case.name}: {response.status_code} {response.text}"
    )
    if response.status_code >= 400:
        assert set(response.json()["error"]) == {"code", "message", "cure"}, case.name
        assert "/tmp" not in response.text, case.name
    return response


@pytest.mark.parametrize("part", range(EVERY))
def test_malformed_uploads(serve: Serve, clip: bytes, part: int) -> None:
    client = serve(max_bytes=4_000_000, max_video_bytes=50_000_000)
    client._transport.raise_server_exceptions = False
    begun = time.monotonic()
    chosen = [case for number, case in enumerate(cases(clip)) if number % EVERY == part]
    for case in chosen:
        answer_of(client, case)
    assert len(chosen) > 500 // EVERY
    assert time.monotonic() - begun < 120


EXAMPLES = 12
# BentoML's own addresses, and what no description can say: which bytes are a picture.
PROBES = "/(livez|readyz|metrics)"
UNSAID = [positive_data_acceptance, ignored_auth]
QUICK = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_description_is_true(serve: Serve) -> None:
    """What it says is accepted is answered as it says; what it says is not, is refused."""
    schema = schemathesis.openapi.from_asgi("/docs.json", serve().app)
    tested = 0
    for found in schema.exclude(path_regex=PROBES).get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:
            try:
                strategy = operation.as_strategy(generation_mode=mode)

                @QUICK
                @given(strategy)
                def ask(case: schemathesis.Case) -> None:
                    case.call_and_validate(excluded_checks=UNSAID)

                ask()
            except Unsatisfiable:
                continue  # everything is accepted there
            tested += 1
    assert tested > 20
