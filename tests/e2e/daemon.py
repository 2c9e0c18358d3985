"""A real `lapwing run` for a test: started on a free port with a folder of its own, and ended."""
import json
import os
import signal
import subprocess
import tempfile
import threading

LAPWING = os.environ.get("LAPWING", "")


class Daemon:
    """Context manager; `address` is (host, port) once entered."""

    def __init__(self, *options):
        self.options = options
        self.log = []

    def __enter__(self):
        if not LAPWING:
            raise SystemExit("LAPWING must name the program to test")
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [LAPWING, "run", "--json", "--listen", "127.0.0.1:0", "--data-dir", self.folder.name, *self.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=self.folder.name)
        page = None
        for line in self.process.stderr:
            self.log.append(line)
            told = json.loads(line)
            if told["message"] == "watching":
                page = told["page"]
                break
        if page is None:
            raise SystemExit("lapwing run did not start:\n" + "".join(self.log))
        self.address = ("127.0.0.1", int(page.rstrip("/").rsplit(":", 1)[1]))
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()
        return self

    def end(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.reader.join(timeout=5)
        return code

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end()
        self.process.stderr.close()
        self.folder.cleanup()
