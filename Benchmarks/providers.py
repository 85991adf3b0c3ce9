#!/usr/bin/env python3
"""What translation and the cache cost: chat in OpenAI's dialect, Anthropic behind it.

usage: providers.py [--seconds 4] [--rounds 3] [--connections 64] [--litellm PATH]

Targets, in turn within each round: Sluice passing OpenAI's bytes through (`passed`), Sluice in front of Anthropic's wire
(`translated`), the same with its answers cached (`cached`), and LiteLLM's proxy in front of Anthropic's wire, if its
program is given or installed in .tools/litellm. All call the same nginx, which answers at once. CPU is user and system
time of the process tree per request.
"""

import argparse
import json
import os
import re
import statistics
import subprocess

from programs import PATH, ROOT, SLUICE, Programs, clean_environment, cpu_seconds, free_port, memory_mb

TEXT = "lorem ipsum dolor sit amet " * 16
TOOL = {"type": "function", "function": {
    "name": "weather", "description": "The weather of a city, now.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["city"]}}}
BODY = {"model": "claude-sonnet-4-5", "max_tokens": 200, "temperature": 0.2, "tools": [TOOL], "messages": [
    {"role": "system", "content": "You are a helpful assistant. " * 8},
    {"role": "user", "content": "What is the weather in Paris? " * 12},
    {"role": "assistant", "content": "Let me think about that. " * 8},
    {"role": "user", "content": "And in London? " * 12}]}
ANTHROPIC = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
             "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn", "stop_sequence": None,
             "usage": {"input_tokens": 300, "output_tokens": 90}}
OPENAI = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "claude-sonnet-4-5",
          "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
          "usage": {"prompt_tokens": 300, "completion_tokens": 90, "total_tokens": 390}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--litellm", default=str(ROOT / ".tools" / "litellm" / "bin" / "litellm"))
    arguments = parser.parse_args()
    with Programs() as programs:
        backend = free_port()
        programs.nginx(backend, f"""server {{ listen 127.0.0.1:{backend} backlog=4096;
            location /v1/messages {{ return 200 '{json.dumps(ANTHROPIC)}'; }}
            location / {{ return 200 '{json.dumps(OPENAI)}'; }} }}""")
        targets = {}

        def sluice(name, *settings):
            port = free_port()
            command = [SLUICE, "serve", "--listen", f"127.0.0.1:{port}", "--threads", "1", "--slots", "16384",
                       "--set", "pools.default.max_requests=100000"]
            for setting in settings:
                command += ["--set", setting]
            targets[name] = (port, programs.start(command, port, clean_environment(OPENAI_API_KEY="k")))

        anthropic = ["backends.default.provider=anthropic", f"backends.default.url=http://127.0.0.1:{backend}",
                     "backends.default.key=k"]
        sluice("passed", f"backends.default.url=http://127.0.0.1:{backend}/v1")
        sluice("translated", *anthropic)
        sluice("cached", *anthropic, "pools.default.cache=on")
        if os.path.exists(arguments.litellm):
            port = free_port()
            file = programs.folder / "litellm.yaml"
            file.write_text(json.dumps({"model_list": [{"model_name": "claude-sonnet-4-5", "litellm_params": {
                "model": "anthropic/claude-sonnet-4-5", "api_key": "k", "api_base": f"http://127.0.0.1:{backend}"}}],
                "litellm_settings": {"telemetry": False, "num_retries": 0}, "router_settings": {"num_retries": 0}}))
            command = [arguments.litellm, "--config", str(file), "--host", "127.0.0.1", "--port", str(port),
                       "--num_workers", "1"]
            environment = clean_environment(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_LOG="ERROR",
                                            LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true")
            targets["LiteLLM"] = (port, start_slowly(programs, command, port, environment))
        script = programs.folder / "wrk.lua"
        script.write_text(f'wrk.method="POST"\nwrk.body=[==[{json.dumps(BODY)}]==]\n'
                          'wrk.headers["Content-Type"]="application/json"\n')
        print(f"request {len(json.dumps(BODY))} bytes, {arguments.connections} connections")
        results = {name: [] for name in targets}
        for number in range(arguments.rounds + 1):
            for name, (port, pid) in targets.items():
                row = measure(script, arguments, port, pid, 1 if number == 0 else arguments.seconds)
                if number:
                    results[name].append(row)
        print(f"{'target':11} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>9} {'MB':>6} errors")
        medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
        for name, (rate, middle, high, cpu, _) in medians.items():
            errors = sum(row[4] for row in results[name])
            print(f"{name:11} {rate:8.0f} {middle:8.3f} {high:8.3f} {cpu:9.1f} {memory_mb(targets[name][1]):6.0f} {errors}")
        base = medians["translated"][3]
        print(f"translated over passed: {base / medians['passed'][3]:.2f}")
        print(f"cached over translated: {medians['cached'][3] / base:.2f}")
        if "LiteLLM" in medians:
            print(f"LiteLLM over translated: {medians['LiteLLM'][3] / base:.0f}")


def start_slowly(programs, command, port, environment):
    """Python programs take their time to listen."""
    import socket
    import time
    log = open(programs.folder / "slow.log", "a")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=programs.folder)
    programs.running.append(process)
    end = time.monotonic() + 240
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process.pid
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"bench: {command[0]} does not listen:\n{(programs.folder / 'slow.log').read_text()}")
            time.sleep(0.2)


def measure(script, arguments, port, pid, seconds):
    before = cpu_seconds(pid)
    text = subprocess.run(
        ["wrk", "-t1", f"-c{arguments.connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s",
         str(script), f"http://127.0.0.1:{port}{PATH}"], capture_output=True, text=True).stdout
    used = cpu_seconds(pid) - before
    count = int(re.search(r"(\d+) requests in", text).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)

    def latency(percent):
        value, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", text).groups()
        return float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]

    return count / seconds, latency(50), latency(99), used / max(count, 1) * 1e6, int(bad.group(1)) if bad else 0


if __name__ == "__main__":
    main()
