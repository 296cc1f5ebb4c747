"""Clients that send, wait when they are told to, and note all that happens."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx
from served import Server

SAMPLE_SECONDS = 2.0
PATIENCE_SECONDS = 300.0  # longer than the service lets anything take


@dataclass
class Seen:
    """What the clients saw; times in seconds from the first attempt to the whole answer."""

    codes: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    versions: dict[str, float] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)

    def told(self) -> str:
        """Say it in one line."""
        codes = ", ".join(f"{number} x {code}" for code, number in sorted(self.codes.items()))
        return f"{codes}; lost: {len(self.lost)}"

    def require_none_lost(self) -> None:
        """End with an error for a lost request, or a 5xx other than "try again later"."""
        bad = [code for code in self.codes if code >= 400 and code not in (429, 503)]
        if self.lost or bad:
            raise SystemExit(f"lost: {self.lost[:5]}, answers {bad}")


class Clients:
    """So many threads, each with a connection of its own, that send one of `files` at a time."""

    def __init__(self, server: Server, files: Mapping[str, bytes], number: int) -> None:
        self._address = f"http://127.0.0.1:{server.port}"
        self._files = dict(files)
        self._number = number
        self._seen = Seen()
        self._tasks: list[tuple[float, Callable[[], None]]] = []

    def after(self, seconds: float, task: Callable[[], None]) -> None:
        """Do something so many seconds after the beginning."""
        self._tasks.append((seconds, task))

    def run(self, seconds: float, watch: Callable[[], float] | None = None) -> Seen:
        """Send for so many seconds; what has begun then is still waited for."""
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=self._client, args=(number, until))
            for number in range(self._number)
        ]
        timers = [threading.Timer(delay, task) for delay, task in self._tasks]
        for thread in (*threads, *timers):
            thread.start()
        while watch is not None and time.monotonic() < until:
            self._seen.memory.append(watch())
            time.sleep(SAMPLE_SECONDS)
        for thread in (*threads, *timers):
            thread.join()
        return self._seen

    def _client(self, number: int, until: float) -> None:
        chance = random.Random(number)
        names = list(self._files)
        with httpx.Client(base_url=self._address, timeout=PATIENCE_SECONDS) as client:
            while time.monotonic() < until:
                self._ask(client, chance.choice(names))

    def _ask(self, client: httpx.Client, name: str) -> None:
        start = time.monotonic()
        while True:
            try:
                answer = client.post("/upscale", files={"image": self._files[name]})
            except httpx.HTTPError as error:
                self._seen.lost.append(repr(error))
                return
            self._seen.codes[answer.status_code] += 1
            if answer.status_code not in (429, 503):
                break
            time.sleep(int(answer.headers["retry-after"]))
        now = time.monotonic()
        self._seen.times[name].append(now - start)
        version = answer.headers.get("x-superres-version", "")
        self._seen.versions.setdefault(version, now)
