"""What `make run` starts, from the first answer to both ways of leaving it."""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request

import pytest

from runtime import ROOT, free_port, post, until


@pytest.mark.parametrize("times", [1, 2])
def test_run_shows_both_answers_and_leaves_as_told(tmp_path, times):
    port = free_port()
    log = tmp_path / "log"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "SLUICE_", "LLM_"))}
    # A session of its own, so that an interrupt reaches all of it, as Ctrl-C does.
    process = subprocess.Popen(
        [str(ROOT / "scripts" / "run")], stdout=log.open("a"), stderr=subprocess.STDOUT, start_new_session=True,
        env={**clean, "SLUICE_LISTEN": f"127.0.0.1:{port}"})
    try:
        until(lambda: "Press Ctrl-C" in log.read_text() or process.poll() is not None, 20, "the two answers")
        text = log.read_text()
        assert "chat completion" in text and re.search(r"stream .*, \d+ events", text), text
        assert text.count("queued ") >= 2 and f"http://127.0.0.1:{port}/" in text
        if times == 2:
            hold = socket.create_connection(("127.0.0.1", port), 10)
            hold.sendall(post(json.dumps({"model": "mock", "messages": [
                {"role": "user", "content": 'mock:{"hang":true}'}]}).encode()))
            until(lambda: running(port) == 1, what="a request that holds the drain")
        os.killpg(process.pid, signal.SIGINT)
        if times == 2:
            until(lambda: "drain" in log.read_text(), what="draining")
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(3) == 130, log.read_text()
            hold.close()
        else:
            assert process.wait(10) == 0, log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def running(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/pools/default", timeout=5) as answer:
        return json.load(answer)["in_flight"]
