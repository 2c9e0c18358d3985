/* Periods of time in which something was wrong: see cli/eval_windows.h. */
#include "cli/eval_windows.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/time_text.h"
#include "cli/eval_csv.h"

#include <jansson.h>
#include <string.h>

static bool ends_with(const char *text, size_t length, const char *ending)
{
    return length >= strlen(ending) &&
           memcmp(text + length - strlen(ending), ending, strlen(ending)) == 0;
}

/* Length of a name without .gz and .csv. */
static size_t name_length(const char *name)
{
    size_t length = strlen(name);

    length -= ends_with(name, length, ".gz") ? 3 : 0;
    return length - (ends_with(name, length, ".csv") ? 4 : 0);
}

/* ---- entries ---- */

static enum lw_status entry_find(struct lw_eval_windows *windows, const char *name,
                                 struct lw_eval_periods **ret_entry)
{
    size_t length = name_length(name);
    struct lw_eval_periods *entry;

    for (size_t i = windows->n; i-- > 0;) { /* Lines of one series mostly follow each other. */
        entry = &windows->entries[i];
        if (strlen(entry->name) == length && memcmp(entry->name, name, length) == 0) {
            *ret_entry = entry;
            return LW_OK;
        }
    }
    if (windows->n == windows->capacity) {
        size_t capacity = windows->capacity == 0 ? 16 : 2 * windows->capacity;

        entry = lw_mem_realloc(windows->entries, capacity * sizeof(*entry));
        if (entry == NULL) {
            return LW_ENOMEM;
        }
        windows->entries = entry;
        windows->capacity = capacity;
    }
    entry = &windows->entries[windows->n];
    *entry = (struct lw_eval_periods){.name = lw_mem_alloc(length + 1)};
    if (entry->name == NULL) {
        return LW_ENOMEM;
    }
    memcpy(entry->name, name, length);
    entry->name[length] = '\0';
    windows->n++;
    *ret_entry = entry;
    return LW_OK;
}

static enum lw_status period_add(struct lw_eval_periods *entry, const struct lw_eval_period *period)
{
    if (entry->n == entry->capacity) {
        size_t capacity = entry->capacity == 0 ? 4 : 2 * entry->capacity;
        struct lw_eval_period *items = lw_mem_realloc(entry->items, capacity * sizeof(*items));

        if (items == NULL) {
            return LW_ENOMEM;
        }
        entry->items = items;
        entry->capacity = capacity;
    }
    entry->items[entry->n++] = *period;
    return LW_OK;
}

void lw_eval_windows_fini(struct lw_eval_windows *windows)
{
    for (size_t i = 0; i < windows->n; i++) {
        lw_mem_free(windows->entries[i].name);
        lw_mem_free(windows->entries[i].items);
    }
    lw_mem_free(windows->entries);
    memset(windows, 0, sizeof(*windows));
}

/* ---- JSON ---- */

static enum lw_status json_time(const char *path, const char *name, const json_t *value,
                                int64_t *ret_ns, struct lw_error *reterr)
{
    const char *text = json_string_value(value);

    if (text == NULL || !lw_time_parse_iso(text, json_string_length(value), ret_ns)) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "%s: \"%.200s\": \"%.40s\" is no time such as \"2014-02-26 13:45:00\"",
                            path, name, text == NULL ? "(no text)" : text);
    }
    return LW_OK;
}

static enum lw_status json_entry(const char *path, const char *name, const json_t *list,
                                 struct lw_eval_windows *windows, struct lw_error *reterr)
{
    struct lw_eval_periods *entry;
    enum lw_status status = entry_find(windows, name, &entry);

    if (status == LW_OK && !json_is_array(list)) {
        return lw_error_set(reterr, LW_EFORMAT, "%s: \"%.200s\" is no list of windows", path, name);
    }
    for (size_t i = 0; status == LW_OK && i < json_array_size(list); i++) {
        const json_t *pair = json_array_get(list, i);
        struct lw_eval_period period;

        if (json_array_size(pair) != 2) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "%s: \"%.200s\": window %zu is not of the form [first, last]", path,
                                name, i + 1);
        }
        status = json_time(path, name, json_array_get(pair, 0), &period.first_ns, reterr);
        if (status == LW_OK) {
            status = json_time(path, name, json_array_get(pair, 1), &period.last_ns, reterr);
        }
        if (status != LW_OK) {
            return status;
        }
        if (period.last_ns < period.first_ns) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "%s: \"%.200s\": window %zu ends before it begins", path, name,
                                i + 1);
        }
        status = period_add(entry, &period);
    }
    return status == LW_OK ? LW_OK : lw_error_set(reterr, status, "%s: no memory for it", path);
}

static enum lw_status json_read(const char *path, const void *bytes, size_t n_bytes,
                                struct lw_eval_windows *windows, struct lw_error *reterr)
{
    json_error_t error;
    json_t *root = json_loadb(bytes, n_bytes, JSON_REJECT_DUPLICATES, &error);
    enum lw_status status = LW_OK;
    const char *name;
    json_t *list;

    if (root == NULL) {
        return lw_error_set(reterr, LW_EFORMAT, "%s:%d: it is no JSON: %s", path, error.line,
                            error.text);
    }
    if (json_is_array(root)) {
        status = json_entry(path, "", root, windows, reterr);
    }
    json_object_foreach(root, name, list)
    {
        if (status == LW_OK) {
            status = json_entry(path, name, list, windows, reterr);
        }
    }
    if (!json_is_array(root) && !json_is_object(root)) {
        status = lw_error_set(reterr, LW_EFORMAT, "%s: windows by file, or a list, were expected",
                              path);
    }
    json_decref(root);
    return status;
}

/* ---- CSV ---- */

static enum lw_status csv_row(struct lw_eval_csv *csv, const int columns[3],
                              struct lw_eval_windows *windows, struct lw_error *reterr)
{
    struct lw_eval_period period;
    struct lw_eval_periods *entry;
    char name[LW_NAME_MAX] = "";
    enum lw_status status = lw_eval_csv_time(csv, columns[0], &period.first_ns, reterr);

    if (status == LW_OK) {
        status = lw_eval_csv_time(csv, columns[1], &period.last_ns, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    if (period.last_ns < period.first_ns) {
        return lw_eval_csv_refuse(csv, columns[1], "is before the start", reterr);
    }
    if (columns[2] >= 0 &&
        lw_csv_field_copy(&csv->fields[columns[2]], name, sizeof(name)) == SIZE_MAX) {
        return lw_eval_csv_refuse(csv, columns[2], "is longer than 1023 bytes", reterr);
    }
    status = entry_find(windows, name, &entry);
    if (status == LW_OK) {
        status = period_add(entry, &period);
    }
    return status == LW_OK ? LW_OK
                           : lw_error_set(reterr, status, "%s: no memory for it", csv->path);
}

static enum lw_status csv_read(const char *path, const void *bytes, size_t n_bytes,
                               struct lw_eval_windows *windows, struct lw_error *reterr)
{
    static const char *const names[] = {"file", "name", "series", "entity"};
    struct lw_eval_csv csv;
    int columns[3] = {-1, -1, -1};
    bool has_row = true;
    enum lw_status status = lw_eval_csv_open(path, bytes, n_bytes, 0, &csv, reterr);

    if (status != LW_OK) {
        return status;
    }
    columns[0] = lw_eval_csv_column(&csv, "start");
    columns[1] = lw_eval_csv_column(&csv, "end");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int column = lw_eval_csv_column(&csv, names[i]);

        columns[2] = column >= 0 ? column : columns[2];
    }
    if (columns[0] < 0 || columns[1] < 0) {
        status = lw_error_set(reterr, LW_EFORMAT, "%s:%llu: windows have columns start and end",
                              path, (unsigned long long)csv.line);
    }
    while (status == LW_OK && has_row) {
        status = lw_eval_csv_next(&csv, &has_row, reterr);
        if (status == LW_OK && has_row) {
            status = csv_row(&csv, columns, windows, reterr);
        }
    }
    lw_eval_csv_close(&csv);
    return status;
}

/* ---- either ---- */

static bool is_json(const char *text, size_t n_bytes)
{
    size_t i = 0;

    while (i < n_bytes &&
           (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n')) {
        i++;
    }
    return i < n_bytes && (text[i] == '{' || text[i] == '[');
}

enum lw_status lw_eval_windows_read_bytes(const char *path, const void *bytes, size_t n_bytes,
                                          struct lw_eval_windows *ret_windows,
                                          struct lw_error *reterr)
{
    struct lw_eval_windows windows = {0};
    enum lw_status status = is_json(bytes, n_bytes)
                                ? json_read(path, bytes, n_bytes, &windows, reterr)
                                : csv_read(path, bytes, n_bytes, &windows, reterr);

    if (status != LW_OK) {
        lw_eval_windows_fini(&windows);
        return status;
    }
    windows.is_complete = is_json(bytes, n_bytes);
    *ret_windows = windows;
    return LW_OK;
}

enum lw_status lw_eval_windows_are(const char *path, bool *ret_are, struct lw_error *reterr)
{
    struct lw_eval_csv csv;
    struct lw_csv_input *input;
    struct lw_error error;
    const char *window;
    size_t n_bytes;
    enum lw_status status = lw_csv_input_open(path, &input, &error);

    if (status != LW_OK) {
        return lw_error_set(reterr, status, "%s: %s", path, error.message);
    }
    window = lw_csv_input_window(input, &n_bytes);
    *ret_are = is_json(window, n_bytes);
    lw_csv_input_close(input);
    if (*ret_are) {
        return LW_OK;
    }
    status = lw_eval_csv_open(path, NULL, 0, 0, &csv, reterr);
    if (status == LW_OK) {
        *ret_are = lw_eval_csv_column(&csv, "start") >= 0 && lw_eval_csv_column(&csv, "end") >= 0;
        lw_eval_csv_close(&csv);
    }
    return status;
}

/* All bytes of a file, inflated. */
static enum lw_status file_read(const char *path, char **ret_bytes, size_t *ret_n,
                                struct lw_error *reterr)
{
    struct lw_csv_input *input;
    struct lw_error error;
    char *bytes = NULL;
    size_t n = 0, n_window = 0;
    enum lw_status status = lw_csv_input_open(path, &input, &error);

    if (status != LW_OK) {
        return lw_error_set(reterr, status, "%s: %s", path, error.message);
    }
    for (bool is_over = false; status == LW_OK && !is_over;) {
        const char *window = lw_csv_input_window(input, &n_window);
        char *grown = n + n_window > LW_EVAL_WINDOWS_BYTES_MAX
                          ? NULL
                          : lw_mem_realloc(bytes, n + n_window + 1);

        if (grown == NULL) {
            status = lw_error_set(&error, LW_ELIMIT, "no memory for it, or it has over %zu bytes",
                                  LW_EVAL_WINDOWS_BYTES_MAX);
            break;
        }
        bytes = grown;
        memcpy(bytes + n, window, n_window);
        n += n_window;
        is_over = lw_csv_input_is_last(input);
        status = is_over ? LW_OK : lw_csv_input_slide(input, n_window, &error);
    }
    lw_csv_input_close(input);
    if (status != LW_OK) {
        lw_mem_free(bytes);
        return lw_error_set(reterr, status, "%s: %s", path, error.message);
    }
    *ret_bytes = bytes;
    *ret_n = n;
    return LW_OK;
}

enum lw_status lw_eval_windows_read(const char *path, struct lw_eval_windows *ret_windows,
                                    struct lw_error *reterr)
{
    char *bytes = NULL;
    size_t n = 0;
    enum lw_status status = file_read(path, &bytes, &n, reterr);

    if (status == LW_OK) {
        status = lw_eval_windows_read_bytes(path, bytes, n, ret_windows, reterr);
        lw_mem_free(bytes);
    }
    return status;
}

/* ---- use ---- */

static const char *name_last(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash == NULL ? name : slash + 1;
}

/* Two names are one, but for a .csv or .csv.gz behind the second. */
static bool name_is(const char *name, const char *with_ending)
{
    size_t length = name_length(with_ending);

    return strlen(name) == length && memcmp(name, with_ending, length) == 0;
}

struct lw_eval_periods *lw_eval_windows_find(const struct lw_eval_windows *windows,
                                             const char *name)
{
    struct lw_eval_periods *found = NULL, *of_any = NULL;
    size_t n_found = 0;

    for (size_t i = 0; i < windows->n; i++) {
        struct lw_eval_periods *entry = &windows->entries[i];

        if (name_is(entry->name, name)) {
            return entry;
        }
        if (name_is(name_last(entry->name), name_last(name))) {
            found = entry;
            n_found++;
        }
        of_any = entry->name[0] == '\0' ? entry : of_any;
    }
    return n_found == 0 ? of_any : (n_found == 1 ? found : NULL);
}

/* Rows of a period: from the first row of its first moment, or else the first row in it, to the
 * first row of its last moment, or else the last row in it. Labels all rows in it. */
static bool period_apply(const struct lw_eval_period *period, const int64_t *times, size_t n,
                         uint8_t *labels, struct lw_eval_window *ret_window)
{
    size_t first = n, last = 0, exact_first = n, exact_last = n;

    for (size_t i = 0; i < n; i++) {
        if (times[i] < period->first_ns || times[i] > period->last_ns) {
            continue;
        }
        labels[i] = 1;
        first = first == n ? i : first;
        last = i;
        exact_first = exact_first == n && times[i] == period->first_ns ? i : exact_first;
        exact_last = exact_last == n && times[i] == period->last_ns ? i : exact_last;
    }
    ret_window->first = exact_first < n ? exact_first : first;
    ret_window->last = exact_last < n && exact_last >= ret_window->first ? exact_last : last;
    return first < n;
}

/* Puts a window into its place among those before it, and joins those that overlap. */
static size_t window_insert(struct lw_eval_window *windows, size_t n, struct lw_eval_window window)
{
    size_t at = n;

    while (at > 0 && windows[at - 1].first > window.first) {
        at--;
    }
    memmove(windows + at + 1, windows + at, (n - at) * sizeof(*windows));
    windows[at] = window;
    n++;
    for (size_t i = at > 0 ? at - 1 : 0; i + 1 < n;) {
        if (windows[i + 1].first > windows[i].last) {
            i++;
            continue;
        }
        windows[i].last = windows[i].last > windows[i + 1].last ? windows[i].last
                                                                : windows[i + 1].last;
        memmove(windows + i + 1, windows + i + 2, (n - i - 2) * sizeof(*windows));
        n--;
    }
    return n;
}

size_t lw_eval_windows_apply(const struct lw_eval_periods *periods, const int64_t *times, size_t n,
                             uint8_t *ret_labels, struct lw_eval_window *ret_windows,
                             size_t *ret_n_empty)
{
    size_t n_windows = 0;

    memset(ret_labels, 0, n);
    *ret_n_empty = 0;
    for (size_t i = 0; i < periods->n; i++) {
        struct lw_eval_window window;

        if (period_apply(&periods->items[i], times, n, ret_labels, &window)) {
            n_windows = window_insert(ret_windows, n_windows, window);
        } else {
            ++*ret_n_empty;
        }
    }
    return n_windows;
}
