#!/usr/bin/env python3
"""A receiver that checks signatures and the schema gets each event; what it answers is honoured; a file gets the same."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from daemon import LAPWING, Daemon
from trouble import DETECTOR, ENDED, OPENED, Trouble, wait

KEY = bytes(range(7, 39))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
with open(os.path.join(os.environ.get("LW_SOURCE", "."), "docs", "sinks", "event.schema.json")) as schema_file:
    SCHEMA = json.load(schema_file)
KINDS = {"object": dict, "array": list, "string": str, "null": type(None), "integer": int, "number": (int, float)}


class Receiver:
    """Keeps (when, headers, body) of each request; answers in turn, then 200."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def __enter__(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((time.monotonic(), dict(self.headers), body))
                code, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def check_schema(schema, value, where="event"):
    """The part of JSON Schema that ours uses; a keyword it does not know is a failure."""
    known = {"$schema", "title", "type", "required", "properties", "enum", "pattern", "minLength", "minimum", "maximum", "maxItems", "items"}
    assert schema.keys() <= known, schema.keys() - known
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(isinstance(value, KINDS[kind]) for kind in kinds) and not isinstance(value, bool), (where, value)
    if "enum" in schema:
        assert value in schema["enum"], (where, value)
    if isinstance(value, str):
        assert re.search(schema.get("pattern", ""), value) and len(value) >= schema.get("minLength", 0), (where, value)
    if isinstance(value, (int, float)):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), (where, value)
    if isinstance(value, list):
        assert len(value) <= schema.get("maxItems", len(value)), where
        for i, item in enumerate(value):
            check_schema(schema.get("items", {}), item, f"{where}[{i}]")
    if isinstance(value, dict):
        assert set(schema.get("required", [])) <= value.keys(), (where, value.keys())
        assert value.keys() == schema.get("properties", value).keys(), (where, "the schema names all there is")
        for name, member in value.items():
            check_schema(schema["properties"][name], member, f"{where}.{name}")


def check_signatures(headers, body):
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    standard = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"].split() == ["v1," + standard], headers
    assert headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(), headers
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60, headers


class Setting:
    """A folder with a configuration whose one sink is a webhook; `more` are its options, `sinks` further sinks."""

    def __init__(self, url, more, sinks=""):
        self.text = DETECTOR + f"sinks: {{hook: {{type: webhook, url: \"{url}\"{more}}}{sinks}}}\n"

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.config = os.path.join(self.folder.name, "lapwing.yml")
        self.secret = os.path.join(self.folder.name, "secret")
        self.lines = os.path.join(self.folder.name, "events.jsonl")
        with open(self.secret, "w") as file:
            file.write(SECRET + "\n")
        with open(self.config, "w") as file:
            file.write(self.text.replace("SECRET", self.secret).replace("LINES", self.lines))
        return self

    def __exit__(self, *_):
        self.folder.cleanup()


SIGNED = ", secret_file: SECRET, signature: both, external_url: \"https://lapwing.example/\""


def test_events_are_signed_and_as_the_schema_says():
    with Receiver() as receiver, Setting(receiver.url, SIGNED, ", lines: {type: file, path: LINES, external_url: \"https://lapwing.example/\"}") as setting:
        with Daemon("--config", setting.config) as daemon:
            trouble = Trouble(daemon)
            trouble.feed_to(OPENED)
            wait(lambda: len(receiver.requests) == 1)
            trouble.feed_to(ENDED)
            wait(lambda: len(receiver.requests) == 2)
            assert daemon.end() == 0
        events = []
        for _, headers, body in receiver.requests:
            assert headers["Content-Type"] == "application/json"
            check_signatures(headers, body)
            events.append(json.loads(body))
            check_schema(SCHEMA, events[-1])
            assert headers["webhook-id"] == events[-1]["data"]["id"] + "-" + events[-1]["type"].split(".")[1], headers
        opened, closed = events
        assert opened["type"] == "anomaly.opened" and closed["type"] == "anomaly.closed"
        assert opened["data"]["id"] == closed["data"]["id"] and opened["data"]["end"] is None and closed["data"]["end"] > closed["data"]["start"]
        assert opened["data"]["detector"] == "disks" and opened["data"]["entity"] == "db-1" and opened["data"]["url"].startswith("https://lapwing.example")
        assert "disk_avail" in opened["data"]["contributions"][0]["series"] and opened["data"]["contributions"][0]["value"] < 3e7 < 6e7 < opened["data"]["contributions"][0]["expected"]
        with open(setting.lines, "rb") as file:
            assert file.read() == b"".join(body + b"\n" for _, _, body in receiver.requests)


def test_a_busy_receiver_is_asked_again_when_it_says():
    with Receiver((503, {"Retry-After": "3"}), (429, {}), (307, {"Location": "http://127.0.0.1:1/"})) as receiver, Setting(receiver.url, SIGNED) as setting:
        with Daemon("--config", setting.config) as daemon:
            Trouble(daemon).feed_to(OPENED)
            wait(lambda: len(receiver.requests) == 4, 60)
            time.sleep(1)
            assert len(receiver.requests) == 4, "delivered is delivered"
            assert daemon.end() == 0
        assert receiver.requests[1][0] - receiver.requests[0][0] > 2.9, "it asked for three seconds"
        assert len({body for _, _, body in receiver.requests}) == 1
        assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 1
        for _, headers, body in receiver.requests:
            check_signatures(headers, body)


def test_what_is_refused_is_not_sent_again():
    with Receiver((410, {})) as receiver, Setting(receiver.url, ", signature: none") as setting:
        with Daemon("--config", setting.config) as daemon:
            trouble = Trouble(daemon)
            trouble.feed_to(OPENED)
            line = json.loads(wait(lambda: [line for line in daemon.log if "sink refused an event" in line])[0])
            assert line["reason"] == "HTTP status 410" and line["sink"] == "hook", line
            trouble.feed_to(ENDED)
            wait(lambda: len(receiver.requests) == 2)
            assert daemon.end() == 0
        assert [json.loads(body)["type"] for _, _, body in receiver.requests] == ["anomaly.opened", "anomaly.closed"]
        assert "webhook-signature" not in receiver.requests[0][1] and "webhook-id" in receiver.requests[0][1]


def make_certificate(folder):
    """One that is its own authority and stands for both sides: (certificate, key)."""
    paths = os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-out", paths[0], "-keyout", paths[1]], check=True, stderr=subprocess.DEVNULL)
    return paths


def test_certificates_of_both_sides_are_checked():
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
        certificate, key = make_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
        url = receiver.url.replace("http:", "https:")
        ours = f", cert_file: {certificate}, key_file: {key}"
        for more, arrives in (("", False), (f", ca_file: {certificate}", False), (ours, False), (f", ca_file: {certificate}" + ours, True)):
            receiver.requests.clear()
            with Setting(url, ", signature: none" + more) as setting, Daemon("--config", setting.config) as daemon:
                Trouble(daemon).feed_to(OPENED)
                if arrives:
                    wait(lambda: len(receiver.requests) == 1)
                else:
                    wait(lambda: [line for line in daemon.log if "sink cannot be told" in line])
                    assert receiver.requests == [], more
                assert daemon.end() == 0


def test_secrets_do_not_stand_in_the_configuration():
    for more, told in ((f", secret: {SECRET}", "secret_"), ("", "openssl rand -base64 32"), (", secret_env: LW_NONE_SUCH", "LW_NONE_SUCH")):
        with Setting("http://127.0.0.1:1/", more) as setting:
            done = subprocess.run([LAPWING, "run", "--listen", "off", "--data-dir", os.path.join(setting.folder.name, "data"), "--config", setting.config],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=20)
            assert done.returncode == 2 and told in done.stderr and SECRET not in done.stderr, (done.returncode, done.stderr)


def main():
    passed = failed = 0
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                passed += 1
            except Exception:  # pylint: disable=broad-except
                print(f"--- {name}\n{traceback.format_exc()}")
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
