"""A schema as JSON Schema: with it, an editor completes and checks the settings files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from fluentpro.config.display import MARK
from fluentpro.config.environment import variable
from fluentpro.config.fields import Path, Setting, Table, settings_of

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
REFERENCE: Final = {"type": "string", "pattern": f"^{MARK}"}
"""What may stand in a file in the place of a secret's value, whatever its type."""

_OURS = frozenset({"anyOf", "default", "description", "format", "title", "writeOnly"})


def json_schema(schema: type[Table], title: str) -> dict[str, Any]:
    """What one settings file may hold. Nothing is required in it: a file is one layer of several."""
    whole = schema.model_json_schema()
    return {"$schema": DRAFT, "title": title, **_table(whole, whole.get("$defs", {}), (), schema)}


@cache
def node_of(schema: type[Table], path: Path) -> Mapping[str, Any]:
    """The JSON Schema of one setting."""
    node: dict[str, Any] = _whole(schema)
    for name in path:
        node = node["properties"][name]
    return node


@cache
def _whole(schema: type[Table]) -> dict[str, Any]:
    return json_schema(schema, "")


def _table(
    node: Mapping[str, Any], definitions: Mapping[str, Any], prefix: Path, schema: type[Table]
) -> dict[str, Any]:
    """A table with its settings written out in place: not every editor follows a reference."""
    known = settings_of(schema)
    properties: dict[str, Any] = {}
    for name, item in node["properties"].items():
        path = (*prefix, name)
        if path in known:
            properties[name] = _setting(item, known[path])
        else:
            table = definitions[item["$ref"].rpartition("/")[2]]
            properties[name] = _table(table, definitions, path, schema)
    return {
        "type": "object",
        "description": node.get("description", ""),
        "properties": properties,
        "additionalProperties": False,
    }


def _setting(item: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
    made = {"description": _description(setting), **_type(item, setting)}
    if not setting.secret and not setting.required and setting.default is not None:
        made["default"] = list(setting.default) if isinstance(setting.default, tuple) else setting.default
    made["x-effect"] = setting.effect.value
    if setting.unit:
        made["x-unit"] = setting.unit
    if setting.overridable:
        made["x-overridable"] = True
    if setting.secret:
        made["writeOnly"] = True
    return made


def _type(item: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
    """The type and its bounds. TOML has no null: an optional setting is one that is left out."""
    options = [option for option in item.get("anyOf", ()) if option != {"type": "null"}]
    merged = {**item, **options[0]} if len(options) == 1 else item
    bare = {name: value for name, value in merged.items() if name not in _OURS and not name.startswith("x-")}
    if len(options) > 1:
        bare["anyOf"] = options
    if not setting.secret:
        return bare
    if bare["type"] == "array":
        return {"anyOf": [{"type": "array", "items": {"type": "string"}}, REFERENCE]}
    return {"type": "string"}


def _description(setting: Setting) -> str:
    """What an editor shows beside the cursor."""
    parts = [f"Unit: {setting.unit}."] if setting.unit else []
    parts.append(f"Effect: {setting.effect.value}.")
    if setting.secret:
        parts.append('Secret: write no value here but a reference, "@vault ...", or use the variable.')
    parts.append(f"Variable: {variable(setting.path)}.")
    return f"{setting.meaning}\n\n{' '.join(parts)}"
