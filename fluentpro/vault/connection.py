"""One client of a Vault for one process: total deadlines, bounded retries, every answer understood."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeAlias, TypeVar

import hvac
import requests
from hvac.adapters import RawAdapter

from fluentpro.config.jitter import jitter
from fluentpro.vault.errors import Kind, VaultError

T = TypeVar("T")
Ask: TypeAlias = Callable[[hvac.Client], requests.Response]

FIRST_PAUSE: Final = 0.1
"""Seconds before the first retry; each further one waits up to twice as long, with full jitter."""
LONGEST_PAUSE: Final = 2.0
ABANDONED: Final = 4
"""Requests that may hang past their deadline before we stop sending new ones."""
TRIES: Final = {Kind.OVERLOADED: 10, Kind.UNREACHABLE: 2}
"""How often each kind of failure is tried again within a request's deadline; a seal never."""

TRANSIENT: Final = frozenset({412, 429, 500, 502, 503, 504})
"""412: a replica that has not yet seen our own write."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the Vault is and how to know it."""

    url: str
    namespace: str = ""
    ca_file: str = ""
    timeout: float = 5.0
    """Seconds that one request may take, all in all, its retries included."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed answer: the status, and the body where it is a JSON object."""

    status: int
    body: Mapping[str, Any] = field(repr=False)

    @property
    def data(self) -> Mapping[str, Any]:
        """The body's `data`, empty where it has none."""
        found = self.body.get("data")
        return found if isinstance(found, dict) else {}


class Connection:
    """Talks to one Vault. Made after the fork: what two processes share mixes up their answers."""

    def __init__(
        self, address: Address, token: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.address = address
        self.requests = 0
        """How many requests were sent."""
        self.pid = os.getpid()
        self._clock = clock
        self._hanging: list[threading.Thread] = []
        session = requests.Session()
        session.trust_env = False  # a proxy from the environment has no business with secrets
        session.verify = address.ca_file or True  # with a session, hvac takes the session's word for it
        self._client = hvac.Client(
            url=address.url,
            token=token,
            namespace=address.namespace or None,
            timeout=address.timeout,  # type: ignore[arg-type]  # requests takes fractions
            session=session,
            adapter=RawAdapter,
            ignore_exceptions=True,
            allow_redirects=True,
        )

    @property
    def token(self) -> str:
        """The token that requests carry; empty before the login."""
        return self._client.token or ""

    @token.setter
    def token(self, value: str) -> None:
        self._client.token = value

    def ask(self, what: str, request: Ask, *, expect: frozenset[int] = frozenset({200, 204})) -> Answer:
        """Send a request until it is answered or its deadline is over; raise a `VaultError` that says which.

        `what` names the request in a message. An answer whose status is in `expect` is returned,
        transient ones are retried with jitter, `Retry-After` is honoured up to the deadline.
        """
        deadline = self._clock() + self.address.timeout
        pause, tries = FIRST_PAUSE, 0
        while True:
            try:
                answer = self._once(request, deadline)
                if answer.status in expect:
                    return answer
                raise _failure(what, answer)
            except VaultError as failure:
                wait = max(jitter(0, pause), failure.retry_after)
                tries += 1
                if tries > TRIES.get(failure.kind, 0) or self._clock() + wait >= deadline:
                    raise
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _once(self, request: Ask, deadline: float) -> Answer:
        self.requests += 1
        try:
            return _understand(self._within(deadline, lambda: request(self._client)), self.address.url)
        except requests.exceptions.SSLError:
            fix = "set vault.ca_file (or VAULT_CACERT) to the certificate authority that signed it"
            raise VaultError(
                Kind.UNTRUSTED, f"the certificate of {self.address.url} is not trusted", fix
            ) from None
        except (requests.exceptions.RequestException, TimeoutError, OSError) as error:
            fix = "is vault.address (or VAULT_ADDR) right, and does the Vault run?"
            message = f"no answer from {self.address.url}: {_reason(error)}"
            raise VaultError(Kind.UNREACHABLE, message, fix) from None

    def _within(self, deadline: float, work: Callable[[], T]) -> T:
        """Run blocking work to a total deadline: `requests` bounds each read only, so a drip never ends."""
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if len(self._hanging) >= ABANDONED:
            raise TimeoutError
        box: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                box.append(work())
            except BaseException as error:  # noqa: BLE001 # carried over to the caller
                errors.append(error)

        thread = threading.Thread(target=run, name="vault-request", daemon=True)
        thread.start()
        thread.join(max(deadline - self._clock(), 0.001))
        if thread.is_alive():
            self._hanging.append(thread)
            raise TimeoutError
        if errors:
            raise errors[0]
        return box[0]


def _understand(response: requests.Response, url: str) -> Answer:
    """A response as an answer; whatever is not JSON does not come from a Vault."""
    if response.status_code == HTTPStatus.NO_CONTENT:
        return Answer(response.status_code, {})
    retry_after = response.headers.get("Retry-After", "")
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        found = dict(body)
        if retry_after.isdigit():
            found["retry_after"] = int(retry_after)
        return Answer(response.status_code, found)
    if response.status_code in TRANSIENT:
        return Answer(
            response.status_code, {"retry_after": int(retry_after)} if retry_after.isdigit() else {}
        )
    fix = "a proxy or another service answers there: correct vault.address (or VAULT_ADDR)"
    raise VaultError(Kind.STRANGER, f"{url} answered with a page that is not from a Vault", fix)


def _failure(what: str, answer: Answer) -> VaultError:
    """The failure that an unexpected status stands for."""
    errors = " ".join(str(item) for item in answer.body.get("errors") or ())
    retry_after = float(answer.body.get("retry_after", 0))
    match answer.status:
        case 403:
            return VaultError(Kind.DENIED, f"Vault denied {what}")
        case 404:
            return VaultError(Kind.MISSING, f"Vault has nothing for {what}")
        case 501:
            return VaultError(
                Kind.UNINITIALISED, "the Vault is not initialised", "initialise it: bao operator init"
            )
        case 503 if "sealed" in errors.lower():
            return VaultError(Kind.SEALED, "the Vault is sealed", "unseal it: bao operator unseal")
        case status if status in TRANSIENT:
            message = f"Vault answered {status} to {what}"
            return VaultError(Kind.OVERLOADED, message, "look at the Vault's own log and load", retry_after)
        case status:
            return VaultError(
                Kind.LOGIN if "login" in what else Kind.DENIED, f"Vault answered {status} to {what}"
            )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError | requests.exceptions.Timeout):
        return "timed out"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "connection refused or broken"
    return type(error).__name__
