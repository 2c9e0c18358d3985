"""docs/QUALITY.md: the tables of what was measured, with what others reach beside them."""
import json
import math
import pathlib
import statistics

import judge
import perturb

# What the detectors that publish figures reach on these series, and the recipe that tier 0 started from.
REFERENCES = {
    "nab swept": ("ARTime 76.4, HTM 68.9", "76.0", "74", "82"),
    "nab operated": ("–", "74.5 (perturbed copies 74.8 ± 0.7)", "72.5 (73)", "80"),
    "kpi areas": (".27 / .29", ".59 / .48", ".57 / .47", ".68 / .56"),
    "mscloud areas": (".64 / .53", ".79 / .59", ".77 / .58", ".85 / .67"),
    "kpi events": ("–", ".78 / .17", ".76 / .19", ".88 / .08"),
    "mscloud events": ("–", ".69 / .05", ".68 / .06", ".88 / .08"),
    "nab events": ("–", ".88 / .08", ".86 / .10", ".88 / .08"),
    "smd areas": (".57 / .60", ".72 / .69", ".70 / .67", ".80 / .76"),
    "asd areas": (".32 / .29", ".81 / .59", ".79 / .57", ".88 / .70"),
    "smap_msl areas": (".27 / .26", ".49 / .44", ".47 / .42", ".60 / .54"),
    "skab areas": (".84 / .82", ".91 / .90", ".90 / .88", ".95 / .94"),
    "smd events": (".58 / 18", ".72 / .94", ".72 / 1.0", ".90 / .5"),
    "asd events": (".76 / 2.9", ".90 / .24", ".88 / .28", ".97 / .1"),
    "smd budgets": ("–", ".14 / .87", ".14 / .85", ".60 / .95"),
    "asd budgets": ("–", ".88 / .98", ".86 / .96", ".95 / .98"),
    "smd attribution": ("–", ".82 / .89", ".80 / .88", ".90 / .95"),
    "asd attribution": ("–", ".98 / .98", ".95 / .97", ".90 / .95"),
}
ENTITIES = ("smd", "asd", "smap_msl", "skab")
PROFILES = (("standard", "standard"), ("reward_low_FP_rate", "low FP"), ("reward_low_FN_rate", "low FN"))


def read_references(evaluator):
    """Figures of simple detectors on the same sets, where they lie beside the evaluator; else nothing."""
    path = pathlib.Path(evaluator).resolve().parent / "baselines_dev.json"
    return json.loads(path.read_text())["results"] if path.exists() else {}


def number(value, digits=2):
    """.57 rather than 0.57, as the tables of the field have it."""
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def duration(seconds):
    if seconds is None:
        return "–"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def table(header, rows):
    widths = [max(len(str(row[at])) for row in (header, *rows)) for at in range(len(header))]
    lines = ["| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
             for row in (header, *rows)]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


class Figures:
    """What the evaluator said, by set and question; what it was not asked is missing."""

    def __init__(self, said):
        self.said = {key: value for key, value in said.items() if "failed" not in value}

    def of(self, *key):
        return self.said.get(" ".join(key), {})

    def area(self, name, question, what):
        return self.of(name, question).get("macro", {}).get(what)

    def areas(self, name, question):
        return f"{number(self.area(name, question, 'vus_pr'), 3)} / {number(self.area(name, question, 'auc_pr'), 3)}"

    def half_areas(self, name, question, ids):
        per = self.of(name, question).get("per_series", {})
        values = [[per[one][what] for one in ids if what in per.get(one, {})] for what in ("vus_pr", "auc_pr")]
        return " / ".join(number(statistics.fmean(some), 3) if some else "–" for some in values)

    def events(self, *key):
        """As operated: recall, false alarms a series-day, delay."""
        return self.of(*key).get("as_operated", {})

    def events_key(self, name):
        return (name, "events") if self.of(name, "events") else (name, "benchmark")

    def nab(self, key, operated):
        return self.of(*key).get("nab_score_as_operated" if operated else "nab_score", {})

    def copies(self, name):
        keys = [(name, "copy", str(at)) for at in range(len(perturb.COPIES))]
        return [(self.nab(key, True), self.nab(key, False)) for key in keys if self.of(*key)]


def recall_and_false(events):
    return f"{number(events.get('event_recall'))} / {number(events.get('false_alarms_per_day'))}" if events else "–"


def goal_rows(figures, names):
    def row(name, what, key, ours):
        return (name, what, *REFERENCES[key][:2], f"**{ours}**", *REFERENCES[key][2:])

    rows = []
    if "nab" in names:
        swept = figures.nab(figures.events_key("nab"), False).get("standard", {})
        operated = figures.nab(figures.events_key("nab"), True).get("standard", {})
        copies = [one["standard"]["score"] for one, _ in figures.copies("nab")] + [operated.get("score", math.nan)]
        rows.append(row("nab", "NAB standard, swept threshold", "nab swept", number(swept.get("score"), 1)))
        rows.append(row("nab", "NAB standard, at the point `benchmark`", "nab operated",
                        f"{number(operated.get('score'), 1)} (perturbed copies {statistics.fmean(copies):.1f} ± "
                        f"{statistics.pstdev(copies):.1f})"))
    rows += [row(name, "macro VUS-PR / AUC-PR", f"{name} areas", figures.areas(name, "benchmark"))
             for name in ("kpi", "mscloud") if name in names]
    rows += [row(name, "event recall / false alarms a series-day", f"{name} events",
                 recall_and_false(figures.events(*figures.events_key(name)))) for name in ("kpi", "mscloud", "nab") if name in names]
    rows += [row(name, "macro VUS-PR / AUC-PR", f"{name} areas", figures.areas(name, "benchmark"))
             for name in ENTITIES if name in names]
    rows += [row(name, "event recall / false alarms a stream-day, each episode by itself", f"{name} events",
                 recall_and_false(figures.events(name, "each"))) for name in ("smd", "asd") if name in names]
    for name in ("smd", "asd"):
        bought, named = figures.of(name, "budgets"), figures.of(name, "attribution")
        if bought:
            rows.append(row(name, "recall at .25 and at 1 false incident a day, one entity left out", f"{name} budgets",
                            " / ".join(number(one["recall"]) for one in bought)))
        if named:
            rows.append(row(name, "attribution: true metric first / among the first three", f"{name} attribution",
                            f"{number(named['hit_1'])} / {number(named['hit_3'])}"))
    return rows


def promise(summary, name, point):
    """False alarms a series-day that the budget allows, over the days of the set."""
    known = [one for one in summary["series"] if one["set"] == name and "days" in one]
    days = sum(one["days"] for one in known)
    return sum(one["promised"][point] * one["days"] for one in known) / days if days > 0 else None


def point_rows(figures, summary, names):
    rows = []
    for name in names:
        for point, key in (("benchmark", figures.events_key(name)), ("default", (name, "default"))):
            events = figures.events(*key)
            if events:
                rows.append((name, f"`{point}`", number(events.get("event_recall")), number(events.get("false_alarms_per_day"), 3),
                             number(promise(summary, name, point), 3), duration(events.get("mean_delay_s")),
                             duration(events.get("median_delay_s")), f"{100 * events.get('alarm_share', 0):.1f} %"))
    return rows


def area_rows(figures, sets):
    rows = []
    for manifest in sets:
        name = manifest["name"]
        halves = judge.halves(manifest)
        for question, what in (("benchmark", "with the hold"), ("own", "without")):
            if figures.of(name, question):
                rows.append((name, what, figures.areas(name, question),
                             *(figures.half_areas(name, question, ids) for ids in halves)))
    return rows


def half_rows(figures, names):
    rows = []
    for name in names:
        halves = [(name, "benchmark", half) for half in "AB"]
        if figures.of(*halves[0]):
            rows.append((name, "event recall / false alarms a series-day", *(recall_and_false(figures.events(*key)) for key in halves)))
            if figures.nab(halves[0], True):
                rows.append((name, "NAB standard at the point `benchmark`",
                             *(number(figures.nab(key, True)["standard"]["score"], 1) for key in halves)))
    return rows


def nab_rows(figures, name):
    rows = []
    key = figures.events_key(name)
    for operated, what in ((False, "swept"), (True, "point `benchmark`")):
        said = figures.nab(key, operated)
        rows.append((what, *(number(said[profile]["score"], 1) for profile, _ in PROFILES),
                     f"{said['standard']['windows_hit']} of {said['standard'].get('windows', '–')}", said["standard"]["false_alarm_rows"]))
    for copy, (operated, _) in zip(perturb.COPIES, figures.copies(name), strict=True):
        rows.append((copy, *(number(operated[profile]["score"], 1) for profile, _ in PROFILES),
                     f"{operated['standard']['windows_hit']} of {operated['standard'].get('windows', '–')}",
                     operated["standard"]["false_alarm_rows"]))
    return rows


def best_reference(references, name, what):
    known = [(said["macro"][what], detector) for detector, said in references.get(name, {}).items() if what in said.get("macro", {})]
    return f"{number(max(known)[0], 3)} ({max(known)[1]})" if known else "–"


def rest_rows(figures, references, names):
    rows = []
    for name in names:
        said = figures.of(name, "benchmark").get("macro", {})
        rows.append((name, *(f"{number(said.get(what), 3)}" for what in ("vus_pr", "auc_pr", "auc_roc")),
                     *(best_reference(references, name, what) for what in ("vus_pr", "auc_pr", "auc_roc"))))
    return rows


def fleet_rows(figures, names):
    """Budgets as chosen on the other entities: what was achieved, and by the worst entity."""
    return [(name, number(one["budget"]), number(one["recall"]), number(one["false_incidents_per_day"]), number(one["worst_entity"]))
            for name in names for one in figures.of(name, "budgets") or []]


def model_rows(figures, sets):
    """The same entities by the preset full, without smoothing, by lean, and by one ensemble for all."""
    rows = []
    for manifest in sets:
        name, halves = manifest["name"], judge.halves(manifest)
        for question, what in (("benchmark", "full"), ("own", "full, energies not smoothed"), ("lean", "lean"),
                               ("shared", "full, one ensemble for all")):
            if figures.of(name, question):
                halved = [figures.half_areas(name, question, ids) for ids in halves]
                events = figures.events(name, "each" if question == "benchmark" else question)
                rows.append((name, what, figures.areas(name, question), *halved,
                             "–" if question == "own" else recall_and_false(events)))
    return rows


def write(sets, summary, figures, references, parity):
    """The page as text."""
    names = [manifest["name"] for manifest in sets]
    single = [name for name in names if figures.of(name, "benchmark", "A")]
    several = [name for name in names if name not in single]
    parts = [HEAD.format(version=summary["version"] or "unknown", configuration=" ".join(summary["configuration"]), training=" ".join(summary["training"]),
                         digest=summary["configuration_hash"])]
    parts += [table(("set", "figure", "best reference", "recipe", "Lapwing", "at least", "aim"), goal_rows(figures, names)), GOALS]
    parts += ["\n## Both operating points\n\n" + POINTS_TEXT + "\n",
              table(("set", "point", "event recall", "false alarms a series-day", "promised", "delay, mean", "median", "rows in alarm"),
                    point_rows(figures, summary, names))]
    if single:
        parts += ["\n## With and without the hold, and both halves\n\n" + HALVES_TEXT + "\n",
                  table(("set", "state score", "VUS-PR / AUC-PR", "half A", "half B"),
                        area_rows(figures, [manifest for manifest in sets if manifest["name"] in single])), "\n",
                  table(("set", "figure", "half A", "half B"), half_rows(figures, single))]
    for name in names:
        if figures.copies(name):
            parts += [f"\n## {name}: profiles and perturbed copies\n\n" + COPIES_TEXT + "\n",
                      table(("threshold, or copy at the point `benchmark`", *(title for _, title in PROFILES), "windows hit",
                             "false rows"), nab_rows(figures, name))]
    if several:
        parts += ["\n## Sets of several metrics\n\n" + SEVERAL_TEXT + "\n",
                  table(("set", "VUS-PR", "AUC-PR", "AUC-ROC", "best VUS-PR", "best AUC-PR", "best AUC-ROC"),
                        rest_rows(figures, references, several)), "\n",
                  table(("set", "models", "VUS-PR / AUC-PR", "half A", "half B", "recall / false alarms a day"),
                        model_rows(figures, [manifest for manifest in sets if manifest["name"] in several])), "\n"]
        if fleet_rows(figures, several):
            parts += [FLEET_TEXT, "\n", table(("set", "budget a day", "event recall", "false incidents a day", "worst entity"),
                                              fleet_rows(figures, several))]
    if parity:
        parts += ["\n## Single models beside their references\n\n" + PARITY_TEXT + "\n", parity.strip(), "\n"]
    return "".join(parts)


HEAD = """# How well it finds anomalies

Written by `make bench-quality DATA=dir OUT=dir EVALUATOR=evaluate.py`; do not edit. The sets are public and real, the scorer is a
program of its own, and no figure is point-adjusted. Every series of every set ran through `lapwing replay` with one
configuration, strictly causal, each row its own step:

    lapwing replay {configuration}
    lapwing train {training}       (entities of several metrics, first; then replay --model)

{version}; sha256 of the configuration
`{digest}`. Columns of labels were taken out of the files before anything read
them. Beside it runs the default point: `--point default --set alarm_budget=1w` in place of `--point benchmark`.

"""

GOALS = """
"Recipe" is the measured prototype that tier 0 was built from. Areas are of the state score, NAB figures and nab's alarms of the
event score and its onsets. Events: an alarm episode ends after 50 quiet rows. Perturbed copies are listed below; the mean counts the
original as one of them. Constants were chosen with these series in sight: on others expect less, several points of NAB among it.
"""

POINTS_TEXT = """`benchmark` is the fixed point of the table above: a surprise once in 800 rows or 7 days (entities of several metrics: once in
1,260 rows), and any novelty. `default` is what users get; here one false alarm a series, or entity, and week. "Promised" is what the
point allows for surprises; nab counts onsets, the others alarm states, whose episodes are at least as many. Delay counts from the
first row of an event (nab: of its window).
"""

HALVES_TEXT = """A row's score fades slowly after what was unusual, which the buffers of VUS reward: so the areas also without it (taken off
the written scores, `tools/quality/hold.py`). Half A is the second, fourth … file of a folder by name, half B the others.
"""

COPIES_TEXT = """One figure on so few files says little. The copies start later, run backwards into the first row, carry normal noise of
3 % of the series' standard deviation, or hold square roots; each is judged by the labels of the original.
"""

SEVERAL_TEXT = """Tier 1: an ensemble for each entity, trained by `lapwing train` on the train part alone (skab: its first 400 rows) and served
by `lapwing replay --model`; adbench's tables have no time and no train part, so there it trains itself on the way, which says little. "Best" is the
best of six simple detectors that were trained on the train part and standardised by it. Events here are those of the point `benchmark`,
a cut for one false incident in 1,260 rows, each episode counted by itself.
"""

FLEET_TEXT = """What a budget buys on an entity nobody has tuned for: the cut is chosen on the other entities of the set and used on the one left out
(`tools/quality/budgets.py`); alarms that up to 50 quiet rows part are one incident.
"""

PARITY_TEXT = """Area under the ROC curve in percent, fitted and scored on whole tables (`bench/quality_adbench`); where it depends on
the seed, mean ± standard deviation.
"""
