"""Metrics as others read them: Prometheus' own parsers and promtool, and OTLP by its official package."""

import math
import os
import subprocess
import time
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from otlp_receiver import MetricReceiver
from runtime import SLUICE, until

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# What Prometheus sends.
PROMETHEUS_ACCEPT = ("application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
                     "text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2")
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALL = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "mock"}


def page(program, accept=None):
    request = urllib.request.Request(program.url + "/metrics", headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def samples(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s for family in families for s in family.samples}


def value(found, name, **labels):
    return found[(name, tuple(sorted(labels.items())))].value


@pytest.fixture(scope="module")
def busy(shared, mock):
    """A runtime that has done a bit of everything."""
    head = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    for _ in range(3):
        assert shared.mocked(head, stream=True, tokens=8)[0] == 200
    assert shared.chat(headers=head)[0] == 200
    assert shared.mocked(status=400)[0] == 400
    return shared


def test_both_formats_say_the_same(busy):
    kind, old = page(busy)
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    kind, new = page(busy, PROMETHEUS_ACCEPT)
    assert kind == OPEN_METRICS and new.endswith("# EOF\n")
    before, after = samples(prometheus(old)), samples(open_metrics(new))
    # Bounds are written as numbers with a point in the newer one.
    def plain(key):
        name, labels = key
        return name, tuple((n, str(float(v)) if n == "le" and v != "+Inf" else v) for n, v in labels)
    old_keys, new_keys = {plain(key) for key in before}, {plain(key) for key in after}
    # Not one that counts while it is looked at.
    assert old_keys == new_keys
    assert value(after, "sluice_requests_ended_total", pool="default", outcome="done", reason="ok") >= 4


def test_promtool_finds_nothing(busy):
    text = page(busy)[1]
    result = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    assert not result.stdout and not result.stderr, result.stdout + result.stderr


def test_exemplars_lead_to_traces(busy):
    families = list(open_metrics(page(busy, OPEN_METRICS)[1]))
    with_some = {family.name for family in families for s in family.samples if s.exemplar}
    assert {"sluice_total_seconds", "sluice_queue_wait_seconds", "sluice_time_to_first_token_seconds",
            "gen_ai_client_operation_duration_seconds"} <= with_some
    total = next(family for family in families if family.name == "sluice_total_seconds")
    found = [s for s in total.samples if s.exemplar]
    assert TRACE in {s.exemplar.labels["trace_id"] for s in found}
    for sample in found:
        below = float(sample.labels["le"])
        assert sample.exemplar.value <= below and len(sample.exemplar.labels["span_id"]) == 16
        assert abs(float(sample.exemplar.timestamp) - time.time()) < 600
    # Formats without them say nothing of them.
    assert "trace_id" not in page(busy)[1]


def test_calls_of_models_have_the_conventions_names(busy):
    found = samples(open_metrics(page(busy, OPEN_METRICS)[1]))
    name = "gen_ai_client_operation_duration_seconds"
    assert value(found, name + "_count", **CALL) >= 4
    assert value(found, name + "_count", **CALL, error_type="invalid_request") == 1
    bounds = [float(dict(labels)["le"]) for (n, labels), _ in found.items()
              if n == name + "_bucket" and "error_type" not in dict(labels)]
    assert bounds == [.01 * 2 ** i for i in range(14)] + [math.inf]
    assert value(found, "gen_ai_client_token_usage_count", **CALL, gen_ai_token_type="output") >= 1
    assert value(found, "gen_ai_server_time_to_first_token_seconds_count", **CALL) >= 3


def test_names_that_clients_invent_do_not_grow_the_page(start, mock):
    runtime = start(mock)
    mock.behave(status=404)
    try:
        for number in range(60):
            runtime.chat(model=f"invented-{number}")
    finally:
        mock.call("POST", "/mock/reset")
    text = page(runtime)[1]
    assert "invented-" not in text
    assert 'gen_ai_request_model="other"' in text
    runtime.stop()


@pytest.fixture
def receiver():
    one = MetricReceiver()
    yield one
    one.close()


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_metrics_by_otlp(start, mock, receiver, protocol, compression):
    receiver.answers = [503]
    runtime = start(mock, environment={
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_METRIC_EXPORT_INTERVAL": "1500",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s%20e", "OTEL_TRACES_EXPORTER": "none",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test", "OTEL_SERVICE_NAME": "dispatch"})
    head = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    assert runtime.mocked(head, stream=True, tokens=8)[0] == 200
    assert runtime.chat(headers=head)[0] == 200
    until(lambda: any("gen_ai.client.token.usage" in receiver.metrics(i) for i in range(len(receiver.documents))),
          15, "metrics that came")
    assert not receiver.faults, receiver.faults
    sent = receiver.heads[-1]
    assert sent[":path"] == "/v1/metrics" and sent["api-key"] == "s e"
    assert sent["content-type"] == ("application/json" if protocol == "http/json" else "application/x-protobuf")
    assert sent.get("content-encoding") == (None if compression == "none" else "gzip")
    resource = receiver.resource()
    assert resource["service.name"] == "dispatch" and resource["deployment.environment.name"] == "test"
    assert resource["service.version"] and len(resource["service.instance.id"]) == 36
    check_readings(receiver)
    count = len(receiver.documents)
    runtime.stop()
    # The last one goes out at the end.
    assert len(receiver.documents) > count


def check_readings(receiver):
    metrics = receiver.metrics()
    ended = metrics["sluice.requests_ended"].sum
    assert ended.is_monotonic and ended.aggregation_temporality == 2
    assert sum(point.as_double for point in ended.data_points) == 2
    point = ended.data_points[0]
    assert 0 < point.start_time_unix_nano < point.time_unix_nano
    assert {pair.key for pair in point.attributes} == {"pool", "outcome", "reason"}
    assert metrics["sluice.queue_depth"].WhichOneof("data") == "gauge"
    wait = metrics["sluice.queue_wait"]
    assert wait.unit == "s" and wait.histogram.aggregation_temporality == 2
    assert metrics["sluice.held"].unit == "By"
    duration = metrics["gen_ai.client.operation.duration"]
    assert duration.unit == "s"
    data = duration.histogram.data_points[0]
    assert {p.key: p.value.string_value for p in data.attributes} == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "mock"}
    assert list(data.explicit_bounds) == [.01 * 2 ** i for i in range(14)]
    assert len(data.bucket_counts) == 15 and sum(data.bucket_counts) == data.count == 2
    assert 0 < data.sum < 60
    assert TRACE in {exemplar.trace_id.hex() for exemplar in data.exemplars}
    assert all(len(exemplar.span_id) == 8 and exemplar.time_unix_nano for exemplar in data.exemplars)
    usage = metrics["gen_ai.client.token.usage"].histogram.data_points
    assert {p.value.string_value for d in usage for p in d.attributes if p.key == "gen_ai.token.type"} == {
        "input", "output"}


def test_otlp_names_translate_to_prometheus_names(start, mock, receiver):
    """Whoever has a collector between sees the names that a scrape shows."""
    runtime = start(mock, environment={
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": receiver.url + "/x", "OTEL_METRIC_EXPORT_INTERVAL": "300"})
    runtime.chat()
    until(lambda: receiver.documents and "gen_ai.client.token.usage" in receiver.metrics(), 10, "metrics")
    assert receiver.heads[-1][":path"] == "/x"
    translated = set()
    for name, metric in receiver.metrics().items():
        name = name.replace(".", "_")
        for word in [{"s": "seconds", "By": "bytes"}.get(metric.unit)]:
            if word and not name.endswith("_" + word):
                name += "_" + word
        translated.add(name + ("_total" if metric.WhichOneof("data") == "sum" else ""))
    served = {family.name + ("_total" if family.type == "counter" else "") for family in prometheus(page(runtime)[1])
              if family.samples}
    assert translated == served
    runtime.stop()


def test_a_receiver_that_is_away_is_felt_by_nobody(start, mock, receiver):
    receiver.close()
    runtime = start(mock, environment={
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_METRIC_EXPORT_INTERVAL": "200"})
    until(lambda: value(samples(prometheus(page(runtime)[1])), "sluice_telemetry_metric_exports_total",
                        result="lost") >= 2, 10, "lost readings")
    assert runtime.chat()[0] == 200
    assert runtime.log.count("metrics are not delivered") == 1
    runtime.stop()


def test_a_variable_that_says_what_cannot_be_stops_the_start(mock):
    result = subprocess.run(
        [SLUICE, "serve", "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30,
        env={**os.environ, "OPENAI_API_BASE": mock.url, "OTEL_METRICS_EXPORTER": "otlp",
             "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert result.returncode == 1 and "OTEL_EXPORTER_OTLP_PROTOCOL" in result.stderr, result.stderr
