"""What requests cost, and how much may be spent: as operators configure it and clients meet it."""

import concurrent.futures
import json
import signal

import pytest

from runtime import Program, free_port, until


@pytest.fixture
def priced(tmp_path, start, mock):
    """A runtime whose model `mock` costs a dollar for each token of the answer."""
    mock.call("POST", "/mock/reset")
    table = tmp_path / "prices.json"
    table.write_text(json.dumps({"models": {"mock": {"provider": "me", "input": 0, "output": 1_000_000, "context": 8192}}}))

    def begin(*settings, **options):
        return start(mock, f"prices.file={table}", *settings, **options)

    return begin


def budget(runtime, name):
    return next(b for b in runtime.call("GET", "/api/budgets")[2]["budgets"] if b["name"] == name)


def test_a_request_says_what_it_cost_and_so_do_the_metrics(priced):
    runtime = priced()
    status, headers, body = runtime.chat(max_tokens=7)
    assert status == 200
    spent = body["usage"]["completion_tokens"]
    record = runtime.call("GET", f"/api/requests/{headers['x-sluice-request-id']}")[2]
    assert record["cost_dollars"] == spent > 0
    text = runtime.call("GET", "/metrics")[2].decode()
    assert f'sluice_cost_dollars_total{{tenant="default",model="mock"}} {spent}' in text
    _, headers, _ = runtime.chat(model="without-a-price")
    record = runtime.call("GET", f"/api/requests/{headers['x-sluice-request-id']}")[2]
    assert record["cost_dollars"] is None


def test_a_stream_that_tells_its_usage_costs_as_much_as_a_whole_answer(priced):
    runtime = priced()
    status, headers, _ = runtime.chat(max_tokens=7, stream=True, stream_options={"include_usage": True})
    assert status == 200
    record = until(
        lambda: (r := runtime.call("GET", f"/api/requests/{headers['x-sluice-request-id']}")[2])["state"] == "ended" and r)
    assert record["cost_dollars"] == record["usage"]["completion_tokens"] > 0


def test_a_budget_is_used_up_and_says_so_in_both_dialects(priced):
    runtime = priced("budgets.day.limit=20", "budgets.day.period=day")
    assert runtime.chat(max_tokens=16)[0] == 200
    spent = budget(runtime, "day")["spent_dollars"]
    assert 0 < spent <= 16 and budget(runtime, "day")["reserved_dollars"] == 0
    status, headers, body = runtime.chat(max_tokens=16)
    assert (status, body["error"]["code"], body["error"]["type"]) == (429, "budget_exceeded", "insufficient_quota")
    assert headers["x-should-retry"] == "false" and 0 < int(headers["Retry-After"]) <= 86_400
    message = {"model": "mock", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
    status, _, body = runtime.call("POST", "/v1/messages", message)
    assert status == 429 and body["type"] == "error" and "Budget 'day'" in body["error"]["message"]
    assert runtime.chat(max_tokens=1)[0] == 200, "what is left can be spent"


def test_many_at_once_neither_overspend_nor_lose_what_is_left(priced):
    runtime = priced("budgets.all.limit=64", "budgets.all.period=total")

    def ask(_):
        while True:
            status, _, body = runtime.chat(max_tokens=8)
            code = body.get("error", {}).get("code")
            if code != "budget_reserved":
                return status, code
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(40)))
    state = budget(runtime, "all")
    assert state["spent_dollars"] <= 64 and state["reserved_dollars"] == 0
    # Nobody was refused while there was enough for him.
    assert state["left_dollars"] < 8
    assert {s for s, _ in answers} == {200, 429} and {c for _, c in answers} == {None, "budget_exceeded"}


def test_budgets_are_those_of_the_key_and_change_while_the_runtime_runs(tmp_path, mock):
    table = tmp_path / "prices.json"
    table.write_text(json.dumps({"models": {"mock": {"input": 0, "output": 1_000_000}}}))
    port = free_port()
    file = tmp_path / "sluice.yaml"

    def write(limit):
        file.write_text(f"""
listen: 127.0.0.1:{port}
prices: {{file: {table}}}
backends: {{default: {{url: "{mock.url}/v1"}}}}
api_keys:
  ci: {{key: secret-of-ci-1234567890, tenant: t}}
  dev: {{key: secret-of-dev-1234567890, tenant: t, operator: true}}
budgets:
  ci: {{key: ci, limit: {limit}, period: total}}
""")

    write(4)
    program = Program(["serve", "--config", str(file)], port)
    try:
        def ask(who):
            body = {"model": "mock", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
            return program.call("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer secret-of-{who}-1234567890"})[0]
        assert ask("ci") == 429 and ask("dev") == 200
        write(100)
        program.process.send_signal(signal.SIGHUP)
        until(lambda: ask("ci") == 200, 5, "the larger budget")
    finally:
        program.kill()


def test_wrong_price_tables_are_refused_with_the_field(tmp_path):
    import subprocess

    from runtime import SLUICE
    table = tmp_path / "prices.json"
    table.write_text('{"models": {"m": {"input": "much"}}}')
    answer = subprocess.run([SLUICE, "serve", "--set", f"prices.file={table}"], capture_output=True, text=True, timeout=20)
    assert answer.returncode == 1 and "models.m.input must be a number" in answer.stderr


def test_models_are_listed_with_provider_context_and_prices(start):
    runtime = start(
        "http://127.0.0.1:9", "backends.default.provider=auto",
        "backends.default.aliases=fast=anthropic/claude-haiku-4-5", environment={"OPENAI_API_KEY": "k"})
    model, = runtime.call("GET", "/v1/models")[2]["data"]
    assert (model["id"], model["provider"], model["context_length"]) == ("fast", "anthropic", 200_000)
    assert model["pricing"] == {"input": 1, "output": 5, "cached_input": 0.1, "cache_write": 1.25}
    listed = runtime.call("GET", "/v1/models", headers={"anthropic-version": "2023-06-01"})[2]
    assert listed["data"][0]["type"] == "model" and listed["first_id"] == "fast" and listed["has_more"] is False
