"""The names of our own HTTP headers."""

from __future__ import annotations

from typing import Final

DIGEST_HEADER: Final = "X-Config-Digest"
ID_HEADER: Final = "X-Request-ID"
