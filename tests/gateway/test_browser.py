"""The page at /docs in a real browser, before a live server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway.browser import Browser, browsing, installed
from tests.support.gateway.live import Live

from points_grpc.gateway.docs_ui import NAMES

DOCUMENTS = Path(__file__).resolve().parents[2] / "docs" / "openapi"
PROGRAM = installed()
PICTURES = os.environ.get("POINTS_TEST_PICTURES")
"""A folder for screenshots, for those who want to see them."""

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser, shared by the tests of the module."""
    with browsing(str(PROGRAM)) as browser:
        yield browser


def opened(browser: Browser, live: Live, name: str, anchor: str = "") -> None:
    browser.requested.clear()
    browser.complaints.clear()
    browser.open("about:blank")
    browser.open(f"http://127.0.0.1:{live.http_port}/docs?api={name}{anchor}")
    browser.wait(f"location.search === '?api={name}' && !!document.querySelector('.opblock')")


def pictured(browser: Browser, name: str) -> None:
    if PICTURES:
        browser.screenshot(Path(PICTURES, f"{name}.png"))


def operations(name: str) -> set[str]:
    paths = json.loads((DOCUMENTS / f"{name}.json").read_text())["paths"]
    return {f"{verb.upper()} {path}" for path, verbs in paths.items() for verb in verbs}


SHOWN = """[...document.querySelectorAll('.opblock-summary')].map(row =>
  row.querySelector('.opblock-summary-method').textContent + ' ' +
  row.querySelector('.opblock-summary-path').textContent.replaceAll('\\u200b', ''))"""


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_is_shown(shared_live: Live, browser: Browser, name: str) -> None:
    """The page shows all operations of the chosen document, and asks nobody else for anything."""
    opened(browser, shared_live, name)
    assert set(browser.run(SHOWN)) == operations(name)
    assert browser.run("document.querySelector('nav [aria-current]').search") == f"?api={name}"
    pictured(browser, name)
    assert browser.requested
    assert browser.strangers() == []
    assert browser.complaints == []


def tried(browser: Browser, token_field: str, operation: str) -> Any:
    """What the service says to an operation that a person authorizes for and tries."""
    browser.click(".auth-wrapper .authorize")
    browser.type(f".modal-ux {token_field}", "demo")
    browser.click(".modal-ux .auth-btn-wrapper .authorize")
    browser.click(".modal-ux .btn-done")
    for press in (".opblock-summary-control", ".try-out__btn", ".execute"):
        browser.click(f"#operations-{operation} {press}")
    answer = f"#operations-{operation} .live-responses-table .response"
    told = browser.wait(f"document.querySelector('{answer} .response-col_status')?.textContent")
    assert told == "200"
    body = browser.wait(f"document.querySelector('{answer} .highlight-code code')?.textContent")
    browser.run(f"document.querySelector('{answer}').scrollIntoView()")
    return json.loads(body)


def test_a_call_can_be_tried(shared_live: Live, browser: Browser) -> None:
    """A person authorizes with the token, tries a call of /v1, and sees the service's answer."""
    opened(browser, shared_live, "v1")
    answer = tried(browser, "input", "PointsService-Earn")
    assert answer["account"]["available"] == {"value": "100"}
    pictured(browser, "tried")
    assert browser.strangers() == []
    assert browser.complaints == []


def test_a_vendors_call_can_be_tried(shared_live: Live, browser: Browser) -> None:
    """A vendor's call is tried with the credential in the vendor's own form."""
    opened(browser, shared_live, "tbns")
    answer = tried(browser, ".auth-container input[type=text]", "Points-createPoints")
    assert answer["status"] == "Open"
    pictured(browser, "tried-tbns")
    assert browser.strangers() == []
