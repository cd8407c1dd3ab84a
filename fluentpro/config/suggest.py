"""What a misspelt key most likely means."""

from __future__ import annotations

import difflib
from typing import Final

from fluentpro.config.display import dotted
from fluentpro.config.fields import Path, Table, settings_of, tables_of

LONGEST: Final = 100
"""Characters of a name that anybody could have misspelt."""


def suggest(path: Path, schema: type[Table]) -> str:
    """The setting or table that was meant, by its dotted name; nothing where none is near.

    `path` stands in a known table. A name that only another table has is taken from there.
    """
    *prefix, name = path
    if len(name) > LONGEST:
        return ""
    name = name.lower().replace("-", "_").replace(" ", "_")
    names = tables_of(schema)[tuple(prefix)].model_fields
    close = [name] if name in names else difflib.get_close_matches(name, names, n=1)
    if close:
        return dotted((*prefix, close[0]))
    elsewhere = [other for other in settings_of(schema) if other[-1] == name]
    return dotted(elsewhere[0]) if len(elsewhere) == 1 else ""
