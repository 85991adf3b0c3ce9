"""The console does what it says: to whom a key applies, what a dry run has named, what an answer means that comes late."""

import json
import re
import time

from console import Line, answering, filtered, forgive, go, row
from playwright.sync_api import expect
from runtime import until

LATER = {"Prefer": "respond-async"}


def later(runtime, content="hello", headers=None, **fields):
    return runtime.chat(content, {**LATER, **(headers or {})}, **fields)[2]["id"]


def refused(runtime, mock, count, **fields):
    """Requests that have failed."""
    mock.behave(status=400)
    ids = [later(runtime, **fields) for _ in range(count)]
    until(lambda: all(runtime.call("GET", f"/api/requests/{id}")[2]["state"] == "ended" for id in ids))
    mock.call("POST", "/mock/reset")
    return ids


def focused(page):
    return page.evaluate("document.activeElement.querySelector('a[title]')?.title")


def confirm(page, name):
    button = page.get_by_role("dialog").get_by_role("button", name=name)
    expect(button).to_be_enabled()
    button.click()


# MARK: Whom a key means

def test_the_key_means_the_row_under_the_cursor_and_nothing_of_before(runtime, mock, page):
    runtime.call("POST", "/api/pools/default/pause")
    ids = [later(runtime) for _ in range(3)]
    go(page, runtime, "dispatch")
    expect(row(page, ids[2])).to_be_visible()
    page.keyboard.press("j")
    one = focused(page)
    page.keyboard.press("C")
    first = page.get_by_role("dialog").inner_text()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("j")
    second = focused(page)
    page.keyboard.press("C")
    expect(page.get_by_role("dialog")).to_contain_text("Cancel this request?")
    expect(page.get_by_role("dialog")).to_contain_text(second)
    assert one in first and one != second and second not in first
    confirm(page, "Cancel them")
    until(lambda: runtime.call("GET", f"/api/requests/{second}")[2]["outcome"] == "cancelled")
    assert [runtime.call("GET", f"/api/requests/{id}")[2]["outcome"] for id in ids].count(None) == 2
    for id in ids:
        runtime.call("POST", f"/api/requests/{id}/cancel")


def test_what_a_filter_hides_is_not_selected_any_more_and_what_had_ended_is_said(runtime, mock, page):
    runtime.call("POST", "/api/pools/default/pause")
    mine = later(runtime, headers={"x-sluice-tenant": "acme"})
    other = later(runtime, headers={"x-sluice-tenant": "globex"})
    go(page, runtime, "dispatch")
    expect(row(page, mine)).to_be_visible()
    for key in ["j", "x", "j", "x"]:
        page.keyboard.press(key)
    expect(page.locator(".bulk")).to_contain_text("2 selected")
    page.locator("[data-filter]").fill("tenant:acme")
    page.keyboard.press("Enter")
    expect(row(page, other)).to_have_count(0)
    expect(page.locator(".bulk")).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("C")
    runtime.call("POST", f"/api/requests/{mine}/cancel")
    confirm(page, "Cancel them")
    expect(page.locator("#toasts")).to_contain_text("1 had ended already")
    assert runtime.call("GET", f"/api/requests/{other}")[2]["outcome"] is None
    runtime.call("POST", f"/api/requests/{other}/cancel")


def test_keys_of_a_view_go_with_it(runtime, mock, page):
    go(page, runtime, "dispatch")
    expect(page.locator("#badge")).to_have_attribute("data-state", "live")
    page.get_by_role("tab", name="Recent Executions").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Next row")
    expect(page.get_by_role("dialog")).not_to_contain_text("Cancel the row")


# MARK: The dead

def test_the_dead_are_shown_with_their_figures(runtime, mock, page):
    id = refused(runtime, mock, 1)[0]
    go(page, runtime, f"dead?f={filtered('outcome:dead,failed')}")
    # A comma means or, here as everywhere.
    line = row(page, id)
    expect(line).to_contain_text("possible")
    expect(line).to_contain_text(re.compile(r"\d m?s"))
    expect(page.get_by_role("grid")).not_to_contain_text("NaN")
    expect(page.get_by_role("columnheader", name="Trace")).to_have_count(0)


def test_a_redrive_takes_those_that_were_counted_and_no_others(runtime, mock, page):
    counted = refused(runtime, mock, 2, model="counted")
    go(page, runtime, "dead?f=model:counted")
    expect(row(page, counted[1])).to_be_visible()
    page.get_by_role("button", name="Redrive …").click()
    expect(page.get_by_role("dialog")).to_contain_text("Redrive 2 requests?")
    late = refused(runtime, mock, 1, model="counted")[0]
    with page.expect_request(lambda request: request.url.endswith("/api/dead/redrive")) as asked:
        confirm(page, "Redrive 2")
    assert sorted(json.loads(asked.value.post_data)["ids"]) == sorted(counted)
    expect(page.locator("#toasts")).to_contain_text("Redriven: 2 of 2.")
    rest = runtime.call("GET", "/api/dead?model=counted")[2]["rows"]
    assert [each["id"] for each in rest] == [late]


# MARK: What an answer means

def test_an_ended_request_of_which_only_its_answer_is_known_is_not_live(runtime, mock, page):
    id = "req_01M80CNJEDDTCZCEQQDNDC46FT"
    answering(page, f"**/api/requests/{id}", {"id": id, "state": "ended", "result": {"status": 200, "withheld": True}})
    go(page, runtime, f"requests/{id}")
    expect(page.locator(".sentence")).to_contain_text("It has ended")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()
    expect(page.locator("#badge")).to_have_text("Final")
    forgive(page, "404")


def test_a_sample_is_not_passed_off_as_everything(runtime, mock, page):
    rows = {"at": 1, "total": 900, "matched": 900, "offset": 0, "order": [], "upsert": [], "full": True, "sampled": True}
    answering(page, "**/api/live/stream**", f"event: rows\ndata: {json.dumps(rows)}\n\n", kind="text/event-stream")
    go(page, runtime, "dispatch")
    expect(page.locator("#problem")).to_contain_text("from their heads")
    page.goto("about:blank")


def test_rows_that_the_server_does_not_have_are_not_asked_for_again_and_again(runtime, mock, page):
    rows = {"at": 1, "total": 900, "matched": 900, "offset": 0, "order": [], "upsert": [], "rows": [], "full": True, "sampled": True}
    answering(page, "**/api/live/stream**", f"event: rows\ndata: {json.dumps(rows)}\n\n", kind="text/event-stream")
    answering(page, "**/api/live?*", rows)
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/api/live?" in request.url else None)
    with page.expect_request("**/api/live/stream**"):
        go(page, runtime, "dispatch")
    expect(page.locator(".count")).to_have_text("900 live")
    # Each says it again.
    for _ in range(2):
        with page.expect_request("**/api/live/stream**"):
            pass
    assert asked == []
    page.goto("about:blank")


def test_a_press_on_a_reason_that_no_filter_knows_opens_the_request(runtime, mock, page):
    id = "req_01M80CNJEDDTCZCEQQDNDC46FT"
    held = {"id": id, "state": "queued", "pool": "chat", "tenant": "acme", "model": "m", "age_ms": 900,
            "waiting": {"reason": "no_dispatcher"}}
    rows = {"at": 1, "total": 1, "matched": 1, "offset": 0, "order": [id], "upsert": [held], "full": True}
    answering(page, "**/api/live/stream**", f"event: rows\ndata: {json.dumps(rows)}\n\n", kind="text/event-stream")
    go(page, runtime, "dispatch")
    row(page, id).get_by_role("gridcell").filter(has_text="no dispatcher").click()
    page.wait_for_url(f"**/#/requests/{id}")
    page.goto("about:blank")
    forgive(page, "404")


def test_what_another_process_holds_is_shown_and_not_steered(runtime, mock, page):
    id = "req_01M80CNJEDDTCZCEQQDNDC46FT"
    mine = runtime.call("GET", "/api/me")[2]
    held = {"id": id, "state": "queued", "pool": "chat", "tenant": "acme", "model": "m", "age_ms": 900, "waiting": None,
            "place": {"process": "producer-7", "stage": "pending"}}
    answering(page, "**/api/me", {**mine, "fabric": True})
    answering(page, f"**/api/requests/{id}", {"error": {"message": "Not known.", "code": "request_not_found"}}, 404)
    answering(page, "**/api/live?q=*", {"at": 1, "total": 1, "matched": 1, "offset": 0, "rows": [held]})
    go(page, runtime, f"requests/{id}")
    expect(page.locator(".sentence")).to_contain_text("Held by producer-7; looked at from here, not steered.")
    cancel = page.get_by_role("button", name="Cancel", exact=True)
    expect(cancel).to_have_attribute("aria-disabled", "true")
    # What is off says why when it is pressed.
    page.keyboard.press("C")
    expect(page.locator("#toasts")).to_contain_text("Another process holds it")
    # Who cannot look does not say that it has gone.
    answering(page, "**/api/live?q=*", {"at": 1, "total": 0, "matched": 0, "offset": 0, "rows": [], "fabric_error": "No route."})
    expect(page.locator("#problem")).to_contain_text("The fabric cannot be asked: No route.")
    expect(page.locator(".sentence")).to_contain_text("Held by producer-7")
    expect(cancel).to_be_visible()
    answering(page, "**/api/live?q=*", {"at": 1, "total": 0, "matched": 0, "offset": 0, "rows": []})
    expect(page.locator(".sentence")).to_contain_text("It has left the fabric’s lists")
    page.goto("about:blank")
    forgive(page, "404")


def test_when_something_ended_is_readable_for_other_days_and_on_phones(runtime, mock, page):
    yesterday = time.time() - 86_400
    day = time.strftime("%m-%d", time.localtime(yesterday))
    one = {"id": "req_01M80CNJEDDTCZCEQQDNDC46FT", "outcome": "done", "reason": "ok", "ended_at": yesterday, "total_ms": 5, "attempts": 1}
    answering(page, "**/api/executions?*", {"rows": [one], "next_cursor": None, "store": "memory"})
    go(page, runtime, "dispatch?view=recent")
    expect(row(page, one["id"])).to_contain_text(re.compile(day + r" \d\d:\d\d:\d\d"))
    ended = page.locator(f'[role=gridcell][title^="{time.strftime("%Y", time.localtime(yesterday))}-{day}"]')
    assert ended.evaluate("node => node.scrollWidth <= node.clientWidth")
    page.set_viewport_size({"width": 360, "height": 740})
    expect(page.locator(".in-card").first).to_be_visible()
    expect(page.locator(".in-card").first).to_contain_text(day)
    page.goto("about:blank")


# MARK: Lines that go dead

def test_a_connection_that_is_silent_is_opened_anew(runtime, mock, page):
    line = Line(runtime.port)
    page.goto(f"{line.url}/#/dispatch")
    badge = page.locator("#badge")
    expect(badge).to_have_attribute("data-state", "live")
    line.hush()
    id = later(runtime, 'mock:{"hang":true}')
    expect(row(page, id)).to_be_visible(timeout=75_000)
    expect(badge).to_have_attribute("data-state", "live", timeout=10_000)
    runtime.call("POST", f"/api/requests/{id}/cancel")
    page.goto("about:blank")
    line.close()
    forgive(page, "ERR_")


def test_a_tab_opened_in_the_background_has_no_stream_until_it_is_seen(runtime, mock, page):
    page.add_init_script("Object.defineProperty(document, 'hidden', { configurable: true, get: () => !window.__seen });")
    streams = []
    page.on("request", lambda request: streams.append(request) if "/api/live/stream" in request.url else None)
    # Asked for by a page that is whole: it would have had its stream.
    with page.expect_response("**/api/llm-dispatch/runtime**"):
        go(page, runtime, "dispatch")
    expect(page.get_by_role("tab", name="Live Requests")).to_be_visible()
    assert streams == []
    id = later(runtime, 'mock:{"hang":true}')
    page.evaluate("() => { window.__seen = true; document.dispatchEvent(new Event('visibilitychange')); }")
    expect(row(page, id)).to_be_visible()
    assert len(streams) == 1
    runtime.call("POST", f"/api/requests/{id}/cancel")


def test_a_page_that_nobody_sees_gives_its_stream_back(runtime, mock, page):
    streams = []
    page.on("request", lambda request: streams.append(request) if "/api/live/stream" in request.url else None)
    ended = []
    page.on("requestfailed", lambda request: ended.append(request) if "/api/live/stream" in request.url else None)
    go(page, runtime, "dispatch")
    expect(page.locator("#badge")).to_have_attribute("data-state", "live")
    turn = """(value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange'));
    }"""
    with page.expect_event("requestfailed", lambda request: "/api/live/stream" in request.url):
        page.evaluate(turn, True)
    # What it asks for every few seconds it goes on asking for; a stream it does not open again.
    with page.expect_response("**/api/llm-dispatch/runtime**"):
        pass
    assert len(streams) == 1 and len(ended) == 1
    id = later(runtime, 'mock:{"hang":true}')
    page.evaluate(turn, False)
    expect(row(page, id)).to_be_visible()
    assert len(streams) == 2
    runtime.call("POST", f"/api/requests/{id}/cancel")
