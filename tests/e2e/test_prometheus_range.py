#!/usr/bin/env python3
"""History of a real Prometheus: the same verdicts as from a file of the same values, whatever the pieces it comes in."""
import csv
import http.server
import io
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import traceback
import urllib.error
import urllib.parse
import urllib.request

from prometheus import Prometheus

LAPWING = os.environ.get("LAPWING", "")
SMD = os.path.join(os.environ.get("LW_TEST_DATA", ""), "smd")
START = 1767225600  # 2026-01-01 00:00
MINUTE = 60
ROWS, COLUMNS = 700, 5
FROM, TO = str(START), str(START + (ROWS - 1) * MINUTE)


def machines():
    """{instance: rows of values}: real metrics of a server, its two parts as two machines."""
    found = {}
    for name in ("train", "test"):
        with open(os.path.join(SMD, f"machine-1-6-{name}.csv"), newline="") as file:
            rows = list(csv.reader(file))[1:ROWS + 1]
        found[name] = [[row[column] for column in (4, 5, 8, 12, 13)] for row in rows]
    return found


def openmetrics():
    for column in range(COLUMNS):
        yield f"# TYPE m{column} gauge\n"
        for instance, rows in machines().items():
            for i, row in enumerate(rows):
                yield f'm{column}{{instance="{instance}",job="smd"}} {row[column]} {START + i * MINUTE}\n'
    yield "# TYPE work counter\n"
    for i in range(ROWS):
        yield f'work_total{{instance="train",job="smd"}} {i * 120} {START + i * MINUTE}\n'


def run(*arguments, code=0):
    done = subprocess.run([LAPWING, "replay", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=200, env={**os.environ, "NO_PROXY": "127.0.0.1"})
    assert done.returncode == code, (arguments, done.returncode, done.stderr[-2000:])
    return done.stdout, done.stderr


def scores(*arguments):
    """{(time, instance, metric): the rest of the row}; series of a server carry labels in their names."""
    rows = list(csv.reader(io.StringIO(run(*arguments, "--quiet", "--out", "-")[0])))
    return {(row[0], row[1], row[2].split("{")[0]): row[3:] for row in rows[1:]}


def history(server, *more, query='{job="smd",__name__=~"m.*"}'):
    return ("--prometheus", server.url, "--query", query, "--from", FROM, "--to", TO, "--interval", "60s", *more)


def test_verdicts_are_those_of_a_file(server):
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("time,instance," + ",".join(f"m{i}" for i in range(COLUMNS)) + "\n")
        both = machines()
        for i in range(ROWS):
            for instance in both:
                file.write(f"{START + i * MINUTE},{instance}," + ",".join(both[instance][i]) + "\n")
        file.flush()
        by_file = scores(file.name, "--entity", "instance", "--step", "60s", "--set", "budget_scope=detector")
    by_server = scores(*history(server))
    assert len(by_file) == 2 * ROWS * (COLUMNS + 1) or len(by_file) > 2 * ROWS * COLUMNS, len(by_file)
    assert by_file.keys() == by_server.keys(), (len(by_file), len(by_server), sorted(by_file.keys() ^ by_server.keys())[:4])
    wrong = [(key, by_file[key], by_server[key]) for key in by_file if by_file[key] != by_server[key]]
    assert not wrong, (len(wrong), wrong[:2])


def test_pieces_do_not_matter(server):
    whole = scores(*history(server))
    _, said = run(*history(server))
    n = int(said.split("by ")[1].split(" requests")[0])
    assert n > 1, said
    limited = Prometheus(openmetrics(), "--query.max-samples=1500")
    with limited:
        _, said = run(*history(limited))
        assert "intervals at once instead of" in said, said
        assert scores(*history(limited)) == whole


def test_several_queries_are_read_side_by_side(server):
    whole = scores(*history(server))
    one_each = [part for column in range(1, COLUMNS) for part in ("--query", f"m{column}")]
    assert scores(*history(server, *one_each, query="m0")) == whole


def test_more_points_than_a_server_gives_at_once(server):
    out, said = run("--prometheus", server.url, "--query", 'm0{instance="train"}', "--from", FROM, "--to", TO, "--interval", "1s")
    assert f"{(ROWS - 1) * MINUTE + 1} values" in said, said
    assert "instead of" not in said, said  # Never asked for more than the limit.


def test_counters_are_rates(server):
    rows = scores(*history(server, query="work_total"))
    values = {row[7] for key, row in rows.items() if key[2] == "work_total"} - {""}
    assert values == {"2"}, values


def test_an_expression_has_a_name(server):
    rows = scores(*history(server, "--query", "sum by (instance) (m1)", query="max by (instance) (m0)"))
    assert {key[2] for key in rows} - {""} == {"query_1", "query_2"}, {key[2] for key in rows}


def test_what_goes_wrong_is_said_with_the_address(server):
    place = server.url + "/api/v1/query_range"
    _, said = run(*history(server, query="{job="), code=3)
    assert place in said and "parse error" in said, said
    _, said = run(*history(server, query='{job="none"}'), code=3)
    assert "no values between" in said, said
    _, said = run("--prometheus", "http://127.0.0.1:1", "--query", "up", code=3)
    assert "http://127.0.0.1:1/api/v1/query_range" in said and "onnect" in said and "trying again" in said, said
    for address in ("ftp://host", "host:9090", "http://user:word@host", "http://host/?a"):
        _, said = run("--prometheus", address, "--query", "up", code=2)
        assert "word" not in said or "password" in said and ":word" not in said, said
    run("--prometheus", server.url, code=2)
    run("--prometheus", server.url, "--query", "up", "--from", "yesterday", code=2)
    run("--prometheus", server.url, "--query", "up", "--from", "now", "--to", "-1d", code=2)
    run("--prometheus", server.url, "--query", "up", "--step", "row", code=2)
    run("--query", "up", "file.csv", code=2)


class Gate(http.server.BaseHTTPRequestHandler):
    """Stands before the server: wants a header, fails now and then, sends elsewhere."""

    failures, wanted, mode, seen = 0, None, "pass", 0

    def do_POST(self):
        gate = type(self)
        gate.seen += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if gate.mode == "redirect":
            return self.answer(302, b"", ("Location", gate.behind + self.path))
        if gate.mode == "page":
            return self.answer(200, b"<html>please log in</html>")
        if gate.mode == "endless":
            return self.answer(200, b'{"status":"success","data":"' + b"x" * (17 << 20))
        if gate.failures > 0:
            gate.failures -= 1
            return self.answer(503, b"try later")
        if gate.wanted is not None and self.headers.get("Authorization") != gate.wanted:
            return self.answer(401, b"who are you?")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(urllib.request.Request(gate.behind + self.path, data=body)) as reply:
                return self.answer(reply.status, reply.read())
        except urllib.error.HTTPError as error:
            return self.answer(error.code, error.read())

    def answer(self, code, body, *headers):
        self.send_response(code)
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def gated(server, **settings):
    """(server object, its kind) of a gate before the server."""
    kind = type("GateOf", (Gate,), {"behind": server.url, **settings})
    gate = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=gate.serve_forever, daemon=True).start()
    gate.url = f"http://127.0.0.1:{gate.server_address[1]}"
    return gate, kind


def test_failures_that_pass_are_waited_for(server):
    gate, kind = gated(server, failures=2)
    _, said = run(*history(gate))
    assert said.count("trying again") == 2 and "HTTP status 503" in said, said
    assert scores(*history(gate)) == scores(*history(server))
    kind.failures = 99
    _, said = run(*history(gate), code=3)
    assert said.count("trying again") == 3 and kind.failures == 95, said
    gate.shutdown()


def test_a_header_comes_from_a_file(server):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "auth")
        for text, header in (("Authorization: Basic dTpw\n", "Basic dTpw"), ("token-1.2_3\n", "Bearer token-1.2_3")):
            with open(path, "w") as file:
                file.write(text)
            gate, kind = gated(server, wanted=header)
            run(*history(gate, "--auth-file", path))
            kind.seen = 0
            _, said = run(*history(gate), code=3)
            assert "401" in said and kind.seen == 1, said  # Asking again would not help.
            gate.shutdown()
        for text in ("", "two words\n", "A: b\x01\n"):
            with open(path, "w") as file:
                file.write(text)
            _, said = run(*history(server, "--auth-file", path), code=2)
            assert path in said, said
        _, said = run(*history(server, "--auth-file", os.path.join(folder, "none")), code=2)
        assert "none: No such file" in said, said


def test_certificates_are_checked(server):
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        gate, kind = gated(server)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        gate.socket = context.wrap_socket(gate.socket, server_side=True)
        gate.handle_error = lambda *_: None
        gate.url = gate.url.replace("http:", "https:")
        _, said = run(*history(gate), code=3)
        assert "certificate" in said and kind.seen == 0, said
        run(*history(gate, "--ca-file", certificate))
        assert kind.seen > 0
        gate.shutdown()


def test_answers_that_are_none(server):
    for mode, words in (("redirect", "302"), ("page", "no JSON"), ("endless", "longer than 16 MiB")):
        gate, _ = gated(server, mode=mode)
        _, said = run(*history(gate), code=3)
        assert words in said and gate.url in said, (mode, said)
        gate.shutdown()


def main():
    passed = failed = 0
    with Prometheus(openmetrics()) as server:
        for name, test in sorted(globals().items()):
            if name.startswith("test_"):
                try:
                    test(server)
                    passed += 1
                except Exception:
                    failed += 1
                    print(f"not ok {name}")
                    traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
