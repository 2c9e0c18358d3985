#!/usr/bin/env python3
"""The page of a real `lapwing run` in a real browser: it comes alive, says what it knows, obeys the content policy."""
import sys
import traceback

from browser import Browser
from daemon import Daemon

# An anomaly put in front of the server's own, since a host that just started has none. It names this host's first series.
ANOMALY = """
(() => {
  const real = window.fetch;
  window.fetch = async (path, options) => {
    const answer = await real(path, options);
    if (!String(path).startsWith("/v1/anomalies")) return answer;
    const told = await answer.json();
    const now = Date.now() / 1000;
    told.anomalies.unshift({
      id: "00000000000000ff", change: told.change, detector: "host", entity: 0, entity_name: "a <b>host</b>", open: false,
      type: "level shift", start: now - 90, last: now - 30, peak: now - 60, peak_score: 0.97, return_rows: 2e6, n_steps: 60,
      sentence: "node_load1 moved up to a new level of 8 <script>, for 1 min.",
      contributions: [
        { series: 3, name: "node_load1", share: 0.75, value: 8, expected: 1 },
        { series: null, name: "", share: 0.25, value: null, expected: null },
      ],
    });
    return new Response(JSON.stringify(told), { headers: { "Content-Type": "application/json" } });
  };
})();
"""


def address(daemon):
    return "http://{}:{}/".format(*daemon.address)


def test_comes_alive(daemon, browser):
    browser.open(address(daemon))
    browser.until("document.querySelector('.link.live') !== null")
    browser.until("document.querySelectorAll('.card').length >= 10")
    browser.until("document.querySelectorAll('.card canvas').length >= 2")
    assert browser.run("document.querySelector('h1').textContent.length") >= 1
    assert int(browser.run("document.querySelectorAll('.figure dd')[1].textContent").replace(",", "")) >= 10


def test_moves_with_the_events(daemon, browser):
    browser.until("parseFloat(document.querySelector('.figure dd').textContent) > 0")
    before = browser.run("document.querySelector('.timeline time:last-child').textContent")
    browser.until(f"document.querySelector('.timeline time:last-child').textContent !== {before!r}")


def test_says_that_it_cannot_tell_yet(daemon, browser):
    assert browser.run("document.querySelectorAll('.card .chip.learning').length") > 0
    assert "earning" in browser.run("document.querySelector('.title p').textContent")
    assert "Nothing unusual" not in browser.run("document.querySelector('.title p').textContent")


def test_draws_only_what_is_in_view(daemon, browser):
    cards = browser.run("document.querySelectorAll('.card').length")
    drawn = browser.run("document.querySelectorAll('.card canvas').length")
    assert drawn < cards, (drawn, cards)
    browser.run("document.querySelector('.card:last-child').scrollIntoView()")
    browser.until("document.querySelector('.card:last-child canvas') !== null")
    browser.run("window.scrollTo(0, 0)")


def test_filters_metrics(daemon, browser):
    all_cards = browser.run("document.querySelectorAll('.card').length")
    browser.run("document.querySelector('.title input').focus()")
    browser.type("node_load")
    browser.until(f"document.querySelectorAll('.card').length < {all_cards}")
    assert browser.run("[...document.querySelectorAll('.card h3')].every((h) => h.title.includes('node_load'))")
    browser.run("(() => { const f = document.querySelector('.title input'); f.value = ''; f.dispatchEvent(new Event('input')); })()")
    browser.until(f"document.querySelectorAll('.card').length >= {all_cards}")


def test_changes_the_time_shown(daemon, browser):
    browser.run("document.querySelectorAll('.spans button')[0].click()")
    browser.until("document.querySelectorAll('.spans button')[0].getAttribute('aria-pressed') === 'true'")
    assert browser.run("document.querySelectorAll('.spans button[aria-pressed=true]').length") == 1


def test_tells_anomalies_and_leads_to_their_metric(daemon, browser):
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=ANOMALY)["identifier"]
    browser.open(address(daemon))
    browser.run("window.ours = () => [...document.querySelectorAll('.anomaly')].find((a) => a.textContent.includes('level of 8'))")
    browser.until("window.ours() !== undefined")
    browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    text = browser.run("window.ours().textContent")
    for part in ("level shift", "for 1 min", "node_load1 moved up", "8 <script>", "score 0.97", "75 %", "8, expected 1",
                 "all metrics together"):
        assert part in text, (part, text)
    bar = browser.run("(() => { const b = window.ours().querySelector('.bar'); return b.firstChild.offsetWidth / b.offsetWidth; })()")
    assert abs(bar - 0.75) < 0.02, bar
    browser.until("document.querySelectorAll('.card').length >= 10")
    browser.run("window.ours().querySelector('.share').click()")
    browser.until("document.querySelector('.card.target') !== null")
    assert browser.run("location.hash") == "#0/3"
    browser.until("(() => { const r = document.querySelector('.card.target').getBoundingClientRect();"
                  " return r.top >= 0 && r.bottom <= innerHeight; })()")


def test_a_link_leads_to_its_series(daemon, browser):
    browser.open("about:blank")
    browser.open(address(daemon) + "#0/5")
    browser.until("document.querySelector('.card.target') !== null")


def test_is_dark_where_that_is_wanted(daemon, browser):
    light = browser.run("getComputedStyle(document.body).backgroundColor")
    browser.open(address(daemon), scheme="dark")
    browser.until("document.querySelector('.card canvas') !== null")
    dark = browser.run("getComputedStyle(document.body).backgroundColor")
    assert light != dark, (light, dark)


def test_fits_a_phone(daemon, browser):
    browser.open(address(daemon), width=390, height=844)
    browser.until("document.querySelector('.card canvas') !== null")
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.run("document.querySelector('.anomalies').getBoundingClientRect().top <"
                       " document.querySelector('.metrics').getBoundingClientRect().top")


def test_every_control_has_a_name(daemon, browser):
    nameless = browser.run(
        "[...document.querySelectorAll('button, input, a')].filter((e) =>"
        " !(e.textContent.trim() || e.getAttribute('aria-label') || e.title)).map((e) => e.outerHTML)")
    assert nameless == [], nameless


def test_asked_no_other_host_and_broke_no_policy(daemon, browser):
    ours = address(daemon)
    asked = [m["params"]["request"]["url"] for m in browser.heard if m.get("method") == "Network.requestWillBeSent"]
    assert len(asked) > 10
    foreign = [url for url in asked if not url.startswith((ours, "about:", "data:", "blob:"))]
    assert foreign == [], foreign
    wrong = [m["params"] for m in browser.heard
             if m.get("method") == "Runtime.exceptionThrown" or
             (m.get("method") == "Log.entryAdded" and m["params"]["entry"]["level"] == "error")]
    assert wrong == [], wrong


def test_says_when_the_server_is_gone(daemon, browser):
    assert daemon.end() == 0
    browser.until("document.querySelector('.link.lost') !== null")


def test_comes_back_with_the_server(daemon, browser):
    with Daemon("--listen", "{}:{}".format(*daemon.address)):
        browser.until("document.querySelector('.link.live') !== null")
        browser.until("document.querySelectorAll('.card canvas').length >= 2")


def main():
    passed = failed = 0
    with Daemon() as daemon, Browser() as browser:
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
