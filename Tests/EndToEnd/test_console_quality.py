"""What holds for every page: themes, widths, contrast and labels, nothing that moves by itself, text that stays text,
an honest badge, 100,000 rows, and a first load that is small and fast."""

import http.client
import json
import statistics
import threading
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from console import Line, go, row, shifts, shot, watched
from playwright.sync_api import expect
from runtime import until

LATER = {"Prefer": "respond-async"}
PAGES = ["overview", "dispatch", "dispatch?view=recent", "history", "pools", "pools/default", "fleet", "dead", "audit"]


def filled(runtime, mock):
    """Something of everything: done, failed, tried again, running, waiting."""
    for _ in range(5):
        runtime.chat()
    runtime.mocked(status=400)
    runtime.mocked(status=503, times=1)
    running = [runtime.chat('mock:{"hang":true}', {**LATER, "x-sluice-tenant": "acme"})[2]["id"] for _ in range(3)]
    runtime.call("POST", "/api/pools/default/pause")
    waiting = [runtime.chat("hello", {**LATER, "x-sluice-tenant": f"tenant-{i}"})[2]["id"] for i in range(6)]
    return running + waiting


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width, height", [(360, 740), (1280, 860), (3840, 2160)])
def test_pages_are_clean_in_every_theme_and_width(runtime, mock, browser, theme, width, height):
    ids = filled(runtime, mock)
    failed = runtime.requests("?state=failed&limit=1")[0]["id"]
    page = watched(browser, width, height, theme)
    wrong = {}
    for name in PAGES + [f"requests/{ids[-1]}", f"requests/{failed}"]:
        go(page, runtime, name)
        page.wait_for_timeout(1300)
        label = name.split("?")[0].split("/")[0] + ("-recent" if "view=" in name else "-one" if "/" in name else "")
        shot(page, f"{label}-{width}-{theme}")
        moved, what = shifts(page)
        found = Axe().run(page).response["violations"]
        sideways = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if moved >= 0.005 or found or sideways > 0:
            wrong[name] = (moved, what, [(each["id"], each["nodes"][0]["html"][:160]) for each in found], sideways)
    faults = page.faults
    page.context.close()
    for id in ids:
        runtime.call("POST", f"/api/requests/{id}/cancel")
    assert not wrong, json.dumps(wrong, indent=1)
    assert faults == []


def test_the_theme_can_be_chosen_and_stays(runtime, page):
    go(page, runtime, "overview")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.keyboard.press("t")
    page.keyboard.press("t")
    assert page.evaluate(ground) != before
    dark = page.evaluate(ground)
    page.reload()
    assert page.evaluate(ground) == dark


def test_keys_are_listed_and_lead_everywhere(runtime, page):
    go(page, runtime, "overview")
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog")
    for word in ["Filter", "History", "Undo", "Pause"]:
        expect(sheet).to_contain_text(word)
    shot(page, "keys")
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/#/dispatch")
    page.keyboard.press("/")
    expect(page.locator("[data-filter]")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("p")
    # Typed, not obeyed.
    expect(page.locator("[data-filter]")).to_have_value("gp")


def test_a_filter_asked_for_before_its_page_is_there_gets_the_focus(runtime, page):
    go(page, runtime, "overview")
    expect(page.locator(".overview-pools a").first).to_be_visible()
    # The address has changed and nobody has heard of it yet.
    page.evaluate("""() => {
      location.hash = "#/dispatch";
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true }));
    }""")
    expect(page.locator("[data-filter]")).to_be_focused()


def test_a_request_is_found_opened_and_left_by_keyboard(runtime, mock, page):
    runtime.call("POST", "/api/pools/default/pause")
    ids = [runtime.chat("hello", LATER)[2]["id"] for _ in range(3)]
    go(page, runtime, "dispatch")
    expect(row(page, ids[2])).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = page.evaluate("document.activeElement.querySelector('a').title")
    # Updates do not take the focus away.
    runtime.chat("hello", LATER)
    page.wait_for_timeout(700)
    assert page.evaluate("document.activeElement.querySelector('a')?.title") == focused
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/#/requests/{focused}")
    expect(page.locator(".request-head")).to_contain_text("queued")
    page.keyboard.press("Escape")
    page.wait_for_url("**/#/dispatch*")


def test_html_in_models_and_errors_stays_text(runtime, mock, page):
    evil = '"><img src=x onerror=document.title="owned"><script>alert(1)</script>'
    runtime.chat('mock:' + json.dumps({"status": 400, "error_message": evil}), model=evil)
    runtime.call("POST", "/api/pools/default/pause")
    waiting = runtime.chat("hello", LATER, model=evil)[2]["id"]
    for name in ["overview", "dispatch", "dispatch?view=recent", "history?by=model", f"requests/{waiting}",
                 f"requests/{runtime.requests('?state=failed&limit=1')[0]['id']}", "requests/%3Cimg%20src=x%3E",
                 "pools/%3Cb%3Ex", f"dispatch?f=%22{evil[:20]}%22"]:
        go(page, runtime, name)
        page.wait_for_timeout(500)
        assert page.locator("main img, main script, main b:text-is('x')").count() == 0, name
        assert "owned" not in page.title()
    go(page, runtime, "dispatch")
    expect(row(page, waiting)).to_contain_text("<img src=x")
    page.faults[:] = [fault for fault in page.faults if "404" not in fault]


# MARK: Honesty

def test_a_broken_stream_is_said_and_goes_on(runtime, mock, page):
    line = Line(runtime.port)
    page.goto(f"{line.url}/#/dispatch")
    badge = page.locator("#badge")
    expect(badge).to_have_attribute("data-state", "live")
    line.cut()
    expect(badge).to_have_attribute("data-state", "reconnecting")
    expect(badge).to_contain_text("Reconnecting")
    shot(page, "reconnecting")
    id = runtime.chat('mock:{"hang":true}', LATER)[2]["id"]
    expect(row(page, id)).to_have_count(0)
    line.mend()
    expect(badge).to_have_attribute("data-state", "live", timeout=15_000)
    expect(row(page, id)).to_be_visible()
    runtime.call("POST", f"/api/requests/{id}/cancel")
    expect(row(page, id)).to_have_count(0)
    line.close()
    page.goto("about:blank")
    page.faults[:] = [fault for fault in page.faults if "ERR_" not in fault]


def test_silence_is_called_stale(runtime, mock, page):
    line = Line(runtime.port)
    page.goto(f"{line.url}/#/dispatch")
    badge = page.locator("#badge")
    expect(badge).to_have_attribute("data-state", "live")
    line.speaks.clear()
    expect(badge).to_have_attribute("data-state", "stale", timeout=30_000)
    expect(badge).to_contain_text("Stale for")
    line.speaks.set()
    expect(badge).to_have_attribute("data-state", "live")
    line.close()
    page.goto("about:blank")
    page.faults[:] = [fault for fault in page.faults if "ERR_" not in fault]


def test_pausing_really_pauses(runtime, mock, page):
    go(page, runtime, "dispatch")
    expect(page.locator("#badge")).to_have_attribute("data-state", "live")
    page.keyboard.press("p")
    expect(page.locator("#badge")).to_have_attribute("data-state", "paused")
    id = runtime.chat('mock:{"hang":true}', LATER)[2]["id"]
    page.wait_for_timeout(1200)
    expect(row(page, id)).to_have_count(0)
    page.keyboard.press("p")
    expect(row(page, id)).to_be_visible()
    runtime.call("POST", f"/api/requests/{id}/cancel")


# MARK: Size and speed

def flood(runtime, count, lanes=8):
    """Puts that many requests into a paused pool, over connections that stay open."""
    body = json.dumps({"model": "mock", "messages": [{"role": "user", "content": "hello"}]})
    headers = {"Content-Type": "application/json", "x-sluice-timeout-ms": "3600000", **LATER}

    def send(n):
        line = http.client.HTTPConnection("127.0.0.1", runtime.port)
        for _ in range(n):
            line.request("POST", "/v1/chat/completions", body, headers)
            answer = line.getresponse()
            answer.read()
            assert answer.status == 202, answer.status
    threads = [threading.Thread(target=send, args=(count // lanes,)) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_hundred_thousand_rows(start, mock, page):
    runtime = start(mock, "pools.default.max_requests=200000", "pools.default.max_bytes=1073741824")
    runtime.call("POST", "/api/pools/default/pause")
    flood(runtime, 100_000)
    go(page, runtime, "dispatch")
    expect(page.locator(".count")).to_have_text("100,000 live", timeout=20_000)
    grid = page.get_by_role("grid", name="Live requests")
    expect(grid).to_have_attribute("aria-rowcount", "100001")
    assert page.locator("[role=row]").count() < 150
    began = time.monotonic()
    page.locator(".scroller").evaluate("node => { node.scrollTop = node.scrollHeight / 2; }")
    page.wait_for_function("""() => [...document.querySelectorAll('[role=row]:not([aria-hidden])')]
        .some((r) => Math.abs(Number(r.getAttribute('aria-rowindex')) - 50000) < 60)""")
    print(f"jump to row 50,000 of 100,000: {(time.monotonic() - began) * 1000:.0f} ms")
    page.locator(".scroller").evaluate("node => { node.scrollTop = node.scrollHeight; }")
    expect(page.locator('[aria-rowindex="100001"]:not([aria-hidden])')).to_be_visible()
    shot(page, "hundred-thousand")
    # Scrolling stays smooth: no frame of a hundred small steps takes long.
    frames = page.evaluate("""async () => {
      const node = document.querySelector('.scroller'); const times = [];
      node.scrollTop = 0;
      for (let i = 0; i < 100; i += 1) {
        const began = performance.now();
        node.scrollTop += 120;
        await new Promise(requestAnimationFrame);
        times.push(performance.now() - began);
      }
      return times;
    }""")
    print(f"frame while scrolling: median {statistics.median(frames):.0f} ms, worst {max(frames):.0f} ms")
    runtime.kill()
    page.goto("about:blank")
    page.faults.clear()


@pytest.mark.alone
def test_the_first_load_is_small_and_soon_usable(runtime, page):
    line = http.client.HTTPConnection("127.0.0.1", runtime.port)
    names, total, seen = ["/"], 0, set()
    times = []
    fetched = []
    page.on("response", lambda answer: fetched.append(answer.url))
    for _ in range(5):
        page.goto("about:blank")
        fetched.clear()
        page.goto(runtime.url + "/")
        expect(page.locator(".overview-pools a").first).to_be_visible()
        times.append(page.evaluate("""() => performance.getEntriesByName('interactive')[0].startTime"""))
    for url in fetched:
        path = url.removeprefix(runtime.url).split("#")[0]
        if path.startswith("/api/") or not url.startswith("http") or path in seen:
            continue
        seen.add(path)
        line.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = line.getresponse()
        size = len(answer.read())
        assert answer.getheader("Content-Encoding") == "gzip" or size < 400, path
        total += size
    assert names[0] in seen
    middle = statistics.median(times)
    print(f"first load: {total / 1024:.1f} KB compressed in {len(seen)} files, interactive after {middle:.0f} ms")
    assert total <= 150 * 1024
    assert middle <= 300
