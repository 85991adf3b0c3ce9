"""Elements that nobody should push, and clocks that nobody should trust."""

import json
import random
import time

import pytest

from fabric import INDEX, INFLIGHT, REPLIES, REQUESTS
from fabric_checks import check_keys, counter, ended, resumes, runs, settled
from runtime import until

SEED = 20261121
MANY = 10_000


@pytest.fixture
def valkey(fabric):
    return fabric.valkey()


@pytest.fixture
def witness(valkey, fabric):
    return fabric.producer(valkey)


def booked(dispatcher):
    """Everything that was popped, however it went."""
    books = dispatcher.books()
    return books["accepted"] + sum(n for reason, n in books["ended"].items() if reason.startswith("rejected/"))


def memory(program):
    """Resident, in bytes."""
    with open(f"/proc/{program.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def nested(depth):
    return "[" * depth + "]" * depth


class Corpus:
    """Elements that are wrong in every way that we could think of, the same for the same seed."""

    def __init__(self, producer, seed):
        self.random, self.producer = random.Random(seed), producer
        # As long in digits at any time, so that the same seed makes the same corpus.
        self.now = int(time.time()) + 0.5
        # Must be answered well; must be answered with an error; must be answered somehow.
        self.good, self.bad, self.answered = [], [], []
        self.elements = []
        for number in range(MANY):
            kind = self.random.choices(
                (self._good, self._bad, self._absurd, self._truncated, self._flipped, self._noise, self._twice),
                (10, 35, 10, 15, 15, 10, 5))[0]
            kind(f"hostile-{number}")

    def _envelope(self, id, **fields):
        return self.producer.envelope(id=id, submitted_at=self.now, **fields)

    def _add(self, element):
        self.elements.append(element if isinstance(element, bytes) else
                             (element if isinstance(element, str) else json.dumps(element)).encode())

    def _good(self, id):
        self.good.append(id)
        self._add(self._envelope(id, surplus={"any": ["thing", None, 1e3]}))

    def _bad(self, id):
        """Ids that can be read, and something else that cannot."""
        envelope = self._envelope(id)
        wrong = [None, 7, "text", [1], {"a": 1}, True, -1.5]
        choose = self.random.choice
        what = choose(["version", "type", "missing", "call", "depth", "number", "tail"])
        if what == "version":
            envelope["contract_version"] = choose(["v1", "v3", "V2", "", 2, None, ["v2"]])
        elif what == "type":
            name = choose(["submitted_at", "call", "contract_version", "pool_id"])
            envelope[name] = choose([v for v in wrong if not (name == "submitted_at" and isinstance(v, (int, float)))
                                     and not (name == "pool_id" and v == "text") and not isinstance(v, bool)
                                     and not (name == "call" and isinstance(v, dict))])
        elif what == "missing":
            del envelope[choose(["contract_version", "call", "submitted_at"])]
        elif what == "call":
            name = choose(["model", "messages"])
            envelope["call"][name] = choose([None, 7, {"a": 1}, True])
        elif what == "depth":
            envelope["call"]["messages"] = "DEPTH"
            depth = choose([513, 1_000, 20_000])
            return self._expect(self.bad, id, json.dumps(envelope).replace('"DEPTH"', nested(depth)))
        elif what == "number":
            text = json.dumps(envelope)
            number = choose(["1e400", "-1e999", "9" * 400, "NaN", "Infinity", "0x10", "1.", "--1"])
            return self._expect(self.bad, id, text.replace(str(envelope["submitted_at"]), number))
        else:
            return self._expect(self.bad, id, json.dumps(envelope) + choose(["}", "x", "{}", ",", "\x01"]))
        self._expect(self.bad, id, envelope)

    def _expect(self, list, id, element):
        list.append(id)
        self._add(element)

    def _absurd(self, id):
        """Valid, but for times and hints that make no sense."""
        envelope = self._envelope(id)
        choose = self.random.choice
        what = choose(["submitted_at", "timeout", "deadline", "hints"])
        if what == "submitted_at":
            envelope["submitted_at"] = choose([0, -1, 1e18, -1e18, 1e308, 9007199254740993, 1e-300])
        elif what == "timeout":
            envelope["timeout_seconds"] = choose([0, -1, 1e18, 1e308, 1e-9, -1e308])
        elif what == "deadline":
            envelope["metadata"] = {"sluice": {"deadline_ms": choose([0, -1, 2 ** 53, 2 ** 63 - 1, -2 ** 63])}}
        else:
            envelope["metadata"] = {"sluice": {"priority": "highest of all", "tenant": "t" * 600},
                                    "estimated_cost_units": 2 ** 62, "page_count": -3, "pool_id": "elsewhere"}
        self._expect(self.answered, id, envelope)

    def _truncated(self, id):
        element = json.dumps(self._envelope(id), sort_keys=self.random.random() < 0.5).encode()
        self._add(element[:self.random.randrange(len(element))])

    def _flipped(self, id):
        element = bytearray(json.dumps(self._envelope(id), sort_keys=self.random.random() < 0.5).encode())
        for _ in range(self.random.choice([1, 1, 2, 8, 64])):
            element[self.random.randrange(len(element))] = self.random.randrange(256)
        self._add(bytes(element))

    def _noise(self, id):
        choose = self.random.choice
        self._add(choose([
            b"", b"null", b"[]", b"{}", b'""', b"0", b"{", b"\xff\xfe", b"\x00" * 40, nested(100_000).encode(),
            self.random.randbytes(self.random.randrange(1, 4_000)), b'{"request_id":"' + id.encode() + b'"}',
            b'{"request_id":"' + b"a" * 3_000 + b'","producer_id":"x"}', ("[" + "{\"a\":" * 300).encode(),
            b'{"request_id":"\\ud800","producer_id":"\\ud800"}', ("[" + "1," * 5_000 + "1]").encode(),
            json.dumps(self._envelope(id, producer_id="nobody:at:home")).encode(),
            json.dumps(self._envelope("x" * 513)).encode(), json.dumps(self._envelope("a\nb")).encode(),
            json.dumps(self._envelope(id)).replace("hello", "\ud800").encode("utf-8", "surrogatepass"),
        ]))

    def _twice(self, id):
        """One id on two elements."""
        envelope = self._envelope(id)
        self.answered.append(id)
        self._add(envelope)
        self._add({**envelope, "submitted_at": envelope["submitted_at"] - self.random.choice([0, 1])})


def test_ten_thousand_hostile_elements(valkey, mock, fabric, witness):
    dispatcher = fabric.dispatcher(valkey, mock)
    corpus = Corpus(witness, SEED)
    began = time.monotonic()
    push = valkey.client.pipeline(transaction=False)
    for element in corpus.elements:
        push.rpush(REQUESTS.format("default"), element)
    push.execute()
    try:
        until(lambda: booked(dispatcher) == len(corpus.elements), 60)
    except AssertionError:
        raise AssertionError(f"{booked(dispatcher)} of {len(corpus.elements)} are booked") from None
    print(f"{len(corpus.elements)} elements in {time.monotonic() - began:.1f} s: {ended(dispatcher)}")
    expected = corpus.good + corpus.bad + corpus.answered
    try:
        until(lambda: all(id in witness.replies for id in expected), 20)
    except AssertionError:
        missing = [id for id in expected if id not in witness.replies]
        element = next(e for e in corpus.elements if missing[0].encode() + b'"' in e)
        raise AssertionError(f"{len(missing)} without a reply, {missing[:5]}, as {element[:2000]}") from None
    assert all(witness.replies[id][0]["status"] == "ok" for id in corpus.good)
    for id in corpus.bad:
        reply = witness.replies[id][0]
        assert reply["status"] == "error" and reply["error_type"] and reply["error_message"], reply
        assert reply["error_source"] == "llm_dispatcher" and reply["completion"] is None
        assert runs(mock, id) == 0
    assert counter(dispatcher, "sluice_fabric_taken_total") == len(corpus.elements)
    malformed = ended(dispatcher)["rejected/malformed"]
    assert malformed >= len(corpus.bad) and counter(dispatcher, "sluice_fabric_unsupported_versions_total") > 100
    resumes(witness, time.monotonic())
    settled(dispatcher)
    assert not valkey.client.exists(INFLIGHT.format("default", dispatcher.id()), INDEX.format("default"))
    assert memory(dispatcher) < 512 << 20
    check_keys(valkey)


# MARK: Size


@pytest.mark.parametrize("megabytes", [50, 70], ids=["larger than an envelope", "larger than an answer"])
@pytest.mark.parametrize("ids", ["first", "last", "none"])
def test_a_huge_element_of_a_foreign_client(valkey, mock, fabric, witness, ids, megabytes):
    dispatcher = fabric.dispatcher(valkey, mock)
    envelope = witness.envelope("x" * (megabytes << 20))
    after = [witness.envelope() for _ in range(3)]
    text = json.dumps(envelope, sort_keys=ids == "last") if ids != "none" else "x" * (megabytes << 20)
    began = time.monotonic()
    witness.push(text, *after)
    assert all(r["status"] == "ok" for r in witness.wait(*[e["request_id"] for e in after]))
    until(lambda: ended(dispatcher).get("rejected/malformed") == 1)
    if ids != "none":
        reply, = witness.wait(envelope["request_id"])
        assert reply["status"] == "error" and "bytes" in reply["error_message"], reply
        assert runs(mock, envelope["request_id"]) == 0
    print(f"all answered after {time.monotonic() - began:.2f} s, {memory(dispatcher) >> 20} MB resident")
    resumes(witness, time.monotonic())
    settled(dispatcher)
    assert not valkey.client.exists(INFLIGHT.format("default", dispatcher.id()), INDEX.format("default"))
    assert memory(dispatcher) < 512 << 20
    check_keys(valkey)


# MARK: Clocks


def test_a_producers_clock_that_is_ahead_is_flagged_and_served(valkey, mock, fabric, witness):
    dispatcher = fabric.dispatcher(valkey, mock)
    ahead = witness.envelope(submitted_at=time.time() + 3_600)
    reply, = witness.wait(*witness.push(ahead))
    assert reply["status"] == "ok"
    line = next(line for line in dispatcher.log.splitlines() if "a producer's clock is ahead" in line)
    assert witness.id in line and 3_590 <= int(line.split("seconds=")[1].split()[0]) <= 3_601
    assert counter(dispatcher, "sluice_fabric_skewed_clocks_total") == 1
    # An hour ahead does not make a deadline an hour later.
    hanging = witness.envelope('mock:{"hang":true}', submitted_at=time.time() + 3_600, timeout_seconds=0.5)
    reply, = witness.wait(*witness.push(hanging), seconds=5)
    assert reply["status"] == "error" and reply["error_type"] == "APITimeoutError", reply
    settled(dispatcher)
    check_keys(valkey)


def test_a_producers_clock_that_is_behind_cannot_be_told_from_waiting(valkey, mock, fabric, witness):
    """What it asks for is kept: with ten minutes to wait it has expired and is never sent, with two hours it runs."""
    dispatcher = fabric.dispatcher(valkey, mock)
    late = witness.envelope(submitted_at=time.time() - 3_600)
    patient = witness.envelope(submitted_at=time.time() - 3_600, timeout_seconds=7_200)
    expired, answered = witness.wait(*witness.push(late, patient))
    assert expired["status"] == "error" and expired["error_type"] == "APITimeoutError"
    assert runs(mock, late["request_id"]) == 0 and answered["status"] == "ok"
    assert ended(dispatcher) == {"expired/deadline": 1, "done/ok": 1}
    settled(dispatcher)
    assert not valkey.client.exists(REPLIES.format(witness.id))
    check_keys(valkey)
