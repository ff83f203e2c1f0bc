"""What can be asked, for programs (OpenAPI) and for people: a page that fetches nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.responses import HTMLResponse

from throughtime.serving.house import House
from throughtime.serving.http.answers import Answer
from throughtime.serving.http.bodies import FORM, JSON
from throughtime.serving.http.examples import Examples, examples
from throughtime.serving.http.openai.completions import Completion
from throughtime.serving.http.openai.transcriptions import Transcription
from throughtime.serving.http.parts import Models
from throughtime.serving.http.uses import Asked, Drawn
from throughtime.serving.refusal import RefusedError

router = APIRouter(include_in_schema=False)

REFERENCE = "#/components/schemas/{model}"

FILES = {"type": "string", "contentMediaType": "application/octet-stream"}
FORM_OF_FILES = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "array", "items": FILES, "description": "One, or several."},
        "options": {"type": "string", "contentMediaType": JSON, "description": "Of the task, as JSON."},
    },
}

SCHEMAS: Mapping[str, type[BaseModel]] = {
    "/predict/{model}": Asked,
    "/score/{model}": Asked,
    "/sample/{model}": Drawn,
    "/v1/completions": Completion,
}
"""What routes take as JSON."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin: 2.5rem 0 0; font-size: 1.1rem; overflow-wrap: anywhere }
h3 { margin: 1rem 0 0; font-size: 1rem }
pre { background: #8882; padding: .7rem; overflow-x: auto; border-radius: .3rem }
dt { font-family: ui-monospace, monospace }
:root { color-scheme: light dark }
"""


@router.get("/openapi.json")
async def document(request: Request, house: Models) -> Answer:
    """All routes, with bodies that work as they stand."""
    return Answer(described(request.app, house))


@router.get("/docs", response_class=HTMLResponse)
async def page(request: Request, house: Models) -> HTMLResponse:
    """The same, to be read."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return HTMLResponse("".join(_page(described(request.app, house))), headers={"Content-Security-Policy": policy})


def described(app: FastAPI, house: House) -> dict[str, Any]:
    """The OpenAPI document of an application."""
    found = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    schemas: dict[str, Any] = {}
    refusal = {"description": "A refusal in a line.", "content": {JSON: {"example": RefusedError(400, "…").body}}}
    for path, operations in found["paths"].items():
        bodies, forms = examples(path, house.models.values())
        for method, operation in operations.items():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = refusal
            names = list(bodies | forms) if method == "post" else list(house.models)
            for parameter in operation.get("parameters", ()):
                parameter["examples"] = {name: {"value": name} for name in names}
            if method == "post":
                operation["requestBody"] = {"required": True, "content": _content(path, bodies, forms, schemas)}
    found["components"] = {"schemas": schemas}
    return found


def _content(path: str, bodies: Examples, forms: Examples, schemas: dict[str, Any]) -> dict[str, Any]:
    """The kinds of body that a route takes; their schemas are added to the others."""
    content: dict[str, Any] = {}
    if path in SCHEMAS:
        content[JSON] = {"schema": _schema(SCHEMAS[path], schemas), "examples": _values(bodies)}
    if path.startswith("/predict/"):
        content[FORM] = {"schema": FORM_OF_FILES, "examples": _values(forms)}
    elif path == "/v1/audio/transcriptions":
        schema = _schema(Transcription, schemas)
        whole = {**schemas.pop("Transcription"), "required": ["file", "model"]}
        granularities = {"type": "array", "items": {"type": "string", "enum": ["word", "segment"]}}
        whole["properties"] = {"file": FILES, **whole["properties"], "timestamp_granularities[]": granularities}
        schemas["Transcription"] = whole
        content[FORM] = {"schema": schema, "examples": _values(forms)}
    return content


def _schema(kind: type[BaseModel], schemas: dict[str, Any]) -> dict[str, str]:
    """A reference to a schema, which is added to the others."""
    schema = kind.model_json_schema(ref_template=REFERENCE)
    schemas |= schema.pop("$defs", {})
    schemas[kind.__name__] = schema
    return {"$ref": REFERENCE.format(model=kind.__name__)}


def _values(found: Examples) -> dict[str, Any]:
    return {name: {"value": value} for name, value in found.items()}


def _page(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(found['info']['title'])}: requests</title>"
    yield f"<meta name=viewport content='width=device-width'><style>{STYLE}</style><main><h1>Requests</h1>"
    yield "<p>For programs: <a href=/openapi.json>/openapi.json</a>. In examples, what stands in a "
    yield "<code>data:</code> address is the content of a file.</p>"
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation.get('description', ''))}</p>"
            for kind, body in operation.get("requestBody", {}).get("content", {}).items():
                yield from _body(kind, body, found["components"]["schemas"])
    yield "</main></html>"


def _body(kind: str, body: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    schema = body["schema"]
    schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    yield f"<h3>{escape(kind)}</h3><dl>"
    for name, field in schema["properties"].items():
        default = f" Default: {json.dumps(field['default'])}." if field.get("default") not in (None, {}, []) else ""
        yield f"<dt>{escape(name)}<dd>{escape(field.get('description', ''))}{escape(default)}"
    yield "</dl>"
    for name, example in body["examples"].items():
        written = json.dumps(example["value"], indent=1, ensure_ascii=False)
        yield f"<p>{escape(name)}</p><pre tabindex=0>{escape(written)}</pre>"
