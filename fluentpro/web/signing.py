"""Which of the earlier secret keys are still needed: each use of a fallback is counted.

Django tries the fallbacks one after the other and does not say which one fitted, so the check of a
signature is watched here (decision 0010).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from django.core.signing import Signer
from django.utils.crypto import constant_time_compare

from fluentpro.process import secrets

COOKIES: Final = b"django.http.cookies"
"""What Django puts before a key that signs cookies."""
NEXT: Final = "next"
"""What the key is called that signs next: another process signs with it already."""

_lock = threading.Lock()
_uses: Counter[str] = Counter()


def uses() -> Mapping[str, int]:
    """How often each fallback was needed since this was asked last, by the name of its version."""
    with _lock:
        counted = dict(_uses)
        _uses.clear()
    return counted


def watch() -> None:
    """Count from now on, in this process. A second call does nothing."""
    if Signer.unsign is not _unsign:
        Signer.unsign = _unsign  # type: ignore[method-assign]  # there is no hook for it


_original = Signer.unsign


def _unsign(self: Any, signed_value: str) -> str:
    """What Django does; and once a signature is good, a look at whose it is."""
    self.fallback_keys = list(self.fallback_keys)  # a cookie's signer has an iterator, good for one try
    value = _original(self, signed_value)
    signature = signed_value.rpartition(self.sep)[2]
    if not constant_time_compare(signature, self.signature(value)):
        used = next(
            key for key in self.fallback_keys if constant_time_compare(signature, self.signature(value, key))
        )
        _count(used)
    return value


def _count(key: str | bytes) -> None:
    from fluentpro.web import metrics

    text = key if isinstance(key, str) else key.removeprefix(COOKIES).decode(errors="replace")
    name = _name(text)
    metrics.FALLBACKS.labels(name).inc()
    with _lock:
        _uses[name] += 1


def _name(key: str) -> str:
    """What a fallback is called: the last version in the Vault that it was the key of; never the key."""
    known = secrets()
    for document in known.documents.values() if known else ():
        if key in document.values.values():
            return NEXT
        for number, values in document.older.items():
            if key in values.values():
                return f"version {number}"
    return "no version"
