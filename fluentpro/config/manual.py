"""A schema in words: the reference of its settings, and a template of its environment variables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from fluentpro.config.display import display
from fluentpro.config.environment import variable
from fluentpro.config.fields import Effect, Path, Setting, Table, settings_of, tables_of
from fluentpro.config.jsonschema import node_of

EFFECTS: Final[Mapping[Effect, str]] = MappingProxyType(
    {
        Effect.LIVE: "readers see a change at once",
        Effect.REBIND: "what uses it is rebuilt, without a restart",
        Effect.RESTART: "read when the process starts: a change waits for the restart",
    }
)
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
)


def words(setting: Setting, schema: type[Table]) -> str:
    """A setting's type and bounds as a person says them: `whole number, 1 to 65535`."""
    node = node_of(schema, setting.path)
    if setting.secret:
        return "list of secret texts" if "anyOf" in node else "secret text"
    return ", ".join(_words(node))


def default(setting: Setting) -> str:
    """A setting's default as TOML writes it; `unset` or `none: it must be set` where there is no value."""
    return "none: it must be set" if setting.required else display(setting.default)


def summary(schema: type[Table]) -> str:
    """What a table is for: the first paragraph of its docstring."""
    return " ".join((schema.__doc__ or "").partition("\n\n")[0].split())


def markdown(schema: type[Table], opening: str) -> str:
    """The reference: a heading for each table and for each setting, below an opening of its own."""
    return "\n".join([opening, *_tables(schema)]) + "\n"


def env_template(schema: type[Table], opening: str) -> str:
    """Every variable, commented out, with its meaning and its default: the draft of a `.env` file."""
    lines = [f"# {line}".rstrip() for line in opening.splitlines()]
    for path, table in tables_of(schema).items():
        if path:
            lines += ["", "", f"# ---- {'.'.join(path)}: {summary(table)}"]
            lines += [line for item in _direct(schema, path) for line in _variable(item, schema)]
    return "\n".join(lines) + "\n"


def _words(node: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in node or "const" in node:
        *others, last = (display(choice) for choice in node.get("enum", [node.get("const")]))
        yield f"{', '.join(others)} or {last}" if others else last
    elif node.get("type") == "array":
        first, *more = _words(node["items"])
        yield f"list of {first}" + (f" ({', '.join(more)})" if more else "")
        if "minItems" in node:
            yield f"at least {node['minItems']}"
    elif "anyOf" in node:
        yield " or ".join(", ".join(_words(option)) for option in node["anyOf"])
    else:
        yield _TYPES[node["type"]]
        yield from _bounds(node)


def _bounds(node: Mapping[str, Any]) -> Iterator[str]:
    low, high = node.get("minimum"), node.get("maximum")
    if "exclusiveMinimum" in node:
        yield f"more than {node['exclusiveMinimum']}"
    if low is not None and high is not None:
        yield f"{low} to {high}"
    elif low is not None:
        yield f"at least {low}"
    elif high is not None:
        yield f"at most {high}"
    if "exclusiveMaximum" in node:
        yield f"less than {node['exclusiveMaximum']}"
    shortest, longest = node.get("minLength"), node.get("maxLength")
    if shortest is not None and longest is not None:
        yield f"{shortest} to {longest} characters"
    elif shortest is not None:
        yield f"at least {shortest} characters" if shortest > 1 else "not empty"
    elif longest is not None:
        yield f"at most {longest} characters"
    if "pattern" in node:
        yield f"of the form {node['pattern']}"


def _direct(schema: type[Table], table: Path) -> Iterator[Setting]:
    """The settings that stand in a table itself."""
    return (item for path, item in settings_of(schema).items() if path[:-1] == table)


def _tables(schema: type[Table]) -> Iterator[str]:
    for path, table in tables_of(schema).items():
        if path:
            yield f"\n## {'.'.join(path)}\n\n{summary(table)}"
            for item in _direct(schema, path):
                yield f"\n### {item.key}\n\n{item.meaning}\n"
                yield from (f"- {name}: {text}" for name, text in _facts(item, schema))


def _facts(item: Setting, schema: type[Table]) -> Iterator[tuple[str, str]]:
    yield "Type", _code_after(words(item, schema), "of the form ")
    if item.unit:
        yield "Unit", item.unit
    if item.secret:
        yield "Secret", "yes; it is never shown, and it has no default"
    else:
        valued = not item.required and item.default is not None
        yield "Default", f"`{default(item)}`" if valued else default(item)
    yield "Effect", f"{item.effect.value}: {EFFECTS[item.effect]}"
    yield "Overridable", "yes, by an operator while the service runs" if item.overridable else "no"
    name = variable(item.path)
    yield "Environment variable", f"`{name}`, or `{name}_FILE` for a file that holds the value"


def _code_after(text: str, lead: str) -> str:
    """The text with what follows the lead as code: a pattern is full of what Markdown takes for its own."""
    head, found, tail = text.partition(lead)
    return f"{head}{found}`{tail}`" if found else text


def _variable(item: Setting, schema: type[Table]) -> Iterator[str]:
    name = variable(item.path)
    facts = [words(item, schema), *([item.unit] if item.unit else []), item.effect.value]
    yield ""
    yield f"# {item.meaning}"
    yield f"# ({'; '.join(facts)})"
    if item.secret:
        yield f"#{name}_FILE=/run/secrets/{'_'.join(item.path)}"
    else:
        yield f"#{name}={'' if item.required else _assigned(item.default)}"


def _assigned(value: Any) -> str:
    """A value as a variable gives it: a list as commas, or as JSON where an item has one."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return json.dumps(list(value)) if any("," in item for item in value) else ",".join(value)
        case _:
            return str(value)
