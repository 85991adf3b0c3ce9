"""What is in deploy/: every name it asks for is served by a running fabric, and Prometheus' own tool takes it."""

import json
import re
import subprocess
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families as prometheus

from otlp_receiver import MetricReceiver
from runtime import ROOT, Mock, Runtime, until

DEPLOY = ROOT / "deploy"
# Not ours: Prometheus itself makes it for every target.
FOREIGN = {"up"}
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "inf"}


def promtool(*arguments):
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)


def alert_rules():
    """(alert, expression) pairs, as promtool reads them: without a YAML library."""
    text = (DEPLOY / "prometheus" / "alerts.yaml").read_text()
    found = re.findall(r"- alert: (\w+)\n\s+expr: (?:>-\n)?((?:.*\n)+?)\s+(?:for|labels):", text)
    return [(name, " ".join(expression.split())) for name, expression in found]


def dashboard():
    return json.loads((DEPLOY / "grafana" / "sluice.json").read_text())


def dashboard_expressions():
    """(panel, expression) pairs, with Grafana's variables as it puts them in."""
    board = dashboard()
    pairs = [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel.get("targets", [])]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            pairs.append((variable["name"], re.sub(r"label_values\((.*), \w+\)", r"\1", variable["query"]["query"])))
    return [(title, e.replace("$__rate_interval", "1m").replace("$pool", ".*").replace("$tenant", ".*")
             .replace("$model", ".*")) for title, e in pairs]


def selectors(expression):
    """The metrics of an expression with the labels that are asked of them."""
    plain = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)", " ", expression)
    plain = re.sub(r"\[[^\]]*\]", " ", plain)
    found = []
    for match in re.finditer(r"\b([a-zA-Z_:][a-zA-Z0-9_:]*)\b\s*(\{[^}]*\})?(\s*\()?", re.sub(r'"[^"]*"', '""', plain)):
        name, labels, call = match.groups()
        if call or name in WORDS or re.fullmatch(r"[\d.]+", name):
            continue
        found.append((name, set(re.findall(r"(\w+)\s*[=!]", labels or ""))))
    return found


def grouped(expression):
    return set(re.findall(r"\w+", " ".join(re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", expression))))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Names of all metrics that a fabric of every role serves, with their labels; `None` where there is no sample."""
    from fabric import Dispatcher, Gateway, Valkey
    receiver, valkey, mock = MetricReceiver(), Valkey(), Mock()
    prices = tmp_path_factory.mktemp("prices") / "prices.json"
    prices.write_text('{"models":{"mock":{"provider":"me","input":1,"output":1,"context":8192}}}')
    telemetry = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_METRIC_EXPORT_INTERVAL": "500"}
    gateway = Gateway(valkey)
    dispatcher = Dispatcher(valkey, mock)
    serve = Runtime(
        mock, "pools.default.route.targets=default=1", f"callbacks.default.url={receiver.url}/hook",
        f"prices.file={prices}", "pools.default.cache=true", f"history.path={tmp_path_factory.mktemp('history') / 'history.db'}",
        environment=telemetry)
    programs = [gateway, dispatcher, serve]
    try:
        for program in (gateway, serve):
            for stream in (False, True):
                status, _, body = program.chat(stream=stream, stream_options={"include_usage": True} if stream else None)
                assert status == 200, body
        serve.mocked(status=400)
        until(lambda: receiver.documents, 10, "metrics by OTLP")
        names = {}
        for program in programs:
            with urllib.request.urlopen(program.url + "/metrics") as answer:
                for family in prometheus(answer.read().decode()):
                    # A family without samples yet is served, too.
                    counted = family.name + "_total" if family.type == "counter" else family.name
                    names.setdefault(counted, None)
                    for sample in family.samples:
                        names[sample.name] = (names.get(sample.name) or set()) | set(sample.labels)
        yield names
    finally:
        for program in [*programs, mock]:
            program.kill()
        valkey.stop()
        receiver.close()


def check(served, title, expression):
    found = selectors(expression)
    assert found, f"{title}: no metric in {expression}"
    for name, labels in found:
        if name in FOREIGN:
            continue
        assert name in served, f"{title}: nobody serves {name}"
        assert served[name] is not None, f"{title}: {name} has no sample here, so its labels are not known"
        # Prometheus adds these to whatever it scrapes.
        missing = labels - served[name] - {"instance", "job"}
        assert not missing, f"{title}: {name} has no label {missing}"
    known = set().union(*(served[name] for name, _ in found if name not in FOREIGN)) | {"instance", "job"}
    assert grouped(expression) <= known, f"{title}: no label {grouped(expression) - known}"


def test_every_name_of_the_alerts_is_served(served):
    rules = alert_rules()
    text = (DEPLOY / "prometheus" / "alerts.yaml").read_text()
    assert len(rules) == text.count("- alert:") >= 20
    for name, expression in rules:
        check(served, name, expression)


def test_every_alert_says_what_to_do(served):
    text = (DEPLOY / "prometheus" / "alerts.yaml").read_text()
    assert text.count("- alert:") == text.count("runbook:") == text.count("summary:") == text.count("severity:")


def test_every_name_of_the_dashboard_is_served(served):
    expressions = dashboard_expressions()
    assert len(expressions) > 40
    for title, expression in expressions:
        check(served, title, expression)


def test_expressions_of_the_dashboard_are_read_by_prometheus(tmp_path):
    rules = tmp_path / "rules.yaml"
    lines = ["groups:", "  - name: dashboard", "    rules:"]
    for number, (_, expression) in enumerate(dashboard_expressions()):
        lines += [f"      - record: panel:{number}", f"        expr: {json.dumps(expression)}"]
    rules.write_text("\n".join(lines) + "\n")
    result = promtool("check", "rules", rules)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_dashboard_is_whole():
    board = dashboard()
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels]
    assert len(set(places)) == len(places) and all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in panels)
    assert {v["name"] for v in board["templating"]["list"]} == {"datasource", "pool", "tenant", "model"}


def test_promtool_takes_rules_and_configuration():
    for arguments in (("check", "rules", "alerts.yaml"), ("check", "config", "prometheus.yaml")):
        *command, file = arguments
        result = promtool(*command, DEPLOY / "prometheus" / file)
        assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_fires_when_it_should_and_else_is_silent():
    tests = (DEPLOY / "prometheus" / "alerts_test.yaml").read_text()
    for name, _ in alert_rules():
        assert f"name: {name} fires\n" in tests and f"name: {name} is silent\n" in tests, name
    result = promtool("test", "rules", DEPLOY / "prometheus" / "alerts_test.yaml")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_manual_lists_every_alert():
    page = (ROOT / "docs" / "metrics.md").read_text()
    missing = [name for name, _ in alert_rules() if f"`{name}`" not in page]
    assert not missing, missing
