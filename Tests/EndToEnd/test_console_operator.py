"""What operators do from the console: pools, the dead, payloads, the audit; and what others may not."""

import re

import pytest
from console import KEYS, enter, forgive, go, row, shot
from playwright.sync_api import expect
from runtime import until

LATER = {"Prefer": "respond-async"}


def answer(page, name):
    """Presses a dialog's button as soon as it can be."""
    button = page.get_by_role("dialog").get_by_role("button", name=name)
    expect(button).to_be_enabled()
    button.click()


def test_a_pool_is_paused_and_that_is_undone(runtime, mock, page):
    go(page, runtime, "pools/default")
    page.get_by_role("button", name="Pause pool default").click()
    answer(page, "Pause")
    expect(page.locator(".pool-head")).to_contain_text("paused")
    assert runtime.pool()["mode"] == "paused"
    shot(page, "pool-paused")
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator(".pool-head")).to_contain_text("running")
    assert runtime.pool()["mode"] == "running"


def test_limits_are_changed_after_showing_what_would_change_and_undone_by_key(runtime, mock, page):
    before = runtime.pool()
    go(page, runtime, "pools/default")
    page.get_by_role("button", name="Change limits").click()
    page.get_by_label("Tokens a minute").fill("many")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("must be a number")
    page.get_by_label("Tokens a minute").fill("600000")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("dialog")).to_contain_text("none → 600000")
    answer(page, "Change it")
    until(lambda: runtime.pool()["limits"]["tokens_per_minute"] == 600000)
    expect(page.locator(".settings")).to_contain_text("600,000")
    page.keyboard.press("u")
    until(lambda: runtime.pool()["limits"] == before["limits"])


def test_weights_of_tenants_are_changed(runtime, mock, page):
    runtime.chat("hello", {"x-sluice-tenant": "acme"})
    go(page, runtime, "pools/default")
    expect(page.locator(".tenants")).to_contain_text("acme")
    page.get_by_role("button", name="Change shares").click()
    page.get_by_label("Weight: acme").fill("4")
    page.get_by_role("button", name="Go on").click()
    answer(page, "Change it")
    until(lambda: runtime.pool()["tenants"]["weights"].get("acme") == 4)
    runtime.call("PATCH", "/api/pools/default", {"tenants": {"weights": {"acme": None}}})


def test_a_refresh_neither_skips_nor_changes_a_question(runtime, mock, page):
    go(page, runtime, "pools")
    page.get_by_role("button", name="Drain pool default").click()
    dialog = page.get_by_role("dialog")
    text = dialog.inner_text()
    # Not armed at once: a double click cannot confirm.
    assert dialog.get_by_role("button", name="Drain").is_disabled()
    for _ in range(5):
        runtime.chat()
    page.wait_for_timeout(2200)
    assert dialog.inner_text() == text
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert runtime.pool()["mode"] == "running"


def test_the_dead_are_redriven_after_a_dry_run_s_count(runtime, mock, page):
    mock.behave(status=400)
    ids = [runtime.chat("hello", LATER)[2]["id"] for _ in range(3)]
    until(lambda: all(runtime.call("GET", f"/api/requests/{id}")[2]["state"] == "ended" for id in ids))
    mock.call("POST", "/mock/reset")
    go(page, runtime, "dead?f=outcome:failed")
    expect(row(page, ids[0])).to_be_visible()
    shot(page, "dead")
    total = runtime.call("GET", "/api/dead?outcome=failed")[2]["total"]
    page.get_by_role("button", name="Redrive …").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"Redrive {total} request")
    done = runtime.pool()["books"]["ended"].get("done/ok", 0)
    answer(page, re.compile("Redrive"))
    until(lambda: runtime.pool()["books"]["ended"].get("done/ok", 0) >= done + 3)


def test_what_was_asked_is_hidden_until_it_is_revealed_and_that_is_in_the_audit(start, mock, page):
    runtime = start(mock, "payloads.max_bytes=16MiB")
    runtime.call("POST", "/api/pools/default/pause")
    secret = "a secret with <b>marks</b> and 12345678901234567890"
    id = runtime.chat(secret, LATER)[2]["id"]
    go(page, runtime, f"requests/{id}")
    expect(page.locator(".life")).to_be_visible()
    assert secret not in page.content()
    page.get_by_role("button", name="Reveal the request").click()
    answer(page, "Reveal it")
    expect(page.locator(".payload pre")).to_contain_text(secret)
    shot(page, "revealed")
    page.get_by_role("button", name="Hide the request").click()
    expect(page.locator(".payload pre")).to_have_count(0)
    go(page, runtime, "audit")
    expect(page.locator(".audit tbody tr").first).to_contain_text("reveal")
    runtime.call("POST", "/api/pools/default/resume")
    runtime.settle()
    runtime.stop()


def test_what_is_not_kept_is_not_offered_as_if_it_were(runtime, mock, page):
    """As it is when nobody has set anything: what failed can be looked at and sent again, what is done cannot."""
    runtime.call("POST", "/api/pools/default/pause")
    id = runtime.chat("done", LATER)[2]["id"]
    go(page, runtime, f"requests/{id}")
    hint = page.get_by_text("Payloads are not kept (payloads.max_bytes); what failed may still be known.")
    expect(hint).to_be_visible()
    runtime.call("POST", "/api/pools/default/resume")
    expect(page.locator(".request-head")).to_contain_text("done")
    page.get_by_role("button", name="Reveal the request").click()
    answer(page, "Reveal it")
    expect(page.locator("#toasts")).to_contain_text("is not kept: payloads.max_bytes")
    expect(page.locator(".payload pre")).to_have_count(0)
    expect(page.get_by_role("button", name="Retry with changes")).to_have_attribute("aria-disabled", "true")
    mock.behave(status=400)
    failed = runtime.chat("what failed", LATER)[2]["id"]
    until(lambda: runtime.call("GET", f"/api/requests/{failed}")[2]["state"] == "ended")
    mock.call("POST", "/mock/reset")
    go(page, runtime, f"requests/{failed}")
    expect(hint).to_be_visible()
    expect(page.get_by_role("button", name="Retry with changes")).not_to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Reveal the request").click()
    answer(page, "Reveal it")
    expect(page.locator(".payload pre")).to_contain_text("what failed")
    forgive(page, "404")


def test_a_failed_request_is_sent_again_with_changes(runtime, mock, page):
    mock.behave(status=400)
    id = runtime.chat("hello", LATER)[2]["id"]
    until(lambda: runtime.call("GET", f"/api/requests/{id}")[2]["state"] == "ended")
    mock.call("POST", "/mock/reset")
    go(page, runtime, f"requests/{id}")
    page.get_by_role("button", name="Retry with changes").click()
    page.get_by_label("Model").fill("another-model")
    page.get_by_role("button", name="Send it").click()
    page.wait_for_url(lambda url: "/requests/" in url and id not in url)
    expect(page.locator(".request-head")).to_contain_text("done")
    expect(page.locator(".request-side")).to_contain_text("another-model")


def test_the_audit_tells_who_did_what_and_undoes_it(runtime, mock, page):
    runtime.call("POST", "/api/pools/default/pause")
    go(page, runtime, "audit")
    first = page.locator(".audit tbody tr").first
    expect(first).to_contain_text("pause")
    shot(page, "audit")
    first.get_by_role("button", name="Undo").click()
    answer(page, "Undo it")
    until(lambda: runtime.pool()["mode"] == "running")


def test_the_fleet_shows_the_backend_and_what_it_did(runtime, mock, page):
    runtime.chat()
    go(page, runtime, "fleet")
    backends = page.locator("section", has=page.get_by_role("heading", name="Backends"))
    expect(backends.locator("tbody tr").first).to_contain_text("default")
    expect(backends.locator("tbody tr").first).to_contain_text("closed")
    shot(page, "fleet")


def test_history_is_filtered_drawn_and_exported(runtime, mock, page):
    runtime.chat()
    runtime.mocked(status=400)
    go(page, runtime, "history?by=outcome")
    expect(page.locator(".legend").first).to_contain_text("failed")
    page.get_by_label("Grouped by").select_option("model")
    page.wait_for_url("**by=model*")
    expect(page.locator(".legend").first).to_contain_text("mock")
    page.get_by_role("button", name="Failed", exact=True).click()
    page.wait_for_url("**f=outcome:failed*")
    expect(page.locator("[role=row]:not([aria-hidden])", has_text="done")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    text = download.value.path().read_text()
    assert "outcome" in text.splitlines()[0] and "failed" in text
    shot(page, "history")


# MARK: Roles

def test_a_key_is_asked_for_and_a_viewer_may_look_only(start, mock, page):
    runtime = start(mock, environment=KEYS)
    go(page, runtime, "pools/default")
    enter(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text(re.compile("key", re.I))
    enter(page, "watcher-key-0123456789")
    expect(page.locator("#who")).to_contain_text("viewer")
    expect(page.get_by_role("button", name="Pause pool default")).to_be_disabled()
    assert "role operator" in page.get_by_role("button", name="Pause pool default").get_attribute("title")
    page.keyboard.press("P")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.faults[:] = [fault for fault in page.faults if "401" not in fault and "403" not in fault]


def test_a_read_only_console_lets_nobody_act(start, mock, page):
    runtime = start(mock, "console.read_only=true", environment=KEYS)
    go(page, runtime, "pools/default")
    enter(page, "chief-key-0123456789ab")
    expect(page.locator("#who")).to_contain_text("read-only")
    for name in ["Pause pool default", "Drain pool default", "Change limits"]:
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    page.faults[:] = [fault for fault in page.faults if "401" not in fault]


@pytest.mark.parametrize("prefix", ["/sluice", "/a/deep/path"])
def test_behind_a_path_prefix(start, mock, page, prefix):
    runtime = start(mock, f"http.path_prefix={prefix}")
    strays = []
    page.on("request", lambda request: strays.append(request.url) if not request.url.startswith(
        f"{runtime.url}{prefix}/") and request.url.startswith("http") else None)
    page.goto(f"{runtime.url}{prefix}/#/dispatch")
    id = runtime.chat('mock:{"hang":true}', LATER)[2]["id"]
    expect(row(page, id)).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page.locator(".pool-card")).to_be_visible()
    assert strays == []
    runtime.call("POST", f"/api/requests/{id}/cancel")
