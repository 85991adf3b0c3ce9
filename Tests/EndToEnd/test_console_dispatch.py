"""LLM Dispatch in a browser: requests queue, wait with a reason, run, stream, are tried again, finish, are cancelled."""

import threading
import time

import pytest
from console import filtered, go, row, shifts, shot
from playwright.sync_api import expect
from runtime import until

LATER = {"Prefer": "respond-async"}


def later(runtime, content="hello", headers=None, **fields):
    return runtime.chat(content, {**LATER, **(headers or {})}, **fields)[2]["id"]


def test_a_request_queues_with_a_reason_runs_and_finishes(runtime, mock, page):
    runtime.call("POST", "/api/pools/default/pause")
    go(page, runtime, "dispatch")
    expect(page.locator("#badge")).to_have_attribute("data-state", "live")
    id = later(runtime, 'mock:{"latency":1500}')
    expect(row(page, id)).to_contain_text("queued")
    expect(row(page, id)).to_contain_text("pool paused")
    shot(page, "queued")
    runtime.call("POST", "/api/pools/default/resume")
    expect(row(page, id)).to_contain_text("executing")
    shot(page, "running")
    expect(row(page, id)).to_have_count(0)
    page.get_by_role("tab", name="Recent Executions").click()
    expect(row(page, id)).to_contain_text("done")
    shot(page, "done")


def test_a_stream_is_seen_streaming(runtime, mock, page):
    go(page, runtime, "dispatch")
    text = 'mock:{"tokens":400,"tokens_per_second":100}'
    client = threading.Thread(target=lambda: runtime.chat(text, stream=True))
    client.start()
    expect(page.locator("[role=row]:not([aria-hidden])", has_text="streaming").first).to_be_visible()
    client.join()
    expect(page.locator("[role=row]:not([aria-hidden])", has_text="streaming")).to_have_count(0)


def test_a_retry_is_seen_on_the_request_s_page(runtime, mock, page):
    id = later(runtime, 'mock:{"status":503,"times":1,"latency":300}')
    go(page, runtime, f"requests/{id}")
    lines = page.locator(".life-line")
    expect(lines.filter(has_text="attempt 2")).to_be_visible()
    expect(lines.filter(has_text="done after")).to_be_visible()
    expect(page.locator(".attempts")).to_contain_text("503")
    shot(page, "retried")


def test_a_request_is_cancelled_from_its_page(runtime, mock, page):
    id = later(runtime, 'mock:{"hang":true}')
    until(lambda: mock.executions(id)["running"] == 1)
    go(page, runtime, f"requests/{id}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel it").click()
    until(lambda: mock.executions(id)["abandoned"] == 1, 5, "the backend's call to be closed")
    expect(page.locator(".request-head")).to_contain_text("cancelled")
    answer = until(lambda: (r := runtime.call("GET", f"/api/requests/{id}")[2])["state"] == "ended" and r)
    assert (answer["outcome"], answer["reason"]) == ("cancelled", "operator_request")


def test_all_that_match_are_cancelled_after_a_count(runtime, mock, page):
    runtime.call("POST", "/api/pools/default/pause")
    meant = [later(runtime, headers={"x-sluice-tenant": "batch"}) for _ in range(12)]
    other = later(runtime, headers={"x-sluice-tenant": "people"})
    go(page, runtime, "dispatch")
    expect(row(page, other)).to_be_visible()
    button = page.get_by_role("button", name="Cancel what matches …")
    # Without a filter it would be everything.
    expect(button).to_be_hidden()
    page.locator("[data-filter]").fill("tenant:batch")
    expect(row(page, other)).to_have_count(0)
    # What is typed has to be what is filtered by.
    page.locator("[data-filter]").fill("tenant:people age:>5x")
    expect(button).to_have_attribute("aria-disabled", "true")
    page.locator("[data-filter]").fill("tenant:batch")
    expect(button).not_to_have_attribute("aria-disabled", "true")
    button.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cancel 12 requests?")
    expect(dialog).to_contain_text("tenant:batch")
    # Who comes after the count is not meant.
    late = later(runtime, headers={"x-sluice-tenant": "batch"})
    dialog.get_by_role("textbox").fill("12")
    dialog.get_by_role("button", name="Cancel 12").click()
    expect(page.get_by_text("Cancelled or told to stop: 12 of 12.")).to_be_visible()
    expect(row(page, late)).to_be_visible()
    live = {each["id"] for each in runtime.call("GET", "/api/live")[2]["rows"]}
    assert live == {late, other}
    for id in meant:
        assert runtime.call("GET", f"/api/requests/{id}")[2]["reason"] == "operator_request"
    for id in live:
        runtime.call("POST", f"/api/requests/{id}/cancel")


def test_selected_requests_are_cancelled_with_the_keyboard_alone(runtime, mock, page):
    ids = [later(runtime, 'mock:{"hang":true}') for _ in range(3)]
    go(page, runtime, "dispatch")
    for id in ids:
        expect(row(page, id)).to_be_visible()
    expect(page.locator(".count")).to_have_text("3 live")
    for key in ["j", "x", "j", "x"]:
        page.keyboard.press(key)
    expect(page.locator("[role=row][aria-selected=true]")).to_have_count(2)
    page.keyboard.press("C")
    expect(page.get_by_role("dialog")).to_contain_text("Cancel 2 requests?")
    # The key that opened the question cannot answer it.
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert sum(mock.executions(id)["abandoned"] for id in ids) == 0
    page.keyboard.press("C")
    confirm = page.get_by_role("button", name="Cancel them")
    expect(confirm).to_be_enabled()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    outcomes = lambda: [runtime.call("GET", f"/api/requests/{id}")[2]["outcome"] for id in ids]
    until(lambda: outcomes().count("cancelled") == 2, 10, "two requests to be cancelled")
    expect(page.locator(".count")).to_have_text("1 live")
    for id in ids:
        runtime.call("POST", f"/api/requests/{id}/cancel")


def test_a_filter_narrows_on_the_server_and_its_address_can_be_shared(runtime, mock, page, browser):
    runtime.call("POST", "/api/pools/default/pause")
    mine = [later(runtime, headers={"x-sluice-tenant": "acme"}) for _ in range(2)]
    other = later(runtime, headers={"x-sluice-tenant": "globex"})
    go(page, runtime, "dispatch")
    expect(row(page, other)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("tenant:ac")
    page.get_by_role("option", name="acme").click()
    expect(row(page, other)).to_have_count(0)
    expect(page.locator(".count")).to_have_text("2 of 3 live")
    page.keyboard.type("state:queued reason:pool_paused")
    page.keyboard.press("Enter")
    page.wait_for_url("**tenant:acme*reason:pool_paused*")
    second = browser.new_page()
    second.goto(page.url)
    for id in mine:
        expect(row(second, id)).to_be_visible()
    expect(row(second, other)).to_have_count(0)
    expect(second.get_by_role("combobox", name="Filter live requests")).to_have_value(
        "tenant:acme state:queued reason:pool_paused")
    second.close()
    page.locator("[data-filter]").fill("colour:red")
    expect(page.locator(".filter-wrong")).to_contain_text("There is no field “colour”")


def test_recent_executions_are_filtered_by_outcome(runtime, mock, page):
    good = later(runtime)
    bad = later(runtime, 'mock:{"status":400}')
    until(lambda: runtime.call("GET", f"/api/requests/{bad}")[2]["state"] == "ended")
    go(page, runtime, f"dispatch?view=recent&f={filtered('outcome:failed')}")
    expect(row(page, bad)).to_contain_text("failed")
    expect(row(page, bad)).to_contain_text("request")
    expect(row(page, good)).to_have_count(0)


@pytest.mark.alone
def test_a_state_change_is_on_the_screen_within_a_second(runtime, mock, page):
    """From what the server says happened to what the page shows, by one clock of one machine."""
    go(page, runtime, "dispatch")
    expect(page.locator("#badge")).to_have_attribute("data-state", "live")
    page.evaluate("""() => {
      window.__seen = {};
      new MutationObserver(() => {
        for (const a of document.querySelectorAll('[role=row]:not([aria-hidden]) a[title]')) {
          window.__seen[a.title] ??= performance.timeOrigin + performance.now();
        }
      }).observe(document.querySelector('.entries'), { childList: true, subtree: true, attributes: true, characterData: true });
    }""")
    ids = []
    for _ in range(40):
        ids.append((later(runtime, 'mock:{"latency":1500}'), time.time() * 1000))
        time.sleep(0.03)
    until(lambda: page.evaluate("Object.keys(window.__seen).length") >= len(ids), 10, "every row to be seen")
    seen = page.evaluate("window.__seen")
    delays = sorted(seen[id] - at for id, at in ids)
    p95 = delays[int(len(delays) * 0.95) - 1]
    print(f"state change to screen: median {delays[len(delays) // 2]:.0f} ms, p95 {p95:.0f} ms")
    assert p95 <= 1000
    moved, what = shifts(page)
    assert moved < 0.01, what
