"""Ways through the console: to a request by its id, into the next and back, from a cell to a filter, from a bar to its minute."""

import re

from console import go, row, shot
from playwright.sync_api import expect
from runtime import until

LATER = {"Prefer": "respond-async"}


def held(runtime, count, **headers):
    runtime.call("POST", "/api/pools/default/pause")
    names = {f"x-sluice-{name}": value for name, value in headers.items()}
    return [runtime.chat("hello", {**LATER, **names})[2]["id"] for _ in range(count)]


def release(runtime, ids):
    for id in ids:
        runtime.call("POST", f"/api/requests/{id}/cancel")


def focused(page):
    return page.evaluate("document.activeElement.querySelector('a[title]')?.title")


def test_a_request_is_found_by_its_id(runtime, mock, page):
    ids = held(runtime, 1)
    go(page, runtime, "overview")
    expect(page.locator(".overview-pools")).to_be_visible()
    page.keyboard.press("i")
    page.keyboard.type(ids[0])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/#/requests/{ids[0]}")
    expect(page.locator(".request-head")).to_contain_text("queued")
    release(runtime, ids)


def test_whoever_comes_back_stands_where_they_stood(runtime, mock, page):
    ids = held(runtime, 60)
    go(page, runtime, "dispatch?f=state:queued")
    expect(page.locator(".count")).to_have_text("60 live")
    for _ in range(40):
        page.keyboard.press("j")
    stood = focused(page)
    top = page.locator(".scroller").evaluate("node => node.scrollTop")
    assert top > 0
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/#/requests/{stood}")
    expect(page.locator(".request-head")).to_contain_text("queued")
    page.keyboard.press("Escape")
    page.wait_for_url("**/#/dispatch*")
    page.wait_for_function("() => document.activeElement?.matches('.entry')")
    assert focused(page) == stood
    assert page.locator(".scroller").evaluate("node => node.scrollTop") == top
    # From request to request, as the rows stood.
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/#/requests/{stood}")
    expect(page.locator(".request-head")).to_be_visible()
    page.keyboard.press("j")
    page.wait_for_url(lambda url: "/requests/" in url and stood not in url)
    after = page.url.rsplit("/", 1)[1]
    expect(page.locator(".request-head")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.activeElement?.matches('.entry')")
    assert focused(page) == after
    page.keyboard.press("k")
    assert focused(page) == stood
    release(runtime, ids)


def test_a_cell_filters_its_id_is_copied_and_numbers_begin_with_the_largest(runtime, mock, page):
    ids = held(runtime, 2, tenant="acme") + held(runtime, 1, tenant="globex")
    go(page, runtime, "dispatch")
    row(page, ids[0]).get_by_role("gridcell", name="acme").click()
    page.wait_for_url("**f=tenant:acme*")
    expect(row(page, ids[2])).to_have_count(0)
    row(page, ids[0]).get_by_role("gridcell", name="acme").click()
    expect(row(page, ids[2])).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("y")
    expect(page.locator("#toasts")).to_contain_text(f"Copied: {focused(page)}")
    page.get_by_role("button", name="Tokens").click()
    page.wait_for_url("**sort=-tokens*")
    expect(page.get_by_role("columnheader", name="Tokens")).to_have_attribute("aria-sort", "descending")
    release(runtime, ids)


def test_a_part_of_the_past_is_marked_and_shown(runtime, mock, page):
    runtime.chat()
    go(page, runtime, "history")
    plot = page.locator(".drawn .plot").first
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 20, steps=5)
    expect(page.locator(".band").first).to_be_visible()
    shot(page, "history-marking")
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=\d+&to=\d+"))
    expect(page.get_by_label("Time").locator("option:checked")).to_contain_text("–")
    expect(page.locator("[role=row]:not([aria-hidden])", has_text="done").first).to_be_visible()
    # The charts show that part, and no more.
    expect(page.locator(".drawn .name").first).not_to_contain_text("1 min")
    expect(page.locator(".drawn .name").first).to_contain_text("each")
    page.get_by_label("Time").select_option("between")
    page.get_by_label("From").fill("2020-01-01T00:00:00")
    page.get_by_label("Until").fill("2020-01-01T01:00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".blank")).to_contain_text("No execution matches.")
    page.get_by_label("Time").select_option("-1h")
    page.wait_for_url(lambda url: "from=" not in url and "to=" not in url)


def test_how_the_runtime_stands_is_on_every_page_and_in_the_title(runtime, mock, page):
    ids = held(runtime, 2)
    found = lambda: [each for each in runtime.call("GET", "/api/overview")[2]["findings"] if each["severity"] != "info"]
    until(found, 20, "something to be wrong")
    go(page, runtime, "audit")
    expect(page.locator("#state")).to_contain_text("2 wait")
    expect(page).to_have_title(re.compile(r"^\(\d+\) Audit · Sluice$"))
    page.locator("#state").click()
    expect(page.locator("main")).to_have_attribute("data-page", "overview")
    release(runtime, ids)


def test_a_request_names_those_it_came_from_and_led_to(runtime, mock, page):
    mock.behave(status=400)
    id = runtime.chat("hello", LATER)[2]["id"]
    until(lambda: runtime.call("GET", f"/api/requests/{id}")[2]["outcome"] == "failed")
    mock.call("POST", "/mock/reset")
    again = runtime.call("POST", f"/api/requests/{id}/retry", {})[2]["id"]
    go(page, runtime, f"requests/{again}")
    page.locator(".request-side").get_by_role("link", name=id[-9:]).click()
    page.wait_for_url(f"**/#/requests/{id}")
    page.locator(".request-side").get_by_role("link", name=again[-9:]).click()
    page.wait_for_url(f"**/#/requests/{again}")
