"""Fault 37: a canary in every secret field shows in no answer of the API, and in no line that it logs."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from fluentpro.config.fields import settings_of
from fluentpro.schema import Config
from tests.support.inside import Inside
from tests.support.project import changed
from tests.web.api.conftest import Make

SECRETS = tuple(item for item in settings_of(Config).values() if item.secret)
KEYS = tuple(item.key for item in settings_of(Config).values())


def test_no_canary_shows(inside: Inside, make: Make, told: list[dict[str, Any]]) -> None:
    canaries = {item.key: f"canary{number:02}{token_hex(30)}" for number, item in enumerate(SECRETS)}
    text = inside.project.read(".secrets.local.toml")
    for key, value in canaries.items():
        text = changed(text, key, [value] if key.endswith("fallbacks") else value)
    inside.project.replace(".secrets.local.toml", text)
    assert not inside.reload().error
    operations = {"Authorization": f"Bearer {canaries['operations.token']}"}
    anna = make("anna", "write")
    canaries["anna"] = anna["Authorization"].rpartition("_")[2]
    answers = []
    with inside.client() as client:
        document = client.get("/api/v1/openapi.json").json()
        pages = [path for path, item in document["paths"].items() if "get" in item and "{" not in path]
        pages += [f"/api/v1/config/explain/{key}" for key in (*KEYS, *Config.model_fields)]
        assert len(pages) > 100
        for headers in (operations, anna):
            answers += [client.get(page, headers=headers) for page in pages]
            for item in SECRETS:  # an operator who takes the wrong door
                body = {"key": item.key, "value": canaries[item.key], "reason": "a mistake"}
                answers.append(client.post("/api/v1/overrides", json=body, headers=headers))
                answers.append(client.post("/api/v1/overrides", json=canaries[item.key], headers=headers))
                odd = {**headers, "Content-Type": "application/json"}
                answers.append(client.post("/api/v1/overrides", content=canaries[item.key], headers=odd))
                wrong = {"Authorization": f"Bearer {canaries[item.key]}x"}
                answers.append(client.get("/api/v1/config", headers=wrong))
        assert {answer.status_code for answer in answers} == {200, 400, 401, 422}
    seen = "".join(f"{answer.headers}{answer.text}" for answer in answers) + str(told)
    assert "********" in seen
    for name, value in canaries.items():
        assert value[:24] not in seen, name
