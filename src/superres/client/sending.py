"""One request to the service until it is answered: retries, the service's errors, whole files."""

import email.utils
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from superres.atomic import partial_name
from superres.errors import InputError, ServiceError, StorageError, SuperresError

log = logging.getLogger(__name__)

BUSY = (429, 503)
IN_VAIN = ("model_unavailable", "timeout")  # 503 as well, but asking again does not help
LONGEST_WAIT = 60.0
# The request did not leave, so that asking again can do nothing twice.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# The request itself is wrong, and will be the next time.
HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
CHUNK = 1 << 20
BROKEN = 2  # answers that break off before another is not asked for

Content = Callable[[ExitStack], dict[str, Any]]  # opens the files of one attempt


@dataclass(frozen=True)
class Ask:
    """What is asked; `again` says whether asking twice does no harm.

    `seconds`: how long the service may work on it in silence, where that is longer than usual.
    """

    method: str
    path: str
    query: Mapping[str, str | None] | None = None
    content: Content | None = None
    again: bool = True
    seconds: float = 0.0


class Sender:
    """Asks until there is an answer, at most `retries` times more and `patience` seconds long."""

    def __init__(self, http: httpx.Client, retries: int, patience: float) -> None:
        self._http = http
        self._retries = retries
        self._patience = patience

    def send(self, ask: Ask) -> httpx.Response:
        """Return the answer, read; InputError for what the service refuses, else ServiceError."""
        return self._whole(ask, lambda answer: answer.read())

    def save(self, ask: Ask, path: Path) -> httpx.Response:
        """Write the answer into a file, which appears whole or not at all."""
        temporary = partial_name(path)

        def write(answer: httpx.Response) -> None:
            with temporary.open("wb") as file:
                for chunk in answer.iter_bytes(CHUNK):
                    file.write(chunk)

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            answer = self._whole(ask, write)
            temporary.replace(path)
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error}") from None
        finally:
            temporary.unlink(missing_ok=True)
        return answer

    def _whole(self, ask: Ask, read: Callable[[httpx.Response], object]) -> httpx.Response:
        """Return an answer that was read to its end; one that breaks off is asked for again."""
        for attempt in range(min(self._retries, BROKEN) + 1):
            with ExitStack() as stack:
                answer = self._answer(ask, stack)
                try:
                    read(answer)
                    return answer
                except httpx.TransportError as error:
                    lost = _lost(error, self._http)
            if not ask.again:
                break
            log.info("%s %s: %s, attempt %d", ask.method, ask.path, lost, attempt + 1)
        raise lost

    def _answer(self, ask: Ask, stack: ExitStack) -> httpx.Response:
        until = time.monotonic() + self._patience
        for attempt in range(self._retries + 1):
            error, wait = self._try(ask, stack, attempt)
            if isinstance(error, httpx.Response):
                return error
            if wait is None or attempt == self._retries or time.monotonic() + wait > until:
                raise error
            log.info("%s %s: %s; again in %.1f s", ask.method, ask.path, error, wait)
            time.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _try(
        self, ask: Ask, stack: ExitStack, attempt: int
    ) -> tuple[httpx.Response | SuperresError, float | None]:
        """Return the answer, or the error and the seconds to wait if asking again may help."""
        waiting = min(LONGEST_WAIT, 0.5 * 2**attempt) * random.uniform(0.5, 1)
        with ExitStack() as attempts:
            try:
                answer = attempts.enter_context(self._open(ask, attempts))
                if answer.is_success:
                    stack.push(attempts.pop_all())
                    return answer, None
                answer.read()
            except httpx.TransportError as error:
                is_late = isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout)
                may = isinstance(error, NOT_SENT) or (ask.again and not is_late)
                may = may and not isinstance(error, HOPELESS)
                return _lost(error, self._http), waiting if may else None
            code, told = _told(answer)
            if answer.status_code in BUSY and code not in IN_VAIN:
                return _refusal(answer, code, told), _retry_after(answer, waiting)
            return _refusal(answer, code, told), None

    def _open(self, ask: Ask, stack: ExitStack) -> Any:
        query = {name: value for name, value in (ask.query or {}).items() if value is not None}
        parts = ask.content(stack) if ask.content else {}
        times = self._http.timeout.as_dict()
        if times["read"] is not None and ask.seconds > times["read"]:
            parts["timeout"] = httpx.Timeout(**{**times, "read": ask.seconds})
        return self._http.stream(ask.method, ask.path, params=query, **parts)


def checked(address: str) -> str:
    """Return the address of a service; InputError for what is none, before anything is asked."""
    try:
        url = httpx.URL(address)
        if url.scheme in ("http", "https") and url.host:
            return address
        found = f"address '{address}'"
    except (httpx.InvalidURL, TypeError) as error:
        found = f"address '{address}' ({error})"
    message = f"{found}: expected http://HOST:PORT or https://HOST, as http://127.0.0.1:3000"
    raise InputError(message, code="bad_address", status=400)


def _told(answer: httpx.Response) -> tuple[str, str]:
    """Return the code and the words of an error, with its cure."""
    try:
        error = answer.json()["error"]
        words = " ".join(str(error[key]) for key in ("message", "cure") if error.get(key))
        return str(error["code"]), words
    except (ValueError, KeyError, TypeError):
        return "failed", f"the service answered {answer.status_code}"


def _refusal(answer: httpx.Response, code: str, told: str) -> SuperresError:
    status = answer.status_code
    if 400 <= status < 500 and status != 429:
        return InputError(told, code=code, status=status)
    return ServiceError(told, code=code, status=status)


def _lost(error: Exception, http: httpx.Client) -> ServiceError:
    kind = str(error) or type(error).__name__
    return ServiceError(f"{http.base_url}: no answer ({kind})", code="unreachable")


def _retry_after(answer: httpx.Response, otherwise: float) -> float:
    """Return the seconds that the service names, as a number or as a date."""
    text = answer.headers.get("retry-after", "")
    if text.isdigit():
        return min(LONGEST_WAIT, float(text))
    try:
        then = email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return otherwise
    return min(LONGEST_WAIT, max(0.0, then - time.time()))
