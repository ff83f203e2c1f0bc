"""The OpenAPI document holds for the server that it describes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest

from served import Served


@pytest.fixture(scope="module")
def document(served: Served) -> Any:
    return served.client.get("/openapi.json").json()


def requests(document: Any) -> Iterator[tuple[str, str, str, Any]]:
    """Method, path, kind of body and body of every example; a route without a body has one for each parameter's."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parameters = {p["name"]: p["examples"] for p in operation.get("parameters", ())}
            content = operation.get("requestBody", {}).get("content", {})
            for kind, body in content.items():
                for name, example in body["examples"].items():
                    values = {each: found[name]["value"] for each, found in parameters.items()}
                    yield method, path.format(**values), kind, example["value"]
            if not content:
                names = next(iter(parameters.values()), {"": {"value": ""}})
                for name in names:
                    values = {each: found[name]["value"] for each, found in parameters.items()}
                    yield method, path.format(**values), "", None


def test_every_example_is_answered_as_documented(served: Served, document: Any) -> None:
    seen = set()
    for method, path, kind, body in requests(document):
        if kind == "multipart/form-data":
            head, _, content = body["file"].partition(";base64,")
            file = (re.search("name=([^;]+)", head)[1], base64.b64decode(content))  # type: ignore[index]
            fields = {name: value for name, value in body.items() if name != "file"}
            answer = served.client.post(path, files={"file": file}, data=fields)
        elif kind:
            answer = served.client.request(method, path, json=body)
        else:
            answer = served.client.request(method, path)
        assert answer.status_code == 200, (path, answer.text)
        seen.add((method, path))
    tasks = {path.split("/")[2] for _, path in seen if path.startswith("/predict/")}
    assert tasks >= {
        "sentiment",
        "sentiment-trees",
        "entities",
        "translation",
        "pronunciation",
        "dna",
        "speech",
        "music",
        "video",
        "series",
    }
    assert {("post", "/v1/completions"), ("post", "/v1/audio/transcriptions"), ("post", "/sample/music")} <= seen


def test_every_route_is_described(served: Served, document: Any) -> None:
    routes = {"/v1/models", "/v1/models/{name}", "/health", "/ready", "/metrics", "/v1/completions"}
    assert routes | {"/predict/{model}", "/score/{model}", "/sample/{model}"} <= set(document["paths"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], path
            assert set(operation["responses"]) >= {"200", "default"}, path
            if method == "post":
                assert operation["requestBody"]["content"], path


def test_references_lead_somewhere(document: Any) -> None:
    def references(value: Any) -> Iterator[str]:
        for name, inner in (
            value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
        ):
            if name == "$ref":
                yield inner
            yield from references(inner)

    found = set(references(document))
    assert found
    assert {each.removeprefix("#/components/schemas/") for each in found} <= set(document["components"]["schemas"])


def test_the_page_asks_nothing_of_elsewhere(served: Served, document: Any) -> None:
    answer = served.client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"<script|https?://|@import|url\(", answer.text)
    for path in document["paths"]:
        assert path in answer.text
