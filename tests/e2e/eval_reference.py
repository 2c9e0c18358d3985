"""What `lapwing eval` computes, written from the definitions, slowly: each figure counts everything anew.

Sources are named where a figure has one. A series is (scores, labels, alarms): lists of equal length.
"""
import math

LEVELS = 250
PROFILES = {"standard": (1.0, 1.0, 0.11), "reward_low_FP_rate": (1.0, 1.0, 0.22), "reward_low_FN_rate": (1.0, 2.0, 0.11)}


def events_of(labels):
    """[(first, last)] of the runs of labelled rows."""
    firsts = [i for i, label in enumerate(labels) if label and (i == 0 or not labels[i - 1])]
    lasts = [i for i, label in enumerate(labels) if label and (i + 1 == len(labels) or not labels[i + 1])]
    return list(zip(firsts, lasts))


def harmonic(a, b):
    return 0.0 if a + b == 0 else 2 * a * b / (a + b)


# ---- ranking ----

def auc_roc(scores, labels):
    """The chance that an anomalous row scores above another one; equal scores are half a win (Mann and Whitney)."""
    bad = [score for score, label in zip(scores, labels) if label]
    good = [score for score, label in zip(scores, labels) if not label]
    return sum((a > b) + (a == b) / 2 for a in bad for b in good) / (len(bad) * len(good))


def confusion(scores, labels, threshold):
    """(alarms on labelled rows, alarms, labelled rows) at scores >= threshold."""
    alarms = [score >= threshold for score in scores]
    return sum(a and bool(label) for a, label in zip(alarms, labels)), sum(alarms), sum(map(bool, labels))


def auc_pr(scores, labels):
    """Average precision: precision at each threshold, times the recall it adds."""
    area = recall = 0.0
    for threshold in sorted(set(scores), reverse=True):
        found, alarms, all_bad = confusion(scores, labels, threshold)
        area += (found / all_bad - recall) * found / alarms
        recall = found / all_bad
    return area


def best_f1(scores, labels):
    """(F1, threshold), the highest threshold of equally good ones."""
    tried = []
    for threshold in set(scores):
        found, alarms, all_bad = confusion(scores, labels, threshold)
        tried.append((2 * found / (alarms + all_bad), threshold))
    return max(tried)


def range_areas(scores, labels, width):
    """Areas under range-PR and range-ROC with a buffer of that width (Paparrizos et al., PVLDB 2022, section 3)."""
    n, events, half = len(scores), events_of(labels), width // 2
    weights = []
    for row in range(n):
        if labels[row]:
            weights.append(1.0)
            continue
        near = [max(first - row, row - last) for first, last in events]
        weights.append(min(1.0, sum(math.sqrt(1 - d / width) for d in near if d <= half)))
    groups = []
    for first, last in events:
        if groups and groups[-1][1] >= first - half:
            groups[-1] = (groups[-1][0], last + half)
        else:
            groups.append((first - half, last + half))
    falling = sorted(scores, reverse=True)
    pr = roc = recall_before = fall_before = 0.0
    for level in range(LEVELS):
        alarms = [score >= falling[level * (n - 1) // (LEVELS - 1)] for score in scores]
        hits = sum(weight for weight, alarm in zip(weights, alarms) if alarm)
        # Rows that count as anomalous: half way between the labels and the labels with the buffers in alarm.
        positives = (sum(map(bool, labels)) + sum(1.0 if label else weight * alarm
                                                  for label, weight, alarm in zip(labels, weights, alarms))) / 2
        exists = sum(any(alarms[max(0, first):last + 1]) for first, last in groups) / len(groups)
        recall, fall = min(1.0, hits / positives) * exists, (sum(alarms) - hits) / (n - positives)
        pr += (recall - recall_before) * hits / sum(alarms)
        roc += (fall - fall_before) * (recall + recall_before) / 2
        recall_before, fall_before = recall, fall
    return pr, roc + (1 - fall_before) * (1 + recall_before) / 2


def volumes(scores, labels, window):
    """(VUS-PR, VUS-ROC): means of the areas over all widths."""
    areas = [range_areas(scores, labels, width) for width in range(window + 1)]
    return tuple(sum(area[k] for area in areas) / len(areas) for k in (0, 1))


# ---- operating points ----

def episodes_of(alarms, gap):
    """[(first, last)] of alarms; up to `gap` quiet rows do not end an episode."""
    found = []
    for row in (row for row, alarm in enumerate(alarms) if alarm):
        if found and row - found[-1][-1] <= gap + 1:
            found[-1].append(row)
        else:
            found.append([row])
    return [(rows[0], rows[-1]) for rows in found]


def point(series, gap=0, slack=0, step_seconds=None):
    """Figures of [(labels, alarms)], added up over the series."""
    n_events = n_found = n_episodes = n_false = n_rows = 0
    found = alarmed = labelled = 0
    delays = []
    for labels, alarms in series:
        events = events_of(labels)
        n_events += len(events)
        n_rows += len(labels)
        alarmed += sum(map(bool, alarms))
        labelled += sum(map(bool, labels))
        found += sum(bool(a) and bool(b) for a, b in zip(labels, alarms))
        for first, last in events:
            rows = [row for row in range(first, last + 1) if alarms[row]]
            n_found += bool(rows)
            delays += [rows[0] - first] if rows else []
        for first, last in episodes_of(alarms, gap):
            n_episodes += 1
            n_false += not any(a - slack <= last and first <= b + slack for a, b in events)
    recall = n_found / n_events
    precision = (n_episodes - n_false) / n_episodes if n_episodes else 0.0
    of_rows = found / alarmed if alarmed else 0.0
    figures = {"events": n_events, "events_detected": n_found, "event_recall": recall, "episodes": n_episodes,
               "false_episodes": n_false, "event_precision": precision, "event_f1": harmonic(precision, recall),
               "composite_f1": harmonic(of_rows, recall), "point_precision": of_rows, "point_recall": found / labelled,
               "point_f1": harmonic(of_rows, found / labelled), "alarm_share": alarmed / n_rows}
    if delays:
        figures |= {"mean_delay_rows": sum(delays) / len(delays), "median_delay_rows": sorted(delays)[len(delays) // 2]}
    if step_seconds:
        days = n_rows * step_seconds / 86400
        figures |= {"scored_days": days, "false_alarms_per_day": n_false / days}
        if delays:
            figures |= {"mean_delay_s": figures["mean_delay_rows"] * step_seconds,
                        "median_delay_s": figures["median_delay_rows"] * step_seconds}
    return figures


def at(series, threshold):
    """[(labels, alarms)] of [(scores, labels)]."""
    return [(labels, [score >= threshold for score in scores]) for scores, labels in series]


def best_shared_threshold(series, gap, slack):
    """Of the pooled scores at ranks 1, 2, 3, ... growing by a quarter, below half of all: the best composite F1."""
    pool = sorted((score for scores, _ in series for score in scores), reverse=True)
    rank, tried = 1.0, []
    while rank < len(pool) / 2:
        threshold = pool[math.floor(rank) - 1]
        figures = point(at(series, threshold), gap, slack)
        if figures["alarm_share"] <= 0.5:
            tried.append((figures["composite_f1"], threshold))
        rank = max(rank + 1, rank * 1.25)
    return max(tried)[1]


# ---- NAB ----

def nab_value(row, windows):
    """(index of the window the row is in or None, the row's value): Lavin and Ahmad, ICMLA 2015, section 3."""
    def sigmoid(y):
        return 2 / (1 + math.exp(5 * y)) - 1

    for index, (first, last) in enumerate(windows):
        if first <= row <= last:
            return index, sigmoid(-(last - row + 1) / (last - first + 1)) / sigmoid(-1)
    before = [window for window in windows if window[1] < row]
    if not before:
        return None, -1.0
    first, last = before[-1]
    distance = (row - last) / (last - first)
    return None, -1.0 if distance > 3 else sigmoid(distance)


def nab_score(files, profile, is_alarm):
    """Of [(scores, alarms, windows as rows)]; is_alarm(score, alarm) decides."""
    hit, missed, false_alarm = PROFILES[profile]
    raw = base = top = 0.0
    for scores, alarms, windows in files:
        n_probation = min(math.floor(0.15 * len(scores)), 750)
        best = {index: -missed for index, (_, last) in enumerate(windows) if last >= n_probation}
        base -= missed * len(best)
        top += hit * len(windows)
        for row in range(n_probation, len(scores)):
            if is_alarm(scores[row], alarms[row]):
                window, value = nab_value(row, windows)
                if window is None:
                    raw += value * false_alarm
                else:
                    best[window] = max(best[window], value * hit)
        raw += sum(best.values())
    return 100 * (raw - base) / (top - base)


def nab_best(files, profile):
    """The score at the threshold where it is largest."""
    thresholds = sorted({score for scores, _, _ in files for score in scores} | {math.inf}, reverse=True)
    return max(nab_score(files, profile, lambda score, _, t=threshold: score >= t) for threshold in thresholds)
