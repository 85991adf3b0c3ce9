#!/usr/bin/env python3
"""ClickHouse for tests: the real engine (chDB) in a process of its own, behind the HTTP interface that we use.

    with ClickHouse() as house:
        house.query("SELECT count() AS n FROM otel.otel_traces")  # [{"n": 0}]
        house.stop(); house.start()                               # away for a while: same port, same data
        house.trouble(status=503, times=3)                        # the next three statements are refused

As a program: `clickhouse.py --port 8123 --path FOLDER [--user NAME --password WORD]`.

What it speaks: `GET /ping`; `GET|POST /` with the statement in `query`, in the body, or begun in `query` with an
INSERT's data as the body, in any of the engine's formats; `database`, `default_format`, `param_*`; a gzipped body; an
answer gzipped when asked with `enable_http_compression=1`; credentials by Basic, by X-ClickHouse-User and -Key, or in the
query string. Errors have the engine's text and X-ClickHouse-Exception-Code.
"""

import argparse
import base64
import gzip
import http.client
import http.server
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

FORMAT = re.compile(r"\bformat\s+(\w+)\s*;?\s*$", re.IGNORECASE)
INSERT = re.compile(r"^\s*insert\s", re.IGNORECASE)
UNKNOWN_TABLE, UNKNOWN_DATABASE, AUTHENTICATION_FAILED = "60", "81", "516"


class ClickHouse:
    """One server; leave the `with` block, or call `close`, and nothing of it is left."""

    def __init__(self, port=None, path=None, user="default", password=""):
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.user, self.password = user, password
        self._own = None if path else tempfile.mkdtemp(prefix="sluice-clickhouse-")
        self.path = path or self._own
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).resolve()), "--port", str(self.port), "--path", self.path,
             "--user", self.user, "--password", self.password])
        end = time.monotonic() + 60
        while True:
            try:
                if self._send("GET", "/ping")[0] == 200:
                    return
            except OSError:
                pass
            assert self.process.poll() is None, "clickhouse.py ended at once"
            assert time.monotonic() < end, "clickhouse.py does not answer"
            time.sleep(0.05)

    def stop(self):
        """Away, as in an outage: connections are refused. What it has been given is kept."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        self.stop()
        if self._own:
            shutil.rmtree(self._own, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def query(self, sql, **parameters):
        """Rows as dictionaries; raises with the engine's text."""
        fields = {"query": sql, "default_format": "JSONEachRow"}
        fields.update({f"param_{name}": str(value) for name, value in parameters.items()})
        status, body = self._send("POST", "/?" + urllib.parse.urlencode(fields))
        if status != 200:
            raise RuntimeError(body.decode(errors="replace"))
        return [json.loads(line) for line in body.splitlines() if line]

    def insert(self, table, rows):
        """`rows` are dictionaries."""
        body = "\n".join(json.dumps(row) for row in rows).encode()
        fields = {"query": f"INSERT INTO {table} FORMAT JSONEachRow"}
        status, answer = self._send("POST", "/?" + urllib.parse.urlencode(fields), body)
        if status != 200:
            raise RuntimeError(answer.decode(errors="replace"))

    def trouble(self, status=None, times=0, delay=0, retry_after=None):
        """What happens to the next statements of others; without arguments all is well again."""
        plan = {"status": status, "times": times, "delay": delay, "retry_after": retry_after}
        assert self._send("PUT", "/trouble", json.dumps(plan).encode())[0] == 200

    def received(self):
        """What was asked of it: a list of `{"statement", "bytes", "encoding", "user"}`, the newest last."""
        return json.loads(self._send("GET", "/received")[1])

    def _send(self, method, path, body=b""):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, {
                "X-ClickHouse-User": self.user, "X-ClickHouse-Key": self.password, "X-Test-Harness": "1"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _free_port():
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Engine:
    """The library allows one statement at a time."""

    def __init__(self, path):
        from chdb import session

        self._lock = threading.Lock()
        self._session = session.Session(path)

    def run(self, statement, data, database, wanted, parameters):
        with self._lock:
            self._session.query(f"USE `{database or 'default'}`")
            if INSERT.match(statement) and data:
                return self._insert(statement, data)
            if data:
                statement = f"{statement}\n{data.decode()}"
            # The engine's own FORMAT clause is not for this interface: it is cut off and asked for.
            if not INSERT.match(statement) and (found := FORMAT.search(statement)):
                statement, wanted = statement[:found.start()], found.group(1)
            answer = self._session.query(statement, wanted, params=parameters or None)
            return answer.bytes() if hasattr(answer, "bytes") else b""

    def _insert(self, statement, data):
        found = FORMAT.search(statement)
        head, layout = (statement[:found.start()], found.group(1)) if found else (statement, "TabSeparated")
        inserter = self._session.send_insert(head, layout)
        try:
            inserter.append(data)
            inserter.finish()
        except BaseException:
            inserter.cancel()
            raise
        return b""


class Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine = None
    credentials = ("default", "")
    plan = {"times": 0}
    seen = []

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def do_PUT(self):
        Door.plan = json.loads(self._body())
        self._answer(200, b"")

    def serve(self):
        address = urllib.parse.urlsplit(self.path)
        body = self._body()
        if address.path == "/ping":
            return self._answer(200, b"Ok.\n")
        if address.path == "/received":
            return self._answer(200, json.dumps(Door.seen).encode())
        fields = {k: v[-1] for k, v in urllib.parse.parse_qs(address.query, keep_blank_values=True).items()}
        user, password = self._who(fields)
        if (user, password) != Door.credentials:
            return self._refuse(AUTHENTICATION_FAILED, f"Code: 516. DB::Exception: {user}: Authentication failed", 403)
        ours = self.headers.get("X-Test-Harness")
        if not ours and self._in_trouble():
            return
        encoding = self.headers.get("Content-Encoding", "")
        data = gzip.decompress(body) if encoding == "gzip" else body
        statement = fields.get("query", "")
        if not statement:
            statement, data = data.decode(), b""
            if INSERT.match(statement) and "\n" in statement:
                statement, rest = statement.split("\n", 1)
                data = rest.encode()
        if not ours:
            Door.seen.append({"statement": statement, "bytes": len(body), "encoding": encoding, "user": user})
            del Door.seen[:-1000]
        self._run(statement, data, fields)

    def _run(self, statement, data, fields):
        wanted = fields.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        parameters = {k[len("param_"):]: v for k, v in fields.items() if k.startswith("param_")}
        try:
            answer = Door.engine.run(statement, data, fields.get("database"), wanted, parameters)
        except Exception as error:  # the engine's errors have no common class
            text = str(error)
            code = (re.search(r"Code:\s*(\d+)", text) or [None, "1001"])[1]
            return self._refuse(code, text, 404 if code in (UNKNOWN_TABLE, UNKNOWN_DATABASE) else 500)
        headers = {"X-ClickHouse-Format": wanted}
        if fields.get("enable_http_compression") == "1" and "gzip" in self.headers.get("Accept-Encoding", ""):
            answer, headers["Content-Encoding"] = gzip.compress(answer, 1), "gzip"
        self._answer(200, answer, headers)

    def _in_trouble(self):
        plan = Door.plan
        if plan["times"] <= 0:
            return False
        plan["times"] -= 1
        time.sleep(plan.get("delay") or 0)
        if not plan.get("status"):
            return False
        headers = {"Retry-After": str(plan["retry_after"])} if plan.get("retry_after") is not None else {}
        self._answer(plan["status"], b"Code: 202. DB::Exception: Too many simultaneous queries\n", headers)
        return True

    def _who(self, fields):
        if (word := self.headers.get("Authorization", "")).startswith("Basic "):
            user, _, password = base64.b64decode(word[6:]).decode().partition(":")
            return user, password
        return (self.headers.get("X-ClickHouse-User") or fields.get("user") or "default",
                self.headers.get("X-ClickHouse-Key") or fields.get("password") or "")

    def _body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _refuse(self, code, text, status):
        self._answer(status, text.encode() + b"\n", {"X-ClickHouse-Exception-Code": code})

    def _answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain; charset=UTF-8", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--path", help="where data lie; a new folder when left out")
    parser.add_argument("--user", default="default")
    parser.add_argument("--password", default="")
    options = parser.parse_args()
    Door.engine = Engine(options.path or tempfile.mkdtemp(prefix="sluice-clickhouse-"))
    Door.credentials = (options.user, options.password)
    server = Server(("127.0.0.1", options.port), Door)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"ClickHouse on http://127.0.0.1:{options.port}", flush=True)
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
