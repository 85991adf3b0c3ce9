"""A producer in a process of its own, so that it can be killed: writes down what it pushed and what came of it.

Arguments: Valkey's port, the ledger's path, a seed. Ends on SIGTERM, when nothing waits any more.
"""

import json
import random
import signal
import sys
import threading
import time

import redis

from fabric import REQUESTS, Producer

PATIENCE = 8
PAUSE = 0.06


class Soaking(Producer):
    def __init__(self, port, ledger):
        self.ledger, self.lock = ledger, threading.Lock()
        self.waiting = {}
        super().__init__(port, ttl=4)

    def write(self, kind, id, detail=""):
        with self.lock:
            print(kind, id, detail, file=self.ledger, flush=True)

    def offer(self, content):
        envelope = self.envelope(content, timeout_seconds=PATIENCE)
        id = envelope["request_id"]
        # Before the push: what is written has perhaps been pushed, what is not has not.
        self.write("push", id)
        self.waiting[id] = time.monotonic() + PATIENCE + 2
        element = json.dumps(envelope)
        while True:
            try:
                # A new connection would push again what an old one may have pushed.
                self.client.rpush(REQUESTS.format(self.pool), element)
                return
            except redis.exceptions.ConnectionError as error:
                if "refused" in str(error) or isinstance(error, redis.exceptions.BusyLoadingError):
                    time.sleep(0.05)
                    continue
                return self.write("unsure", id)
            except redis.exceptions.RedisError:
                return self.write("unsure", id)

    def look(self):
        for id in list(self.waiting):
            replies = self.replies.get(id)
            if replies:
                reply = replies[0]
                outcome = (reply.get("error_type") or "error") if reply["status"] != "ok" else ""
                self.write("error" if outcome else "ok", id, outcome)
                del self.waiting[id]
            elif time.monotonic() > self.waiting[id]:
                self.write("timeout", id)
                del self.waiting[id]


def main():
    port, path, seed = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    random.seed(seed)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    with open(path, "a") as ledger:
        producer = None
        while producer is None:
            try:
                producer = Soaking(port, ledger)
            except redis.exceptions.RedisError:
                time.sleep(0.05)
        producer.write("begin", producer.id)
        while not stopping.wait(PAUSE * random.random() * 2):
            producer.offer("mock:" + json.dumps({"latency": random.choice([5, 20, 100, 400])}))
            producer.look()
        while producer.waiting:
            producer.look()
            time.sleep(0.02)
        producer.write("end", producer.id)
        producer.close()


if __name__ == "__main__":
    main()
