/* The files of a replay, CSV and recordings: see cli/replay_internal.h. */
#include "cli/replay_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "connect/csv/keys.h"
#include "connect/recording.h"

#include <stdio.h>
#include <string.h>

#define FOLDER_BYTES_MAX 120 /* Of an entity named by path. */
#define RECORDING_ROUNDS 64  /* Watermarks of a recording that go to the shards at once. */

static void event_time_note(struct replay *replay)
{
    for (uint32_t i = 0; i < replay->batch.n_points; i++) {
        int64_t time_ns = replay->batch.points[i].time_ns;

        replay->first_ns = time_ns < replay->first_ns ? time_ns : replay->first_ns;
        replay->last_ns = time_ns > replay->last_ns ? time_ns : replay->last_ns;
    }
}

/* Reads one file to its end. */
static void file_read(struct replay *replay, struct lw_csv_source *source, const char *path)
{
    bool is_over = false;

    while (!is_over && !replay->is_failed) {
        struct lw_error error;
        enum lw_status status = lw_csv_source_read(source, &replay->batch, &is_over, &error);
        uint64_t size, position;

        if (status != LW_OK) {
            lw_replay_say(replay, "%s: %s", path, error.message);
            replay->is_input_bad = true;
            is_over = true;
        }
        lw_replay_turn(replay);
        event_time_note(replay);
        status = lw_csv_batch_deliver(&replay->batch, &replay->feed, replay->watermark_every_ns,
                                      &replay->watermark_ns);
        if (status != LW_OK) {
            lw_replay_say(replay, "%s: the engine takes no more: %s", path, lw_status_name(status));
            replay->is_failed = true;
        }
        replay->n_samples += replay->batch.n_points;
        lw_replay_write(replay);
        position = lw_csv_source_position(source, &size);
        lw_progress_update(&replay->progress, replay->bytes_done + position, replay->bytes_all,
                           replay->n_samples);
    }
}

/*
 * A file that is an entity of its own is complete at its end: its open steps and anomalies close,
 * and it is not silent while later files go on. The entities of an entity column may go on in the
 * next file.
 */
static void file_end(struct replay *replay, const struct lw_csv_source *source)
{
    if (lw_csv_source_dialect(source)->entity_column >= 0) {
        return;
    }
    lw_replay_turn(replay);
    lw_replay_ending(replay, true);
    (void)replay->feed.watermark(replay->feed.context, INT64_MIN);
    lw_replay_write(replay);
    lw_replay_turn(replay);
    lw_replay_ending(replay, false);
    lw_replay_write(replay);
    replay->watermark_ns = INT64_MIN;
}

/* One line: how the file is read and what a step is. Files alike say it once. */
static void dialect_say(struct replay *replay, const struct lw_csv_source *source, const char *path)
{
    const struct lw_csv_dialect *dialect = lw_csv_source_dialect(source);
    const char *step = replay->options.step != NULL
                           ? replay->options.step
                           : (dialect->layout == LW_CSV_LONG ? "sample" : "row");
    char said[LW_REPLAY_SAID_BYTES];
    size_t length = lw_csv_dialect_describe(dialect, said, sizeof(said));

    if (replay->options.config == NULL) {
        (void)snprintf(said + length, sizeof(said) - length, "; step: %s", step);
    }
    if (!replay->options.is_quiet && strcmp(said, replay->said) != 0) {
        lw_replay_say(replay, "%s: %s%s", path, lw_csv_source_is_gzip(source) ? "gzip, " : "",
                      said);
    }
    memcpy(replay->said, said, sizeof(said));
}

void lw_replay_unit_name(const struct replay *replay, size_t file, char ret_name[LW_NAME_MAX])
{
    const char *path = replay->options.files[file];
    const char *slash = strrchr(path, '/');
    char name[LW_NAME_MAX];

    if (replay->options.unit != NULL) {
        (void)snprintf(ret_name, LW_NAME_MAX, "%s", replay->options.unit);
        return;
    }
    lw_csv_unit_name(path, name);
    if (replay->is_shared_name[file] && slash != NULL) {
        size_t folder = (size_t)(slash - path) + 1;

        folder = folder < FOLDER_BYTES_MAX ? folder : FOLDER_BYTES_MAX;
        memcpy(ret_name, path, folder);
        (void)snprintf(ret_name + folder, LW_NAME_MAX - folder, "%s", name);
    } else {
        memcpy(ret_name, name, sizeof(name));
    }
}

/* Finds the files whose names others have too. */
enum lw_status lw_replay_files_begin(struct replay *replay, struct lw_error *reterr)
{
    const struct lw_replay_options *options = &replay->options;
    struct lw_csv_keys names;
    enum lw_status status = LW_OK;

    replay->is_shared_name = lw_mem_calloc(options->n_files + 1, sizeof(*replay->is_shared_name));
    if (replay->is_shared_name == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu files", options->n_files);
    }
    lw_csv_keys_init(&names);
    for (size_t i = 0; i < options->n_files && status == LW_OK; i++) {
        char name[LW_NAME_MAX];
        uint32_t first;

        lw_csv_unit_name(options->files[i], name);
        first = lw_csv_keys_find(&names, name, strlen(name));
        if (first == LW_CSV_KEY_NONE) {
            status = lw_csv_keys_add(&names, name, strlen(name), (uint32_t)i);
        } else {
            replay->is_shared_name[i] = replay->is_shared_name[first] = true;
        }
    }
    lw_csv_keys_fini(&names);
    return status == LW_OK
               ? LW_OK
               : lw_error_set(reterr, status, "no memory for %zu files", options->n_files);
}

/* ---- recordings ---- */

static enum lw_status recorded_feed(void *context, const char *source, struct lw_feed *ret_feed,
                                    struct lw_error *reterr)
{
    const struct replay *replay = context;

    return lw_engine_feed(replay->engine, source, ret_feed, reterr);
}

/* Plays a recording to its end, as a file is read. */
static void recording_play(struct replay *replay, struct lw_recording *recording, const char *path)
{
    bool has_more = true;
    int64_t first_ns, last_ns;
    uint64_t size, n_before = replay->n_samples;

    while (has_more && !replay->is_failed) {
        struct lw_error error;
        enum lw_status status = LW_OK;

        lw_replay_turn(replay);
        for (int i = 0; i < RECORDING_ROUNDS && has_more && status == LW_OK; i++) {
            status = lw_recording_next(recording, &has_more, &error);
            replay->n_rows++;
        }
        if (status != LW_OK) {
            lw_replay_say(replay, "%s: %s", path, error.message);
            replay->is_input_bad = true;
            has_more = false;
        }
        lw_replay_write(replay);
        replay->n_samples = n_before + lw_recording_points(recording);
        lw_progress_update(&replay->progress,
                           replay->bytes_done + lw_recording_position(recording, &size),
                           replay->bytes_all, replay->n_samples);
    }
    if (lw_recording_span(recording, &first_ns, &last_ns)) {
        replay->first_ns = first_ns < replay->first_ns ? first_ns : replay->first_ns;
        replay->last_ns = last_ns > replay->last_ns ? last_ns : replay->last_ns;
    }
    replay->bytes_done += lw_recording_position(recording, &size);
}

static enum lw_exit recording_replay(struct replay *replay, const char *path)
{
    const struct lw_recording_player player = {.feed = recorded_feed, .context = replay};
    struct lw_recording *recording = NULL;
    struct lw_error error;
    enum lw_exit code = LW_EXIT_OK;

    if (lw_recording_open(path, &player, &recording, &error) != LW_OK) {
        lw_replay_say(replay, "%s: %s", path, error.message);
        replay->is_input_bad = true;
        return LW_EXIT_OK;
    }
    if (!replay->has_detectors) {
        code = lw_replay_detectors_begin(replay, NULL);
    }
    if (code == LW_EXIT_OK) {
        recording_play(replay, recording, path);
        if (!replay->options.is_quiet && !replay->is_input_bad &&
            !lw_recording_complete(recording)) {
            lw_replay_say(replay, "%s: the recording was cut off", path);
        }
    }
    lw_recording_close(recording);
    return code;
}

enum lw_exit lw_replay_file(struct replay *replay, size_t file)
{
    const char *path = replay->options.files[file];
    struct lw_csv_options csv = replay->options.csv;
    const struct lw_csv_listener listener = {.complain = lw_replay_bad_row, .context = replay};
    const struct lw_csv_setup setup = {
        .options = &csv, .feed = &replay->feed, .listener = &listener, .first_tag = replay->n_rows};
    struct lw_csv_source *source = NULL;
    struct lw_error error;
    char unit[LW_NAME_MAX];
    enum lw_exit code = LW_EXIT_OK;
    uint64_t size;

    if (strcmp(path, "-") != 0 && lw_recording_is(path)) {
        return recording_replay(replay, path);
    }
    lw_replay_unit_name(replay, file, unit);
    csv.unit_name = unit;
    if (lw_csv_source_open(&setup, path, &source, &error) != LW_OK) {
        lw_replay_say(replay, "%s: %s", path, error.message);
        replay->is_input_bad = true;
        return LW_EXIT_OK;
    }
    if (!replay->has_detectors) {
        code = lw_replay_detectors_begin(replay, lw_csv_source_dialect(source));
    }
    if (code == LW_EXIT_OK) {
        dialect_say(replay, source, path);
        file_read(replay, source, path);
        file_end(replay, source);
        replay->n_rows += lw_csv_source_rows(source);
        replay->bytes_done += lw_csv_source_position(source, &size);
    }
    lw_csv_source_close(source);
    return code;
}
