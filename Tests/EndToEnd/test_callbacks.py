"""Webhooks and the line of the log that every call gets, as a receiver and an operator see them."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

import pytest

from runtime import until

SECRET = "whsec_" + base64.b64encode(b"a key for tests").decode()


class Receiver:
    """Checks every signature, then answers as it is told: a status, or seconds to wait before 200."""

    def __init__(self):
        self.documents, self.faults, self.attempts, self.answers = [], [], [], []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.attempts.append(self.headers["webhook-id"])
                receiver.check(self.headers, body)
                answer = receiver.answers.pop(0) if receiver.answers else 204
                if isinstance(answer, float):
                    time.sleep(answer)
                    answer = 200
                if 200 <= answer < 300:
                    receiver.documents.append(json.loads(body))
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def check(self, headers, body):
        """As the Standard Webhooks scheme asks of a receiver."""
        if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
            self.faults.append("the time is wrong")
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(base64.b64decode(SECRET[6:]), signed, hashlib.sha256).digest()
        if headers["webhook-signature"] != "v1," + base64.b64encode(digest).decode():
            self.faults.append("the signature is wrong")

    def types(self):
        return [document["type"].removeprefix("completion.") for document in self.documents]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop()
    assert receiver.faults == []


def told(start, mock, receiver, *settings):
    return start(mock, f"callbacks.test.url={receiver.url}", f"callbacks.test.secret={SECRET}", *settings)


def test_success_and_failure_are_told_without_content(start, mock, receiver):
    runtime = told(start, mock, receiver, "pools.default.retry.attempts=1")
    status, headers, _ = runtime.chat("a prompt that nobody may see")
    assert status == 200
    assert runtime.mocked(status=500)[0] == 502
    until(lambda: len(receiver.documents) == 2, what="two documents")
    by_type = {document["type"]: document["data"] for document in receiver.documents}
    good, bad = by_type["completion.success"], by_type["completion.failure"]
    assert good["id"] == {k.lower(): v for k, v in headers.items()}["x-sluice-request-id"]
    assert good["pool"] == "default" and good["status"] == 200 and good["attempts"] == 1 and good["error"] is None
    assert good["usage"]["completion_tokens"] > 0 and good["timings_ms"]["total"] > 0
    assert bad["error"]["class"] == "server_error" and bad["outcome"] == "failed"
    assert "nobody may see" not in json.dumps(receiver.documents)


def test_every_event_of_a_stream_with_its_content(start, mock, receiver):
    events = "callbacks.test.events=before,chunk,success,failure,end"
    runtime = told(start, mock, receiver, events, "callbacks.test.content=true")
    assert runtime.chat("hello", stream=True)[0] == 200
    until(lambda: "end" in receiver.types() and "success" in receiver.types(), what="the end")
    until(lambda: len(receiver.documents) == len(set(receiver.attempts)), what="all documents")
    chunks = sorted((d["data"]["chunk"] for d in receiver.documents if "chunk" in d["data"]), key=lambda c: c["index"])
    assert [chunk["index"] for chunk in chunks] == list(range(len(chunks))) and chunks
    end = next(d["data"] for d in receiver.documents if d["type"] == "completion.end")
    assert "".join(chunk["text"] for chunk in chunks) == end["answer"]
    assert end["request"]["messages"][0]["content"] == "hello"


def test_a_receiver_that_fails_is_tried_again_under_the_same_id(start, mock, receiver):
    receiver.answers = [500, 503]
    runtime = told(start, mock, receiver)
    runtime.chat()
    until(lambda: receiver.documents, 15, "a delivery")
    assert len(receiver.attempts) == 3 and len(set(receiver.attempts)) == 1
    assert runtime.log.count("webhook not delivered") == 1


def test_a_slow_receiver_slows_nobody(start, mock, receiver):
    receiver.answers = [20.0] * 100
    runtime = told(start, mock, receiver)
    began = time.monotonic()
    for _ in range(30):
        assert runtime.chat()[0] == 200
    assert time.monotonic() - began < 5
    assert len(receiver.attempts) <= 8


def test_a_stop_delivers_what_waits_and_no_longer_than_allowed(start, mock, receiver):
    receiver.answers = [0.5] * 3
    runtime = told(start, mock, receiver)
    for _ in range(3):
        runtime.chat()
    runtime.stop()
    assert len(receiver.documents) == 3
    receiver.answers = [60.0] * 8
    runtime = told(start, mock, receiver)
    for _ in range(3):
        runtime.chat()
    began = time.monotonic()
    runtime.stop()
    assert time.monotonic() - began < 10
    assert "3 events were not delivered" in runtime.log


def test_every_call_has_a_line_without_its_prompt(start, mock):
    runtime = start(mock, "log.format=json")
    runtime.chat("a prompt that nobody may see")
    runtime.chat("another", stream=True)
    lines = until(lambda: _ended(runtime, 2), what="two lines")
    assert [line["reason"] for line in lines] == ["ok", "ok"]
    assert lines[0]["model"] == "mock" and float(lines[0]["ms"]) > 0 and lines[1]["stream"] == "true"
    assert "nobody may see" not in runtime.log
    open_runtime = start(mock, "log.format=json", "log.prompts=true")
    open_runtime.chat("a prompt for tests")
    assert "a prompt for tests" in until(lambda: _ended(open_runtime, 1), what="a line")[0]["prompt"]
    quiet = start(mock, "log.requests=none")
    quiet.chat()
    quiet.settle()
    assert "request ended" not in quiet.log


def _ended(runtime, count):
    lines = [json.loads(line) for line in runtime.log.splitlines() if '"request ended"' in line]
    return lines if len(lines) >= count else None
