"""A real Prometheus for a test: with history put into it, on a free port, and ended."""
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


class Prometheus:
    """Context manager; `url` once entered. `samples` are lines of OpenMetrics text, without the end mark."""

    def __init__(self, samples, *options):
        self.samples, self.options = samples, options

    def __enter__(self):
        if shutil.which("prometheus") is None or shutil.which("promtool") is None:
            raise SystemExit("no Prometheus to test with: install the package prometheus")
        self.folder = tempfile.TemporaryDirectory()
        data, text = os.path.join(self.folder.name, "data"), os.path.join(self.folder.name, "history.om")
        with open(text, "w") as file:
            file.write("".join(self.samples) + "# EOF\n")
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", text, data], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
        config = os.path.join(self.folder.name, "prometheus.yml")
        with open(config, "w") as file:
            file.write("global: {}\n")
        for _ in range(5):  # A port that is free now may be taken a moment later.
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            self.log = open(os.path.join(self.folder.name, "log"), "w+")
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address=127.0.0.1:{port}",
                 "--storage.tsdb.retention.time=100y", *self.options],
                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
            if self.is_ready():
                return self
            self.end()
        self.log.seek(0)
        raise SystemExit("prometheus did not start:\n" + self.log.read()[-2000:])

    def is_ready(self):
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            try:
                # No proxy of the environment stands between two programs of one machine.
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                with opener.open(self.url + "/-/ready", timeout=5) as answer:
                    return answer.status == 200
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        return False

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __exit__(self, *_):
        self.end()
        self.log.close()
        self.folder.cleanup()
