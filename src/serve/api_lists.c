/* The JSON lists: entities, series, steps, anomalies; searched, sorted and paged by the engine. */
#include "base/mem.h"
#include "base/time_text.h"
#include "serve/server_internal.h"
#include "serve/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTITIES_MAX 1000
#define SERIES_MAX 1000
#define STEPS_MAX 20000
#define TYPES_MAX 16 /* As in struct lw_engine_totals. */

static void out_of_memory(struct lw_http_exchange *exchange)
{
    lw_http_send_problem(exchange, 503, "Out of memory.");
}

static void count_write(struct lw_json *json, const char *key, uint64_t n)
{
    lw_json_key(json, key);
    lw_json_int(json, (int64_t)n);
}

/* Where the next page of a list begins, or null at its end. */
static void next_write(struct lw_json *json, bool has_more, uint64_t next)
{
    lw_json_key(json, "next");
    if (has_more) {
        lw_json_int(json, (int64_t)next);
    } else {
        lw_json_null(json);
    }
}

/* ---- parameters ---- */

/* The place of a parameter's value among some words, ended by NULL; 0 where it is not given. False,
 * and answered with 400, for any other. */
static bool query_word(struct lw_http_exchange *exchange, const char *name,
                       const char *const *words, int *ret_at)
{
    const char *text = lw_http_query(exchange, name);
    char list[160] = "";

    *ret_at = 0;
    if (text == NULL) {
        return true;
    }
    for (int i = 0; words[i] != NULL; i++) {
        size_t n = strlen(list);

        if (strcmp(words[i], text) == 0) {
            *ret_at = i;
            return true;
        }
        (void)snprintf(list + n, sizeof(list) - n, "%s%s", i == 0 ? "" : ", ", words[i]);
    }
    lw_http_send_problem(exchange, 400, "The parameter \"%s\" must be one of: %s.", name, list);
    return false;
}

static bool query_alarm(struct lw_http_exchange *exchange, enum lw_alarm_choice *ret_alarm)
{
    static const char *const WORDS[] = {"any", "yes", "no", NULL};
    int at;

    if (!query_word(exchange, "alarm", WORDS, &at)) {
        return false;
    }
    *ret_alarm = (enum lw_alarm_choice)at;
    return true;
}

/* A moment in seconds. */
static bool query_time(struct lw_http_exchange *exchange, const char *name, int64_t fallback_ns,
                       int64_t *ret_ns)
{
    const char *text = lw_http_query(exchange, name);

    *ret_ns = fallback_ns;
    if (text != NULL && !lw_time_parse_epoch(text, strlen(text), LW_TIME_S, ret_ns)) {
        lw_http_send_problem(
            exchange, 400,
            "The parameter \"%s\" must be seconds since 1970-01-01 UTC, such as 1700000000.5.",
            name);
        return false;
    }
    return true;
}

/* ---- entities ---- */

static void entities_write(struct lw_json *json, const struct lw_entity_view *entities, size_t n)
{
    lw_json_begin_object(json);
    lw_json_key(json, "entities");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n; i++) {
        lw_view_entity(json, &entities[i]);
    }
    lw_json_end(json);
}

/* By number and all of them: straight from the engine, as they are now. */
static void entities_plain(struct lw_server *server, struct lw_http_exchange *exchange,
                           struct lw_entity_view *entities, uint64_t limit)
{
    struct lw_json *json = lw_http_json(exchange);
    struct lw_engine_totals totals;
    uint64_t from;
    size_t n;

    if (!lw_http_query_number(exchange, "from", 0, UINT32_MAX, 0, &from)) {
        return;
    }
    n = lw_engine_entities(server->engine, (uint32_t)from, entities, limit);
    lw_engine_recent_totals(server->engine, &totals);
    entities_write(json, entities, n);
    count_write(json, "n_matches", totals.n_entities);
    next_write(json, n == limit, n == 0 ? 0 : (uint64_t)entities[n - 1].number + 1);
    lw_json_end(json);
    lw_http_send_json(exchange, 200);
}

/* One by its name, or none. */
static void entities_named(struct lw_server *server, struct lw_http_exchange *exchange,
                           const char *name)
{
    struct lw_json *json = lw_http_json(exchange);
    const char *detector = lw_http_query(exchange, "detector");
    struct lw_entity_view entity;
    uint32_t number = 0;
    size_t n = 0;

    if (detector == NULL) {
        lw_http_send_problem(exchange, 400,
                             "With the parameter \"name\" there must be \"detector\".");
        return;
    }
    if (lw_engine_find_entity(server->engine, detector, name, &number) == LW_OK) {
        n = lw_engine_pick_entities(server->engine, &number, 1, &entity);
    }
    entities_write(json, &entity, n);
    count_write(json, "n_matches", n);
    next_write(json, false, 0);
    lw_json_end(json);
    lw_http_send_json(exchange, 200);
}

/* What the request asks for. The place that `next` told is a key and a number. */
static bool query_entities(struct lw_http_exchange *exchange, struct lw_entity_query *ret_query)
{
    static const char *const ORDERS[] = {"number", "name", "score", "last", "anomalies", NULL};
    static const char *const WAYS[] = {"default", "asc", "desc", NULL};
    const char *from = lw_http_query(exchange, "from");
    struct lw_entity_query query = {.search = lw_http_query(exchange, "search"),
                                    .detector = lw_http_query(exchange, "detector")};
    int order, way, n_read = 0;

    if (!query_alarm(exchange, &query.alarm) || !query_word(exchange, "sort", ORDERS, &order) ||
        !query_word(exchange, "order", WAYS, &way)) {
        return false;
    }
    query.order = (enum lw_entity_order)order;
    query.reverse = way == (order <= LW_BY_NAME ? 2 : 1);
    query.is_next = from != NULL;
    if (from != NULL &&
        (strlen(from) != 25 || strspn(from, "0123456789abcdef-") != 25 ||
         sscanf(from, "%16" SCNx64 "-%8" SCNx32 "%n", &query.key, &query.number, &n_read) != 2 ||
         n_read != 25)) {
        lw_http_send_problem(exchange, 400,
                             "The parameter \"from\" must be the \"next\" of the page before.");
        return false;
    }
    *ret_query = query;
    return true;
}

static void entities_found(struct lw_server *server, struct lw_http_exchange *exchange,
                           struct lw_entity_view *entities, uint64_t limit)
{
    struct lw_json *json = lw_http_json(exchange);
    struct lw_entity_query query;
    struct lw_entity_found found;
    struct lw_error error = {0};
    char next[32];
    enum lw_status status;

    if (!query_entities(exchange, &query)) {
        return;
    }
    status = lw_engine_find_entities(server->engine, &query, entities, limit, &found, &error);
    if (status != LW_OK) {
        lw_http_send_problem(exchange, status == LW_EINVAL ? 400 : 503, "%s", error.message);
        return;
    }
    (void)snprintf(next, sizeof(next), "%016" PRIx64 "-%08" PRIx32, found.key, found.number);
    entities_write(json, entities, found.n);
    count_write(json, "n_matches", found.n_matches);
    lw_json_key(json, "as_of");
    lw_view_time(json, found.counted_ns);
    lw_json_key(json, "next");
    lw_json_text(json, found.has_more ? next : NULL);
    lw_json_end(json);
    lw_http_send_json(exchange, 200);
}

void lw_api_entities(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    static const char *const SEARCHES[] = {"search", "detector", "alarm", "sort", "order"};
    const char *name = lw_http_query(exchange, "name");
    struct lw_entity_view *entities;
    bool is_plain = true;
    uint64_t limit;

    for (size_t i = 0; i < sizeof(SEARCHES) / sizeof(SEARCHES[0]); i++) {
        is_plain = is_plain && lw_http_query(exchange, SEARCHES[i]) == NULL;
    }
    if (name != NULL) {
        entities_named(server, exchange, name);
        return;
    }
    if (!lw_http_query_number(exchange, "limit", 1, ENTITIES_MAX, 100, &limit)) {
        return;
    }
    entities = lw_mem_calloc(limit, sizeof(*entities));
    if (entities == NULL) {
        out_of_memory(exchange);
    } else if (is_plain) {
        entities_plain(server, exchange, entities, limit);
    } else {
        entities_found(server, exchange, entities, limit);
    }
    lw_mem_free(entities);
}

/* ---- series and their steps ---- */

static void series_send(struct lw_http_exchange *exchange, uint32_t entity,
                        const struct lw_series_view *series, const struct lw_series_found *found)
{
    struct lw_json *json = lw_http_json(exchange);

    lw_json_begin_object(json);
    count_write(json, "entity", entity);
    lw_json_key(json, "series");
    lw_json_begin_array(json);
    for (size_t i = 0; i < found->n; i++) {
        lw_view_series(json, &series[i]);
    }
    lw_json_end(json);
    count_write(json, "n_series", found->n_series);
    count_write(json, "n_alarm", found->n_alarm);
    count_write(json, "n_matches", found->n_matches);
    next_write(json, found->has_more,
               found->n == 0 ? 0 : (uint64_t)series[found->n - 1].series + 1);
    lw_json_end(json);
    lw_http_send_json(exchange, 200);
}

void lw_api_entity_series(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_series_query query = {.search = lw_http_query(exchange, "search")};
    struct lw_series_found found;
    struct lw_series_view *series;
    uint64_t entity, from, limit;
    enum lw_status status;

    if (!lw_http_part_number(exchange, 0, UINT32_MAX, &entity) ||
        !lw_http_query_number(exchange, "from", 0, UINT32_MAX, 0, &from) ||
        !lw_http_query_number(exchange, "limit", 1, SERIES_MAX, 100, &limit) ||
        !query_alarm(exchange, &query.alarm)) {
        return;
    }
    query.entity = (uint32_t)entity;
    query.from = (uint32_t)from;
    series = lw_mem_calloc(limit, sizeof(*series));
    if (series == NULL) {
        out_of_memory(exchange);
        return;
    }
    status = lw_engine_find_series(server->engine, &query, series, limit, &found);
    if (status == LW_OK) {
        series_send(exchange, query.entity, series, &found);
    } else if (status == LW_EINVAL) {
        lw_http_send_problem(exchange, 400, "A search has less than 256 bytes.");
    } else {
        lw_http_send_problem(exchange, 404, "There is no entity %llu.", (unsigned long long)entity);
    }
    lw_mem_free(series);
}

void lw_api_series(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_json *json = lw_http_json(exchange);
    struct lw_history_point *steps;
    uint64_t entity, series, limit;
    int64_t since_ns;
    size_t n = 0;

    if (!lw_http_part_number(exchange, 0, UINT32_MAX, &entity) ||
        !lw_http_part_number(exchange, 1, UINT32_MAX, &series) ||
        !query_time(exchange, "since", INT64_MIN, &since_ns) ||
        !lw_http_query_number(exchange, "limit", 1, STEPS_MAX, STEPS_MAX, &limit)) {
        return;
    }
    steps = lw_mem_alloc(limit * sizeof(*steps));
    if (steps == NULL) {
        out_of_memory(exchange);
        return;
    }
    if (lw_engine_history(server->engine, (uint32_t)entity, (uint32_t)series, since_ns, steps,
                          limit, &n) != LW_OK) {
        lw_mem_free(steps);
        lw_http_send_problem(exchange, 404, "Entity %llu has no series %llu.",
                             (unsigned long long)entity, (unsigned long long)series);
        return;
    }
    lw_json_begin_object(json);
    count_write(json, "entity", entity);
    count_write(json, "series", series);
    lw_view_steps(json, steps, n);
    lw_json_key(json, "next_since");
    lw_view_time(json, n == limit ? steps[n - 1].time_ns : INT64_MIN);
    lw_json_end(json);
    lw_mem_free(steps);
    lw_http_send_json(exchange, 200);
}

/* ---- anomalies ---- */

/* Bit of the type asked for; 0: of any. */
static bool query_type(struct lw_http_exchange *exchange, uint32_t *ret_types)
{
    const char *text = lw_http_query(exchange, "type");

    *ret_types = 0;
    for (unsigned i = 0; text != NULL && i < TYPES_MAX; i++) {
        const char *name = lw_anomaly_type_name((enum lw_anomaly_type)i);

        *ret_types |= name != NULL && name[0] != '\0' && strcmp(text, name) == 0 ? 1u << i : 0;
    }
    if (text != NULL && *ret_types == 0) {
        lw_http_send_problem(exchange, 400,
                             "The parameter \"type\" must be a type of anomaly, such as spike.");
        return false;
    }
    return true;
}

static bool query_anomalies(struct lw_http_exchange *exchange, struct lw_anomaly_query *ret_query)
{
    static const char *const OPEN[] = {"any", "yes", NULL};
    struct lw_anomaly_query query = {.detector = lw_http_query(exchange, "detector"),
                                     .name = lw_http_query(exchange, "name")};
    uint64_t after, entity;
    int open;

    if (!lw_http_query_number(exchange, "after", 0, INT64_MAX, 0, &after) ||
        !lw_http_query_number(exchange, "entity", 0, UINT32_MAX - 1, LW_ENTITY_ANY, &entity) ||
        !query_word(exchange, "open", OPEN, &open) || !query_type(exchange, &query.types) ||
        !query_time(exchange, "since", INT64_MIN, &query.from_ns) ||
        !query_time(exchange, "until", INT64_MAX, &query.to_ns)) {
        return false;
    }
    query.after_change = after;
    query.entity = (uint32_t)entity;
    query.open_only = open == 1;
    *ret_query = query;
    return true;
}

void lw_api_anomalies(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_json *json = lw_http_json(exchange);
    struct lw_anomaly_view *anomalies;
    struct lw_anomaly_query query;
    uint64_t limit, change;
    size_t n;

    if (!query_anomalies(exchange, &query) ||
        !lw_http_query_number(exchange, "limit", 1, LW_ENGINE_ANOMALIES_KEPT, 100, &limit)) {
        return;
    }
    anomalies = lw_mem_calloc(limit, sizeof(*anomalies));
    if (anomalies == NULL) {
        out_of_memory(exchange);
        return;
    }
    n = lw_engine_find_anomalies(server->engine, &query, anomalies, limit);
    change = query.after_change;
    lw_json_begin_object(json);
    lw_json_key(json, "anomalies");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n; i++) {
        lw_view_anomaly(json, &anomalies[i]);
        change = anomalies[i].change > change ? anomalies[i].change : change;
    }
    lw_json_end(json);
    count_write(json, "change", change);
    lw_json_end(json);
    lw_mem_free(anomalies);
    lw_http_send_json(exchange, 200);
}
