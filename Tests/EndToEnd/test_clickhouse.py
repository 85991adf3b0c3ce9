"""The ClickHouse that other tests stand on: if it lies, they prove nothing."""

import gzip
import urllib.error
import urllib.parse
import urllib.request

import pytest

from clickhouse import ClickHouse


@pytest.fixture(scope="module")
def house():
    with ClickHouse(user="sluice", password="word") as house:
        yield house


def ask(house, sql, body=b"", headers=None, **fields):
    """As the product does: by HTTP, with an encoded body."""
    url = house.url + "/?" + urllib.parse.urlencode({"query": sql, **fields})
    who = {"X-ClickHouse-User": "sluice", "X-ClickHouse-Key": "word"}
    request = urllib.request.Request(url, body, {**who, **(headers or {})})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def test_the_engine_is_real_and_keeps_its_data_through_an_outage(house):
    house.query("CREATE TABLE t (a UInt32, m Map(LowCardinality(String), String)) ENGINE = MergeTree ORDER BY a")
    house.insert("t", [{"a": 1, "m": {"k": "é'\n"}}])
    native = ask(house, "SELECT * FROM t FORMAT Native")
    ask(house, "INSERT INTO t (a, m) FORMAT Native", gzip.compress(native), {"Content-Encoding": "gzip"})
    house.stop()
    with pytest.raises(OSError):
        house.query("SELECT 1")
    house.start()
    assert house.query("SELECT * FROM t WHERE a = {a:UInt32}", a=1) == [{"a": 1, "m": {"k": "é'\n"}}] * 2


def test_it_refuses_as_clickhouse_does(house):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(house, "SELECT 1", headers={"X-ClickHouse-Key": "wrong"})
    assert refused.value.code == 403
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(house, "SELECT * FROM nowhere.t")
    assert (refused.value.code, refused.value.headers["X-ClickHouse-Exception-Code"]) == (404, "81")
    house.trouble(status=503, times=1, retry_after=2)
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(house, "SELECT 1")
    assert (refused.value.code, refused.value.headers["Retry-After"]) == (503, "2")
    assert ask(house, "SELECT 1").strip() == b"1"
    assert house.received()[-1]["statement"] == "SELECT 1"
