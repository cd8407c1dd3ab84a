"""The validator set: what no single setting can tell, because it takes two of them or the environment.

A description is read after its key and a colon, and never holds a value. Rules whose cause and cure
are the same share a code; the key tells them apart.
"""

from __future__ import annotations

from typing import Final

from fluentpro.config.rules import Rule
from fluentpro.schema.rules import access, backends, hardening, times

RULES: Final[tuple[Rule, ...]] = (*hardening.RULES, *access.RULES, *backends.RULES, *times.RULES)

__all__ = ["RULES"]
