#!/usr/bin/env python3
"""The page over some thousand entities: it lists a page of them, finds any, and is told only of what it shows."""
import http.client
import json
import os
import sys
import tempfile
import time
import traceback
from urllib.parse import parse_qs, urlsplit

from browser import Browser
from daemon import Daemon

ENTITIES = 3000
CONFIG = "detectors: {fleet: {match: \"temperature*\", step: sample, models: none, silent_after: 5s}}\n"


def push(daemon, numbers, at_s):
    lines = [f"temperature,instance=Rack-{i} value={20 + i % 7} {int(at_s * 1e9)}" for i in numbers]
    link = http.client.HTTPConnection(*daemon.address, timeout=20)
    link.request("POST", "/write", "\n".join(lines) + "\n")
    answer = link.getresponse()
    body = answer.read()
    link.close()
    assert answer.status == 204, (answer.status, body)


def get(daemon, path):
    link = http.client.HTTPConnection(*daemon.address, timeout=20)
    link.request("GET", path)
    answer = link.getresponse()
    body = answer.read()
    link.close()
    assert answer.status == 200, (path, answer.status, body)
    return json.loads(body)


def address(daemon):
    return "http://{}:{}/".format(*daemon.address)


def names(browser):
    return browser.run("[...document.querySelectorAll('.entity .name')].map((e) => e.textContent)")


def test_pages_of_the_list_hold_each_entity_once(daemon, browser):
    seen, start = [], ""
    while start is not None:
        page = get(daemon, "/v1/entities?sort=name&limit=700" + (f"&from={start}" if start else ""))
        assert page["n_matches"] == ENTITIES, page["n_matches"]
        seen += [entity["name"] for entity in page["entities"]]
        start = page["next"]
    assert seen == [f"Rack-{i}" for i in range(ENTITIES)], seen[:20]


def test_lists_a_page_and_counts_all(daemon, browser):
    browser.open(address(daemon))
    browser.until("document.querySelectorAll('.entity').length >= 50")
    assert len(names(browser)) <= 100
    browser.until("document.querySelector('.counts').textContent.includes('of 3,000')")


def test_is_told_only_of_what_is_on_the_screen(daemon, browser):
    time.sleep(1)  # A moment after the last change of view the stream is opened anew.
    asked = [m["params"]["request"]["url"] for m in browser.heard if m.get("method") == "Network.requestWillBeSent"]
    streams = [parse_qs(urlsplit(url).query) for url in asked if "/v1/events" in url]
    assert streams
    watched = streams[-1]["entities"][0].split(",")
    assert 5 <= len(watched) <= 61, watched
    assert not [url for url in asked if "/v1/entities?" in url and "limit=1000" in url]


def test_goes_on_at_the_end_of_the_list(daemon, browser):
    browser.run("document.querySelector('.entities').scrollTop = 1e6")
    browser.until("document.querySelectorAll('.entity').length >= 100")
    assert len(set(names(browser))) == len(names(browser))
    browser.run("document.querySelector('.entities').scrollTop = 0")


def test_sorts_by_name(daemon, browser):
    browser.run("(() => { const s = document.querySelector('.entities select'); s.value = 'name';"
                " s.dispatchEvent(new Event('change', { bubbles: true })); })()")
    browser.until("document.querySelector('.entity .name')?.textContent === 'Rack-0'")
    assert names(browser)[:12] == [f"Rack-{i}" for i in range(12)]


def test_finds_and_opens_by_keyboard_alone(daemon, browser):
    browser.run("document.activeElement.blur()")
    browser.press("/")
    browser.type("rack-2718")
    browser.until("document.querySelector('.counts').textContent.includes('1 found')")
    browser.until("document.querySelector('.entity .name')?.textContent === 'Rack-2718'")
    browser.press("Enter")
    browser.until("document.querySelector('h1').textContent === 'Rack-2718'")
    browser.until("document.querySelector('.card') !== null")


def test_says_that_nothing_was_found(daemon, browser):
    browser.run("document.querySelector('.entities input').focus()")
    browser.type("x")
    browser.until("document.querySelector('.entities .hint')?.textContent.includes('No entity')")
    assert names(browser) == []


def test_a_link_by_name_leads_to_its_entity(daemon, browser):
    browser.open("about:blank")
    browser.open(address(daemon) + "#/entity?detector=fleet&entity=Rack-1414")
    browser.until("document.querySelector('h1')?.textContent === 'Rack-1414'")


def test_fits_a_phone(daemon, browser):
    browser.open("about:blank")
    browser.open(address(daemon), width=390, height=844)
    browser.until("document.querySelectorAll('.entity').length >= 10")
    assert browser.run("document.documentElement.scrollWidth") <= 390


def test_broke_nothing(daemon, browser):
    wrong = [m["params"] for m in browser.heard
             if m.get("method") == "Runtime.exceptionThrown" or
             (m.get("method") == "Log.entryAdded" and m["params"]["entry"]["level"] == "error")]
    assert wrong == [], wrong


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "lapwing.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        with Daemon("--config", config) as daemon, Browser() as browser:
            for at in range(3):
                push(daemon, range(ENTITIES), time.time() - 3 + at)
            for name, test in [(n, t) for n, t in globals().items() if n.startswith("test_")]:
                try:
                    test(daemon, browser)
                    passed += 1
                except Exception:  # One that fails shall not hide the others.
                    print(f"{name}:")
                    traceback.print_exc(file=sys.stdout)
                    failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
