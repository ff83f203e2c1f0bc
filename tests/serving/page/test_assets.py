"""The page's files: all that they name is there, nothing lies elsewhere, every control has a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from throughtime.serving.guard import OPEN
from throughtime.serving.page.assets import FILES, HEADERS, KINDS, router

NAMES = sorted(FILES)
TEXTS = {address: file.read_text(encoding="utf-8") for address, file in FILES.items()}
VOID = {"meta", "link", "input", "br", "img", "hr"}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    with TestClient(app) as opened:
        yield opened


@pytest.mark.parametrize("address", NAMES)
def test_a_file_is_served_as_it_is_under_the_policy(address: str, client: TestClient) -> None:
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.text == TEXTS[address]
    assert answer.headers["content-type"].partition(";")[0] == KINDS[FILES[address].suffix]
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy == {"default-src": "'self'"} | dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert set(HEADERS) <= {
        name.title() if name != "x-content-type-options" else "X-Content-Type-Options" for name in answer.headers
    }
    assert address in OPEN


@pytest.mark.parametrize(
    "address", ["/page/../pyproject.toml", "/page/%2e%2e/text.py", "/page/text.py", "/page/", "/page//etc/passwd"]
)
def test_nothing_else_is(address: str, client: TestClient) -> None:
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("address", NAMES)
def test_a_file_asks_nobody_else(address: str) -> None:
    text = TEXTS[address].replace(
        "http://www.w3.org/2000/svg", ""
    )  # the name of a space of names, which nobody fetches
    assert not re.search(r"https?://|wss?://|url\(|@import|//[a-z0-9-]+\.[a-z]{2,}", text)
    assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)


def test_every_file_that_is_named_is_there_and_every_one_there_is_named() -> None:
    named = {found for text in TEXTS.values() for found in re.findall(r'"(/page/[a-z]+\.[a-z]+)"', text)}
    assert named == FILES.keys() - {"/"}


@pytest.mark.parametrize("address", [address for address in NAMES if address.endswith(".js")])
def test_a_module_takes_what_another_gives(address: str) -> None:
    given = {
        name: set(re.findall(r"^export (?:async )?(?:const|function\*?|class) (\w+)", text, re.M))
        for name, text in TEXTS.items()
    }
    for names, whence in re.findall(r'^import \{ (.+) \} from "(.+)";', TEXTS[address], re.M):
        assert {name.strip() for name in names.split(",")} <= given[whence], whence
    for alias, whence in re.findall(r'^import \* as (\w+) from "(.+)";', TEXTS[address], re.M):
        assert set(re.findall(rf"\b{alias}\.(\w+)\(", TEXTS[address])) <= given[whence]
        assert given[whence]


class Page(HTMLParser):
    """Elements in order, and that each that opens is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"{tag} names an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_its_controls_have_labels() -> None:
    page = Page(TEXTS["/"])
    assert page.open == []
    ids = [given["id"] for _, given in page.elements if "id" in given]
    assert len(set(ids)) == len(ids)
    labels = {given.get("for") for tag, given in page.elements if tag == "label"}
    controls = {given["id"] for tag, given in page.elements if tag in ("input", "select", "textarea")}
    assert controls == labels == {"model", "key"}
    assert dict(page.elements)["html"] == {"lang": "en"}
    assert not any(name.startswith("on") or name == "style" for _, given in page.elements for name in given)
    assert [given.get("src") for tag, given in page.elements if tag == "script"] == ["/page/main.js"]
    for _, given in page.elements:
        if (target := given.get("href") or "").startswith("#"):
            assert target[1:] in ids
    lives = {given["id"]: given for _, given in page.elements if given.get("role") in ("status", "alert")}
    assert lives["said"]["aria-live"] == "polite"
    assert "error" in lives


def test_every_control_that_a_view_makes_has_a_label() -> None:
    for address, text in TEXTS.items():
        for name, tag, given in re.findall(r'(\w+) = make\("(input|select|textarea)", (\{.*?\})', text):
            labelled = re.search(rf"labelled\([^\n]*?, {name}\b", text)
            own = re.search(r'id: "(\w+)"', given)
            assert labelled or (own and f'for: "{own[1]}"' in text) or f"for: {name}.id" in text, (
                f"{address}: {tag} {name}"
            )


def light(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_colours_are_told_apart_without_colour(dark: bool) -> None:
    themes = TEXTS["/page/style.css"].partition("box-sizing")[0].split("prefers-color-scheme: dark")
    light_ones, dark_ones = (dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", theme)) for theme in themes)
    assert light_ones.keys() == dark_ones.keys()
    colours = dark_ones if dark else light_ones
    for ground in ("--paper", "--sheet"):
        assert contrast(colours["--ink"], colours[ground]) >= 7
        assert contrast(colours["--soft"], colours[ground]) >= 4.5
        assert contrast(colours["--accent"], colours[ground]) >= 4.5
        assert contrast(colours["--bad"], colours[ground]) >= 4.5
    assert contrast(colours["--ink"], colours["--hot"]) >= 4.5  # letters on the most surprising ground
    assert contrast(colours["--sheet"], colours["--hot"]) >= 1.5
    assert contrast(colours["--on-accent"], colours["--accent"]) >= 4.5
    steps = [light(colours[name]) for name in ("--least", "--middle", "--most")]
    assert steps == sorted(steps, reverse=not dark)
    assert min(abs(one - other) for one, other in pairwise(steps)) > 0.1
