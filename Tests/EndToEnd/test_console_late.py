"""What comes late, fails, is paused or has gone: the console shows what is asked now, and goes on."""

from console import answering, forgive, go, row
from playwright.sync_api import expect
from runtime import until

LATER = {"Prefer": "respond-async"}


def later(runtime, content="hello", headers=None, **fields):
    return runtime.chat(content, {**LATER, **(headers or {})}, **fields)[2]["id"]


def held(runtime, **counts):
    """Requests that wait in a paused pool, by tenant."""
    runtime.call("POST", "/api/pools/default/pause")
    return {tenant: [later(runtime, headers={"x-sluice-tenant": tenant}) for _ in range(n)] for tenant, n in counts.items()}


def release(runtime, waiting):
    for ids in waiting.values():
        for id in ids:
            runtime.call("POST", f"/api/requests/{id}/cancel")


def test_a_stream_of_before_does_not_overwrite_what_is_asked_now(runtime, mock, page):
    waiting = held(runtime, acme=1, globex=1)
    page.clock.install()
    go(page, runtime, "dispatch")
    expect(row(page, waiting["globex"][0])).to_be_visible()
    pending = page.locator(".strip div", has_text="Pending").locator("dd")
    expect(pending).to_have_text("2")
    streams = []
    page.on("request", lambda request: streams.append(request.url) if "/api/live/stream" in request.url else None)
    # From here on time goes on by hand: the stream follows the filter half a second later.
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)
    page.locator("[data-filter]").fill("tenant:acme")
    page.keyboard.press("Enter")
    page.clock.run_for(100)
    expect(row(page, waiting["globex"][0])).to_have_count(0)
    page.evaluate("""(id) => {
      window.__seen = 0;
      const shown = `[role=row]:not([aria-hidden]) a[title="${id}"]`;
      new MutationObserver(() => { window.__seen += document.querySelectorAll(shown).length; })
        .observe(document.querySelector('.entries'), { childList: true, subtree: true, attributes: true });
    }""", waiting["globex"][0])
    # What changes meanwhile makes the old stream speak: all that wait are counted in what it says.
    waiting["acme"] += held(runtime, acme=3)["acme"]
    expect(pending).to_have_text("5")
    page.clock.run_for(100)
    assert streams == [] and page.evaluate("window.__seen") == 0
    with page.expect_request(lambda request: "/api/live/stream" in request.url and "acme" in request.url):
        page.clock.run_for(500)
    page.clock.resume()
    expect(row(page, waiting["acme"][-1])).to_be_visible()
    assert len(streams) == 1 and page.evaluate("window.__seen") == 0
    release(runtime, waiting)


def test_a_filter_that_is_back_at_once_shows_its_own_rows(runtime, mock, page):
    waiting = held(runtime, acme=1, globex=1)
    go(page, runtime, "dispatch")
    expect(row(page, waiting["globex"][0])).to_be_visible()
    page.locator("[data-filter]").fill("tenant:acme")
    page.keyboard.press("Enter")
    expect(row(page, waiting["globex"][0])).to_have_count(0)
    page.locator("[data-filter]").fill("")
    page.keyboard.press("Enter")
    expect(page.locator(".count")).to_have_text("2 live")
    waiting["globex"] += held(runtime, globex=2)["globex"]
    expect(page.locator(".count")).to_have_text("4 live")
    for id in waiting["acme"] + waiting["globex"]:
        expect(row(page, id)).to_be_visible()
    release(runtime, waiting)


def test_a_filter_of_a_page_that_has_gone_is_not_written_into_the_next(runtime, page):
    go(page, runtime, "dispatch")
    page.locator("[data-filter]").fill("tenant:acme")
    page.evaluate("location.hash = '#/pools'")
    expect(page.locator("main")).to_have_attribute("data-page", "pools")
    page.wait_for_timeout(500)
    assert "f=" not in page.url


def test_a_filter_that_was_cleared_does_not_come_back(runtime, page):
    go(page, runtime, "dispatch?tenant=acme&state=queued")
    box = page.locator("[data-filter]")
    expect(box).to_have_value("state:queued tenant:acme")
    box.fill("")
    page.keyboard.press("Enter")
    page.reload()
    expect(page.locator("[data-filter]")).to_have_value("")
    assert "acme" not in page.url


def test_while_paused_a_filter_still_answers(runtime, mock, page):
    waiting = held(runtime, acme=1, globex=1)
    go(page, runtime, "dispatch")
    expect(row(page, waiting["globex"][0])).to_be_visible()
    page.keyboard.press("p")
    page.locator("[data-filter]").fill("tenant:acme")
    page.keyboard.press("Enter")
    expect(row(page, waiting["globex"][0])).to_have_count(0)
    expect(row(page, waiting["acme"][0])).to_be_visible()
    release(runtime, waiting)


def test_one_failed_answer_does_not_ruin_the_page(runtime, mock, page):
    id = later(runtime)
    until(lambda: runtime.call("GET", f"/api/requests/{id}")[2]["state"] == "ended")
    for path, shown in [(f"requests/{id}", ".request-head"), ("pools/default", ".pool-head")]:
        pattern = f"**/api/{path}"
        answering(page, pattern, {"error": {"message": "Not now."}}, 500)
        go(page, runtime, path)
        expect(page.locator("main .empty")).to_contain_text("Not now.")
        page.unroute(pattern)
        expect(page.locator(shown)).to_be_visible()
        expect(page.locator(shown).get_by_role("button").first).to_be_visible()
        expect(page.locator("main .empty")).to_be_hidden()
    forgive(page, "500")


def test_why_nothing_arrives_is_said_on_every_page(runtime, page):
    busy = {"error": {"message": "Too many look on already.", "code": "too_many_watchers"}}
    answering(page, "**/api/live/stream**", busy, 503)
    go(page, runtime, "dispatch")
    expect(page.locator("#problem")).to_have_text("Too many look on already.")
    expect(page.locator("#badge")).to_contain_text("Not connected")
    page.unroute("**/api/live/stream**")
    expect(page.locator("#badge")).to_have_attribute("data-state", "live")
    expect(page.locator("#problem")).to_be_empty()
    for name in ["pools", "fleet", "audit"]:
        answering(page, f"**/api/{name}**", {"error": {"message": f"No {name}."}}, 500)
        go(page, runtime, name)
        expect(page.locator("#problem")).to_have_text(f"No {name}.")
        page.unroute(f"**/api/{name}**")
        expect(page.locator("#problem")).to_be_empty()
    forgive(page, "500", "503")


def test_what_cannot_be_sent_again_says_so(runtime, mock, page):
    mock.behave(status=400)
    id = later(runtime)
    ended = until(lambda: (r := runtime.call("GET", f"/api/requests/{id}")[2])["state"] == "ended" and r)
    answering(page, f"**/api/requests/{id}", {**ended, "retryable": False})
    go(page, runtime, f"requests/{id}")
    again = page.get_by_role("button", name="Retry with changes")
    expect(again).to_have_attribute("aria-disabled", "true")
    again.click(force=True)
    expect(page.locator("#toasts")).to_contain_text("is not kept")
    expect(page.get_by_role("dialog")).to_have_count(0)


# MARK: Parts

PAGES = """async () => {
  const { pager } = await import('./pager.js');
  const rows = (from, n) => Array.from({ length: n }, (_, i) => ({ id: from - i }));
  let newest = 100; let hold = null; let shown = 0;
  const pages = pager({ show: () => { shown += 1; }, get: async ({ cursor }) => {
    if (hold) await hold;
    const from = cursor ?? newest;
    return { rows: rows(from, 10), next_cursor: from > 10 ? from - 10 : null };
  } });
  const ids = () => pages.rows.map(({ id }) => id);
  const whole = (list) => list.every((id, i) => i === 0 || list[i - 1] - id === 1);
  const out = {};
  await pages.first(); await pages.more(); await pages.more();
  out.three = [ids().length, whole(ids())];
  newest = 104; await pages.first();
  out.newer = [ids()[0], ids().length, whole(ids())];
  newest = 300; await pages.first();
  out.gap = [ids()[0], ids().length, whole(ids())];
  let go; hold = new Promise((resolve) => { go = resolve; });
  const late = pages.more(); pages.reset(); go(); await late; hold = null;
  out.late = ids().length;
  newest = 90000; await pages.first();
  for (let i = 0; i < 600; i += 1) await pages.more();
  out.most = [ids().length, pages.isCut, pages.hasMore, whole(ids())];
  return out;
}"""


def test_pages_join_without_holes_and_are_bounded(runtime, page):
    go(page, runtime, "overview")
    out = page.evaluate(PAGES)
    assert out["three"] == [30, True]
    assert out["newer"] == [104, 34, True]
    assert out["gap"] == [300, 10, True]
    assert out["late"] == 0
    assert out["most"] == [5000, True, False, True]


def test_the_focus_stays_while_rows_around_it_come_and_go(runtime, page):
    go(page, runtime, "overview")
    assert page.evaluate("""async () => {
      const { make, reconcile } = await import('./dom.js');
      const list = make('ul'); document.body.append(list);
      const fill = (names) => reconcile(list, names, (name) => name, () => make('li', { tabindex: '0' }));
      fill(['a', 'b', 'c']);
      list.children[1].focus();
      fill(['b', 'c']); fill(['x', 'b', 'c']); fill(['x', 'b', 'b', 'y']);
      return [document.activeElement.dataset.key, [...list.children].map((node) => node.dataset.key).join('')];
    }""") == ["b", "xby"]


def test_quoted_values_may_have_commas_and_stand_beside_others(runtime, page):
    go(page, runtime, "overview")
    values = page.evaluate("""async () => {
      const { parse } = await import('./filter.js');
      const fields = [{ name: 'model', negates: true }, { name: 'pool' }];
      return ['model:"a, b",c pool:d', '!model:"x y"', 'model:a,"b c" words'].map((text) => parse(text, fields).values);
    }""")
    assert values == [{"model": ["a, b", "c"], "pool": ["d"]}, {"model": ["!x y"]}, {"model": ["a", "b c"], "q": "words"}]
