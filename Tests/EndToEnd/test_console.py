"""The console in a real browser: its frame, which every page stands in."""

import pytest
from playwright.sync_api import expect

PAGES = ["overview", "dispatch", "history", "pools", "fleet", "dead", "audit"]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_from_its_key(runtime, page, name):
    page.goto(runtime.url + "/")
    keys = {"overview": "o", "dispatch": "d", "history": "h", "pools": "p", "fleet": "f", "dead": "x", "audit": "a"}
    expect(page.get_by_role("link", name="LLM Dispatch")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press(keys[name])
    page.wait_for_url(f"**/#/{name}")
    expect(page.locator(f"#nav a[data-page={name}]")).to_have_attribute("aria-current", "page")
    expect(page.locator("main")).to_have_attribute("data-page", name)
