"""How the page speaks to the service: api.js in Node, with a browser's few words put in place."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from superres import page

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not here")

SCRIPT = """
globalThis.document = { baseURI: "http://host/ui/" };
globalThis.sessionStorage = { getItem: () => null };
const [file, answers] = JSON.parse(process.argv[1]);
const waited = [], told = [], sent = [];
const later = globalThis.setTimeout;
globalThis.setTimeout = (work, ms) => { waited.push(ms / 1000); later(work, 0); };
globalThis.XMLHttpRequest = class {
  upload = { addEventListener() {} };
  open(method, url) { sent.push(`${method} ${url}`); }
  setRequestHeader() {}
  addEventListener(name, work) { if (name === "load") this.load = work; }
  getResponseHeader() { return this.seconds; }
  send() {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    [this.status, this.seconds, this.responseText] = answer;
    queueMicrotask(() => this.load());
  }
};
const { send } = await import(file);
const onWait = (error) => told.push(error.message);
const options = { query: { model: "m" }, onWait, waits: 3 };
let made = null;
try { made = await send("upscale_video/submit", null, options); }
catch (error) { made = `${error.status} ${error.code}`; }
process.stdout.write(JSON.stringify({ made, waited, told, sent: sent.length }));
"""


def sends(*answers: tuple[int, str, dict[str, Any]]) -> dict[str, Any]:
    """Send a video; the service says these, one after another, the last one for ever."""
    given = [(status, seconds, json.dumps(body)) for status, seconds, body in answers]
    words = json.dumps([(page.FOLDER / "api.js").as_uri(), given])
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", SCRIPT, words],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "cure": ""}}


FULL = error("busy", "4 videos are waiting already")


def test_a_full_line_is_asked_again_after_the_seconds_it_names() -> None:
    found = sends((503, "60", FULL), (503, "7", FULL), (200, "", {"task_id": "t"}))
    assert found["made"] == {"task_id": "t"}
    assert found["waited"] == [60, 7]
    assert found["told"] == ["4 videos are waiting already"] * 2


def test_a_line_that_stays_full_is_given_up_in_the_end() -> None:
    found = sends((503, "1", FULL))
    assert (found["made"], found["sent"], found["waited"]) == ("503 busy", 4, [1, 1, 1])


def test_what_is_refused_is_not_sent_again() -> None:
    for status, code in ((415, "unsupported_type"), (503, "model_unavailable"), (503, "timeout")):
        found = sends((status, "5", error(code, "no")))
        assert (found["made"], found["sent"]) == (f"{status} {code}", 1)
