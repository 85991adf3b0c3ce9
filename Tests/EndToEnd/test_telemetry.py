"""Spans as others get them: OTLP decoded by OpenTelemetry's package, ClickHouse with the real engine."""

import json
import re
import threading

import pytest

from clickhouse import UNKNOWN_DATABASE, UNKNOWN_TABLE, ClickHouse
from otlp import Receiver
from runtime import until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
QUICK = ("telemetry.interval=50ms",)
COMPLETION, ATTEMPT = "LLMDispatch.completion", "LLMDispatch.attempt"


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def house():
    with ClickHouse() as house:
        yield house


def completions(receiver, count):
    """At least so many, and everything else that came with them."""
    until(lambda: sum(s["name"] == COMPLETION for s in receiver.spans) >= count, 15, f"{count} completions")
    return [s for s in receiver.spans if s["name"] == COMPLETION]


def metric(runtime, name):
    """The sum over all labels of what is served."""
    lines = runtime.call("GET", "/metrics")[2].decode().splitlines()
    found = [line for line in lines if line.startswith((name + "{", name + " "))]
    assert found, f"nobody serves {name}"
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


@pytest.mark.parametrize("protocol,compression", [
    ("http/protobuf", "none"), ("http/protobuf", "gzip"), ("http/json", "none"), ("http/json", "gzip")])
def test_a_request_is_a_span_below_its_caller(mock, start, receiver, protocol, compression):
    runtime = start(mock, *QUICK, environment={
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_COMPRESSION": compression, "OTEL_EXPORTER_OTLP_HEADERS": "x-team=a%20b",
        "OTEL_SERVICE_NAME": "dispatch", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"})
    status, headers, _ = runtime.chat(headers={"traceparent": PARENT, "tracestate": "vendor=1"})
    assert status == 200
    span = completions(receiver, 1)[0]
    attempt = next(s for s in receiver.spans if s["name"] == ATTEMPT)
    assert (span["trace"], span["parent"], span["state"]) == (PARENT[3:35], PARENT[36:52], "vendor=1")
    assert (attempt["trace"], attempt["parent"], attempt["kind"]) == (span["trace"], span["span"], 3)
    assert span["start"] <= attempt["start"] <= attempt["end"] <= span["end"]
    assert (span["kind"], span["status"], span["scope"]) == (1, 1, "sluice")
    assert span["resource"]["service.name"] == "dispatch"
    assert span["resource"]["deployment.environment.name"] == "test"
    told = span["attributes"]
    assert told["sluice.request.id"] == headers["x-sluice-request-id"] == told["marie.llm_dispatch.request_id"]
    assert (told["gen_ai.operation.name"], told["gen_ai.request.model"]) == ("chat", "mock")
    assert told["gen_ai.usage.output_tokens"] > 0 and told["server.port"] == mock.port
    assert told["marie.llm_dispatch.status"] == "ok"
    assert told["marie.llm_dispatch.total_latency_ms"] == pytest.approx((span["end"] - span["start"]) / 1e6, abs=0.01)
    assert not any(name.startswith(("gen_ai.input", "gen_ai.output")) for name in told)
    path, sent = receiver.requests[0]
    assert path == "/v1/traces" and sent["x-team"] == "a b"
    assert sent.get("Content-Encoding", "none") == compression
    until(lambda: metric(runtime, "sluice_spans_delivered_total") == 2)


def test_backends_see_the_attempt_as_their_parent(backend, start, receiver):
    peer = backend()
    runtime = start(f"{peer.url}/v1", *QUICK, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    assert runtime.chat(headers={"traceparent": PARENT, "tracestate": "vendor=1"})[0] == 200
    completions(receiver, 1)
    attempt = next(s for s in receiver.spans if s["name"] == ATTEMPT)
    told = peer.seen[0].headers
    assert told["traceparent"] == f"00-{attempt['trace']}-{attempt['span']}-01"
    assert told["tracestate"] == "vendor=1"


def test_the_callers_decision_stands(mock, start, receiver):
    runtime = start(mock, *QUICK, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    assert runtime.chat(headers={"traceparent": PARENT[:-2] + "00"})[0] == 200
    assert runtime.chat()[0] == 200
    completions(receiver, 1)
    assert all(s["trace"] != PARENT[3:35] for s in receiver.spans)


def test_every_end_has_its_span(mock, start, house):
    table = "outcomes"
    runtime = start(
        mock, *QUICK, f"clickhouse.url={house.url}", f"clickhouse.table={table}", "pools.default.retry.attempts=2",
        "pools.default.slots=1", "telemetry.rejected=true", "pools.default.max_requests=2")
    assert runtime.chat()[0] == 200
    assert runtime.mocked(status=400)[0] == 400
    assert runtime.mocked(status=500)[0] == 502
    hold = {"x-sluice-timeout-ms": "3000"}
    slow = threading.Thread(target=lambda: runtime.mocked(hold, hang=True))
    slow.start()
    until(lambda: runtime.pool()["in_flight"] == 1)
    assert runtime.chat(headers={"x-sluice-timeout-ms": "200"})[0] == 504
    waits = threading.Thread(target=lambda: runtime.chat("later"))
    waits.start()
    until(lambda: runtime.pool()["queued"] == 1)
    assert runtime.chat("too much")[0] == 503
    queued = runtime.requests("?state=queued")[0]["id"]
    assert runtime.call("POST", f"/api/requests/{queued}/cancel")[0] == 200
    waits.join()
    slow.join()

    def rows():
        try:
            return house.query(f"SELECT * FROM otel.{table} WHERE SpanName = 'LLMDispatch.completion'")
        except RuntimeError as error:
            # With the first spans their exporter makes both.
            assert re.search(rf"Code: ({UNKNOWN_TABLE}|{UNKNOWN_DATABASE})\b", str(error)), error
            return []

    found = until(lambda: (lambda r: r if len(r) >= 7 else None)(rows()), 15, "rows for every end")
    ends = sorted((r["SpanAttributes"]["sluice.outcome"], r["SpanAttributes"]["sluice.reason"]) for r in found)
    assert ends == [
        ("cancelled", "operator_request"), ("done", "ok"), ("expired", "deadline"), ("expired", "deadline"),
        ("failed", "backend"), ("failed", "backend"), ("rejected", "full")]
    for row in found:
        isDone = row["SpanAttributes"]["sluice.outcome"] == "done"
        assert row["StatusCode"] == ("Ok" if isDone else "Error")
        assert ("exception" in row["Events.Name"]) == (not isDone)
    retried = [r for r in found if r["SpanAttributes"]["sluice.attempts"] == "2"]
    assert len(retried) == 1 and "retry" in retried[0]["Events.Name"]
    below = house.query(f"SELECT * FROM otel.{table} WHERE ParentSpanId = {{id:String}}", id=retried[0]["SpanId"])
    assert [r["SpanAttributes"]["sluice.attempt.number"] for r in below] == ["1", "2"]
    assert house.query(f"SELECT count() AS n FROM otel.{table}_trace_id_ts")[0]["n"] > 0
    runtime.stop()


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_nothing_is_lost_while_clickhouse_is_away(mock, start, compression):
    with ClickHouse(user="writer", password="word") as house:
        runtime = start(
            mock, *QUICK, f"clickhouse.url={house.url}", "clickhouse.user=writer", "clickhouse.password=word",
            f"clickhouse.compression={compression}")
        assert runtime.chat()[0] == 200
        until(lambda: metric(runtime, "sluice_spans_delivered_total") == 2, 15)
        house.stop()
        before, count = metric(runtime, "sluice_span_export_failures_total"), 0

        def fails():
            nonlocal count
            assert runtime.chat(timeout=5)[0] == 200
            count += 1
            return metric(runtime, "sluice_span_export_failures_total") >= before + 3

        until(fails, 15, "spans sent in vain, again and again")
        assert metric(runtime, "sluice_spans_waiting") > 0
        house.start()
        until(lambda: metric(runtime, "sluice_spans_waiting") == 0, 20, "spans taken")
        assert metric(runtime, "sluice_spans_lost_total") == 0
        rows = house.query("SELECT uniqExact(SpanId) AS n, count() AS all FROM otel.otel_traces")
        assert rows == [{"n": 2 * (count + 1), "all": 2 * (count + 1)}]
        assert "spans are taken again" in runtime.log
        house.trouble(status=503, times=2, retry_after=0)
        assert runtime.chat()[0] == 200
        until(lambda: metric(runtime, "sluice_spans_delivered_total") == 2 * (count + 2), 15)
        runtime.stop()


def test_an_otlp_outage_is_waited_for(mock, start, receiver):
    runtime = start(mock, *QUICK, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    assert runtime.chat()[0] == 200
    completions(receiver, 1)
    receiver.stop()
    for _ in range(20):
        assert runtime.chat()[0] == 200
    until(lambda: metric(runtime, "sluice_span_export_failures_total") > 0)
    receiver.answers = [(503, {"Retry-After": "0"}), (429, {})]
    receiver.start()
    completions(receiver, 21)
    assert len({s["span"] for s in receiver.spans}) == len(receiver.spans) == 42


def test_a_stop_sends_what_waits(mock, start, receiver):
    runtime = start(mock, "telemetry.interval=1m", environment={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    assert runtime.chat()[0] == 200
    assert receiver.spans == []
    runtime.stop()
    assert len(receiver.spans) == 2


def test_content_is_captured_only_when_asked_for_and_data_never(mock, start, receiver):
    image = "data:image/png;base64," + "A" * 400
    body = {"model": "mock", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is this? " + image + " end"},
        {"type": "image_url", "image_url": {"url": image}}]}]}
    plain = start(mock, *QUICK, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    assert plain.call("POST", "/v1/chat/completions", body)[0] == 200
    assert "gen_ai.input.messages" not in completions(receiver, 1)[0]["attributes"]
    runtime = start(mock, *QUICK, environment={
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"})
    assert runtime.call("POST", "/v1/chat/completions", body)[0] == 200
    told = completions(receiver, 2)[-1]["attributes"]
    asked = json.loads(told["gen_ai.input.messages"])
    assert asked[0]["role"] == "user" and asked[0]["parts"][0]["content"] == "what is this? [data removed] end"
    assert asked[0]["parts"][1]["content"] == "[data removed]"
    assert "AAAA" not in json.dumps(receiver.spans)
    answered = json.loads(told["gen_ai.output.messages"])
    assert answered[0]["role"] == "assistant" and answered[0]["parts"][0]["content"]
    assert answered[0]["finish_reason"] == "stop"
    assert runtime.chat("again", stream=True)[0] == 200
    told = completions(receiver, 3)[-1]["attributes"]
    assert json.loads(told["gen_ai.output.messages"])[0]["parts"][0]["content"]


def test_a_gateway_before_lists_and_its_dispatcher_count_a_request_once(valkey, fabric, receiver, emptied):
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    mock = fabric.mock()
    dispatcher = fabric.dispatcher(valkey, mock, *QUICK, environment=environment)
    gateway = fabric.gateway(valkey, *QUICK, environment=environment)
    assert gateway.chat(headers={"traceparent": PARENT})[0] == 200
    whole = completions(receiver, 1)[0]
    request = until(lambda: next((s for s in receiver.spans if s["name"] == "LLMDispatch.request"), None))
    assert (request["parent"], request["trace"]) == (PARENT[36:52], PARENT[3:35])
    assert (whole["parent"], whole["trace"]) == (request["span"], PARENT[3:35])
    assert whole["attributes"]["marie.llm_dispatch.contract_version"] == "v2"
    assert gateway.chat('mock:{"status":400}')[0] == 400
    completions(receiver, 2)
    assert gateway.chat('mock:{"hang":true}', headers={"x-sluice-timeout-ms": "300"})[0] == 504
    until(lambda: any(s["name"] == "LLMDispatch.execution" for s in receiver.spans), 15, "the dispatcher's view")
    # Who leaves sends what is left.
    for program in (gateway, dispatcher):
        program.stop()
    assert len(completions(receiver, 3)) == 3
    ends = [s["attributes"]["sluice.outcome"] for s in completions(receiver, 3)]
    assert ends == ["done", "failed", "expired"]


def test_nobody_on_the_lists_and_the_gateway_tells_the_end(valkey, fabric, receiver, emptied):
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    gateway = fabric.gateway(valkey, *QUICK, environment=environment)
    assert gateway.chat(headers={"x-sluice-timeout-ms": "300"})[0] == 504
    assert completions(receiver, 1)[0]["attributes"]["sluice.reason"] == "deadline"
    mock = fabric.mock()
    dispatcher = fabric.dispatcher(valkey, mock, *QUICK, environment=environment)
    until(lambda: any(s["name"] == "LLMDispatch.execution" for s in receiver.spans), 15, "the dispatcher's view")
    for program in (gateway, dispatcher):
        program.stop()
    assert len(completions(receiver, 1)) == 1


def test_the_log_is_json_with_trace_ids_and_its_level_changes(mock, start):
    runtime = start(mock, environment={"SLUICE_LOG_FORMAT": "auto"})
    assert runtime.chat(headers={"traceparent": PARENT})[0] == 200

    def lines():
        return [json.loads(line) for line in runtime.log.splitlines() if line.startswith("{")]

    ended = until(lambda: next((line for line in lines() if line["message"] == "request ended"), None))
    assert ended["trace_id"] == PARENT[3:35] and len(ended["span_id"]) == 16
    assert runtime.call("GET", "/api/log")[2] == {"level": "info", "format": "json", "dropped_lines": 0}
    assert runtime.call("PATCH", "/api/log", {"level": "error"})[0] == 200
    assert runtime.call("PATCH", "/api/log", {"level": "loud"})[0] == 400
    assert runtime.chat()[0] == 200
    assert runtime.call("PATCH", "/api/log", {"level": "info"})[2]["level"] == "info"
    _, headers, _ = runtime.chat()
    id = headers["x-sluice-request-id"]
    last = until(lambda: next((line for line in lines() if line.get("request") == id), None))
    assert last["message"] == "request ended"
    assert sum(line["message"] == "request ended" for line in lines()) == 2


def test_a_standard_error_that_is_held_up_holds_up_nobody(mock, start, tmp_path):
    import os
    import subprocess

    from runtime import SLUICE, Program, free_port

    read, write = os.pipe()  # nobody reads: it is full after 64 KiB
    port = free_port()
    process = subprocess.Popen(
        [SLUICE, "serve", "--listen", f"127.0.0.1:{port}"], stderr=write, stdout=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "OPENAI_API_BASE": f"{mock.url}/v1", "SLUICE_LOG_FORMAT": "json",
             "SLUICE_LOG_PROMPTS": "true"})
    os.close(write)
    try:
        caller = Program.__new__(Program)
        caller.port, caller.url, caller.process, caller.log_path = port, f"http://127.0.0.1:{port}", process, ""
        body = {"model": "mock", "messages": [{"role": "user", "content": "x" * 2000}]}
        until(lambda: caller.call("GET", "/healthz")[0] == 200 if process.poll() is None else False, 10) \
            if _listens(port) else None
        for _ in range(1500):
            assert caller.call("POST", "/v1/chat/completions", body, timeout=5)[0] == 200
        assert caller.call("GET", "/api/log")[2]["dropped_lines"] > 0
    finally:
        process.kill()
        process.wait()
        os.close(read)


def _listens(port):
    import socket

    def attempt():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    return until(attempt, 10, "listening")
