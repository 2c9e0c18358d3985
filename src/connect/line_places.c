/* Answers of sources that are read line by line: see connect/line_places.h. */
#include "connect/line_places.h"

void lw_line_places_send(struct lw_json *json, unsigned code, struct lw_push_answer *answer)
{
    answer->code = 503;
    if (json->out.status == LW_OK) {
        answer->code = code;
        answer->content_type = "application/json";
        answer->body = json->out;
        lw_writer_init(&json->out);
    }
    lw_json_fini(json);
}

void lw_line_places_refuse(unsigned code, const char *detail, struct lw_push_answer *answer)
{
    struct lw_json json;

    lw_json_init(&json);
    lw_json_begin_object(&json);
    lw_json_key(&json, "taken");
    lw_json_int(&json, 0);
    lw_json_key(&json, "error");
    lw_json_text(&json, detail);
    lw_json_end(&json);
    lw_line_places_send(&json, code, answer);
}

void lw_line_places_answer(const struct lw_line_places *places, const char *unit,
                           struct lw_ingest_request *request, struct lw_push_answer *answer)
{
    struct lw_ingest_outcome outcome;
    struct lw_json json;

    if (lw_ingest_commit(request, &outcome) != LW_OK) {
        lw_line_places_refuse(503, "nothing can be kept at the moment: try again later", answer);
        return;
    }
    lw_json_init(&json);
    lw_json_begin_object(&json);
    lw_json_key(&json, "taken");
    lw_json_int(&json, (int64_t)outcome.n_taken);
    lw_json_key(&json, "rejected");
    lw_json_int(&json, (int64_t)outcome.n_rejected);
    lw_json_key(&json, "errors");
    lw_json_begin_array(&json);
    for (size_t i = 0; i < outcome.n_details && i < places->n; i++) {
        lw_json_begin_object(&json);
        lw_json_key(&json, unit);
        lw_json_int(&json, (int64_t)places->at[i]);
        lw_json_key(&json, "reason");
        lw_json_text(&json, outcome.details[i]);
        lw_json_end(&json);
    }
    lw_json_end(&json);
    lw_json_end(&json);
    answer->position = outcome.position;
    lw_line_places_send(&json, outcome.n_taken > 0 || outcome.n_rejected == 0 ? 200 : 400, answer);
}
