"""Writes by the official clients of InfluxDB, version 1 or 2, and prints what was written and what they said.

usage: client.py 1|2 HOST PORT NAME ROUNDS
"""
import json
import sys
import time

version, host, port, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
start = time.time_ns() // 10**9 * 10**9 - rounds * 10**9
usage = [0.25 + i / 8 for i in range(rounds)]  # Histories are floats of eight digits: these are exact.
load = [i * i / 64 for i in range(rounds)]
said = {}


def version_1():
    from influxdb import InfluxDBClient
    from influxdb.exceptions import InfluxDBClientError

    client = InfluxDBClient(host=host, port=port, database="tests", gzip=True)
    said["ping"] = client.ping()
    client.create_database("tests")
    for i in range(rounds):
        client.write_points([{"measurement": "cpu time", "tags": {"host": name, "core": "0,1"}, "time": start + i * 10**9,
                              "fields": {"usage": usage[i], "count": i, "busy": i % 2 == 1, "state": "it's \"fine\"\nreally"}},
                             {"measurement": "load", "tags": {"host": name}, "time": start + i * 10**9, "fields": {"value": load[i]}}])
    client.write_points([f"rough,host={name} v=5 {start // 10**6}"], time_precision="ms", protocol="line")
    try:
        client.write_points([f"rough,host={name} v=6 {start + 10**9}", "rough v="], protocol="line")
    except InfluxDBClientError as error:
        said["refused"] = [error.code, error.content]


def version_2():
    from influxdb_client import InfluxDBClient, Point, WritePrecision
    from influxdb_client.client.write_api import SYNCHRONOUS, WriteOptions
    from influxdb_client.rest import ApiException

    with InfluxDBClient(url=f"http://{host}:{port}", token="secret", org="us", enable_gzip=True) as client:
        said["ping"] = client.ping()
        with client.write_api(write_options=WriteOptions(batch_size=7, flush_interval=500)) as writer:
            for i in range(rounds):
                writer.write("tests", "us", Point("cpu time").tag("host", name).tag("core", "0,1").field("usage", usage[i])
                             .field("count", i).field("busy", i % 2 == 1).field("state", "it's \"fine\"\nreally").time(start + i * 10**9))
                writer.write("tests", "us", Point("load").tag("host", name).field("value", load[i]).time(start + i * 10**9))
        writer = client.write_api(write_options=SYNCHRONOUS)
        writer.write("tests", "us", f"rough,host={name} v=5 {start // 10**6}", write_precision=WritePrecision.MS)
        try:
            writer.write("tests", "us", [f"rough,host={name} v=6 {start + 10**9}", "rough v="])
        except ApiException as error:
            said["refused"] = [error.status, error.body]


version_1() if version == "1" else version_2()
print(json.dumps({"usage": usage, "count": list(range(rounds)), "busy": [i % 2 for i in range(rounds)], "load": load, "said": said}))
