"""LiteLLM's proxy as a backend. It has an environment of its own, because it is large and wants other versions of what
the other tests use: who asks for it first installs it (about a minute, 650 MB)."""

import json
import os
import pathlib
import subprocess
import tempfile
import urllib.request

from runtime import ROOT, free_port, until

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements-litellm.txt")
PLACE = ROOT / ".tools" / "litellm"


def installed():
    """The program; setup's way of doing it."""
    stamp = PLACE / ".requirements"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(PLACE)], check=True)
        pip = [str(PLACE / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
        stamp.write_text(REQUIREMENTS.read_text())
    return str(PLACE / "bin" / "litellm")


class LiteLLM:
    """A proxy in front of mock answers and of `provider`, a backend that the test plays."""

    def __init__(self, models, **router):
        program = installed()
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="sluice-litellm-")
        configuration = pathlib.Path(self.folder, "config.yaml")
        # JSON is YAML.
        configuration.write_text(json.dumps({
            "model_list": [{"model_name": name, "litellm_params": {"api_key": "sk-provider", **parameters}}
                           for name, parameters in models],
            "router_settings": {"num_retries": 0, **router},
            "litellm_settings": {"telemetry": False, "callbacks": [], "num_retries": 0}}))
        self.log_path = f"{self.folder}/log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "LITELLM_", "LLM_", "DATABASE_"))}
        self.process = subprocess.Popen(
            [program, "--config", str(configuration), "--host", "127.0.0.1", "--port", str(self.port), "--num_workers", "1"],
            stdout=open(self.log_path, "w"), stderr=subprocess.STDOUT, cwd=self.folder, env={
                **kept, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR",
                "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"})
        until(self._answers, 240, "LiteLLM answering")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _answers(self):
        assert self.process.poll() is None, pathlib.Path(self.log_path).read_text()[-4000:]
        try:
            with urllib.request.urlopen(f"{self.url}/health/liveliness", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
