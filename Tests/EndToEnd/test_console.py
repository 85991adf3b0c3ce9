"""The console in a real browser."""

import concurrent.futures
import pathlib
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from runtime import ROOT, until

ARTIFACTS = ROOT / "artifacts"


@pytest.fixture(scope="module")
def page():
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        errors = []
        page.on("pageerror", lambda e: errors.append(str(e)))
        yield page
        assert errors == []
        browser.close()


def test_a_request_queues_runs_and_finishes(runtime, mock, page):
    ARTIFACTS.mkdir(exist_ok=True)
    runtime.call("POST", "/api/pools/default/pause")
    page.goto(runtime.url + "/")
    expect(page.get_by_text("default").first).to_be_visible()
    id = runtime.chat('mock:{"latency":1500}', headers={"Prefer": "respond-async"})[2]["id"]
    row = page.locator("tr", has=page.locator(f'button[title="{id}"]')).first
    expect(row).to_contain_text("queued", timeout=5000)
    page.screenshot(path=ARTIFACTS / "console-queued.png")
    runtime.call("POST", "/api/pools/default/resume")
    expect(row).to_contain_text("executing", timeout=5000)
    page.screenshot(path=ARTIFACTS / "console-running.png")
    expect(row).to_contain_text("done", timeout=8000)
    page.screenshot(path=ARTIFACTS / "console-done.png")


def test_a_request_is_cancelled_from_the_page(runtime, mock, page):
    page.goto(runtime.url + "/")
    id = runtime.chat('mock:{"hang":true}', headers={"Prefer": "respond-async"})[2]["id"]
    until(lambda: mock.executions(id)["running"] == 1)
    page.get_by_role("button", name=f"Cancel {id}").click()
    until(lambda: mock.executions(id)["abandoned"] == 1, 5, "the backend's call to be closed")
    row = until(lambda: (r := runtime.call("GET", f"/api/requests/{id}")[2])["state"] == "ended" and r)
    assert (row["outcome"], row["reason"]) == ("cancelled", "operator_request")
