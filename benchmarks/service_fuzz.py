"""A real server against uploads that nobody should send, and against its own description.

python benchmarks/service_fuzz.py [--rounds N] [--examples N]     3 and 50 without a number

Every round sends the malformed uploads of tests/malformed.py; then schemathesis makes so many
examples for each address that the served OpenAPI names, in all of its phases. No 5xx but 503,
no wrong code, and memory that stays after the first round; many rounds show whether it does.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from malformed import Case, cases
from served import Server, environment, started

from superres import video
from superres.video import Frame

LIMITS = {"SUPERRES_MAX_BYTES": "4000000", "SUPERRES_MAX_VIDEO_BYTES": "50000000"}
GROWTH = 1.1  # of the memory after the first round


def main() -> None:
    """Send everything; exit 1 when an answer is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3, help="of all malformed uploads")
    parser.add_argument("--examples", type=int, default=50, help="of schemathesis; 0: none")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        env = environment(place, SUPERRES_MODEL="nearest", SUPERRES_LOG="text", **LIMITS)
        with started(place, env) as server:
            wrong = malformed(server, place, asked.rounds)
            code = described(server, asked.examples) if asked.examples else 0
            alive = server.client.get("/readyz").status_code
    print(f"the service afterwards: {alive}")
    if wrong or code or alive != 200:
        raise SystemExit(1)


def malformed(server: Server, place: Path, rounds: int) -> int:
    """Send the uploads again and again; return how many answers were wrong."""
    every = list(cases(_clip(place / "clip.mp4")))
    wrong, memory = 0, []
    for number in range(1, rounds + 1):
        codes: Counter[int] = Counter()
        begun = time.monotonic()
        for case in every:
            code = _sent(server.client, case)
            codes[code] += 1
            if code not in case.codes:
                wrong += 1
                print(f"WRONG {case.name}: {code}, right are {sorted(case.codes)}")
        memory.append(server.memory_mib())
        told = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))
        spent = time.monotonic() - begun
        print(
            f"round {number}: {len(every)} uploads in {spent:.0f} s: {told}; "
            f"memory {memory[-1]:.0f} MiB",
            flush=True,
        )
    steps = (f"{after - before:+.0f}" for before, after in pairwise(memory))
    print(f"memory after each round: {memory[0]:.0f} MiB, then {', '.join(steps) or 'no more'}")
    if memory[-1] > GROWTH * memory[0]:
        wrong += 1
        print(f"GROWN: {memory}")
    return wrong


def _sent(client: httpx.Client, case: Case) -> int:
    answer = client.post(case.address, **case.sent)
    if answer.status_code >= 400 and set(answer.json()["error"]) != {"code", "message", "cure"}:
        print(f"WRONG {case.name}: {answer.text[:200]}")
        return 0
    if case.address.endswith("submit") and answer.status_code == 200:
        task = {"task_id": answer.json()["task_id"]}
        client.put("/upscale_video/cancel", params=task)
    return answer.status_code


def _clip(path: Path) -> bytes:
    frames = (
        Frame(np.full((16, 24, 3), 20 * n, np.uint8), n, n / 12, n, Fraction(1, 12))
        for n in range(12)
    )
    video.write(path, frames)
    return path.read_bytes()


def described(server: Server, examples: int) -> int:
    """Let schemathesis read the description and test it; return its exit code."""
    address = f"http://127.0.0.1:{server.port}"
    words = ["run", f"{address}/docs.json", "--url", address, "--max-examples", str(examples)]
    unsaid = "positive_data_acceptance,ignored_auth"
    more = ["--exclude-checks", unsaid, "--generation-database", "none", "--no-color"]
    command = [str(Path(sys.executable).with_name("schemathesis")), *words, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout[-6000:] + done.stderr[-2000:])
    return done.returncode


if __name__ == "__main__":
    main()
