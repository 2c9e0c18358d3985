/* Scores steps with an ensemble, saves it and loads it: see detect/ensemble.h. */
#include "detect/ensemble.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/linear.h"

#include <math.h>
#include <string.h>

#define ENSEMBLE_VERSION 1u
#define BLOCK_FLOATS 16384u /* Of views, on the stack. */
#define BLOCK_ROWS 64u

void lw_ensemble_destroy(struct lw_ensemble *ensemble)
{
    if (ensemble == NULL) {
        return;
    }
    for (size_t i = 0; i < ensemble->n_members; i++) {
        if (ensemble->members[i].model != NULL) {
            ensemble->members[i].class->destroy(ensemble->members[i].model);
        }
    }
    lw_views_destroy(ensemble->views);
    lw_mem_free(ensemble);
}

size_t lw_ensemble_n_columns(const struct lw_ensemble *ensemble)
{
    return lw_views_n_columns(ensemble->views);
}

/* Floats that a member keeps for each entity. */
static size_t member_n_state(const struct lw_member *member)
{
    return member->model == NULL || member->class->n_state == NULL
               ? 0
               : member->class->n_state(member->model);
}

size_t lw_ensemble_n_state(const struct lw_ensemble *ensemble)
{
    size_t n = lw_views_n_state(ensemble->views);

    for (size_t i = 0; i < ensemble->n_members; i++) {
        n += member_n_state(&ensemble->members[i]);
    }
    return n;
}

size_t lw_ensemble_bytes(const struct lw_ensemble *ensemble)
{
    size_t n_bytes = sizeof(*ensemble) + lw_views_bytes(ensemble->views);

    for (size_t i = 0; i < ensemble->n_members; i++) {
        if (ensemble->members[i].model != NULL) {
            n_bytes += ensemble->members[i].class->bytes(ensemble->members[i].model);
        }
    }
    return n_bytes;
}

/* The views of some rows that go through the members together. */
struct block {
    size_t n, n_columns;
    size_t source[BLOCK_ROWS];   /* Which of the caller's rows. */
    float surprise[BLOCK_ROWS];  /* Of the linear forecaster. */
    float distances[BLOCK_ROWS]; /* Of the member at work. */
    double energy[BLOCK_ROWS];   /* Weighted sums, and those of the weights. */
    double weight[BLOCK_ROWS];
    float *views[LW_VIEW_PATCH + 1]; /* By view, [n][width]. */
};

static void block_init(struct block *block, size_t n_columns, float *memory, size_t n_rows)
{
    block->n = 0;
    block->n_columns = n_columns;
    for (int view = 0; view <= LW_VIEW_PATCH; view++) {
        block->views[view] = memory;
        memory += lw_view_width((enum lw_view)view, n_columns) * n_rows;
    }
}

/* Where the views of the block's next row go. */
static void block_row(const struct block *block, struct lw_views_row *ret_row)
{
    ret_row->values = block->views[LW_VIEW_VALUES] + block->n * block->n_columns;
    ret_row->residual = block->views[LW_VIEW_RESIDUAL] + block->n * block->n_columns;
    ret_row->embedding = block->views[LW_VIEW_EMBEDDING] + block->n * LW_VIEWS_EMBEDDING;
    ret_row->patch = block->views[LW_VIEW_PATCH] + block->n * LW_VIEWS_PATCH;
}

/* The member's distances of the block; its states lie state_at floats into those of the entities.
 */
static void member_score(const struct lw_member *member, struct block *block, float *const *states,
                         size_t state_at)
{
    const float *rows = block->views[member->view];
    size_t width = lw_view_width(member->view, block->n_columns);

    if (member->model == NULL) {
        memcpy(block->distances, block->surprise, block->n * sizeof(float));
    } else if (member->class->n_state == NULL) {
        member->class->score(member->model, NULL, rows, block->n, block->distances);
    } else {
        for (size_t i = 0; i < block->n; i++) {
            member->class->score(member->model, states[block->source[i]] + state_at,
                                 rows + i * width, 1, &block->distances[i]);
        }
    }
}

static void block_score(const struct lw_ensemble *ensemble, struct block *block,
                        float *const *states, double *ret_energies, float *ret_distances)
{
    size_t state_at = lw_views_n_state(ensemble->views);

    memset(block->energy, 0, sizeof(block->energy));
    memset(block->weight, 0, sizeof(block->weight));
    for (size_t m = 0; m < ensemble->n_members; m++) {
        const struct lw_member *member = &ensemble->members[m];

        member_score(member, block, states, state_at);
        state_at += member_n_state(member);
        for (size_t i = 0; i < block->n; i++) {
            double energy = lw_energy((double)block->distances[i], member->median, member->unit);

            if (ret_distances != NULL) {
                ret_distances[block->source[i] * ensemble->n_members + m] = block->distances[i];
            }
            if (!isnan(energy)) {
                block->energy[i] += member->weight * energy;
                block->weight[i] += member->weight;
            }
        }
    }
    for (size_t i = 0; i < block->n; i++) {
        ret_energies[block->source[i]] = block->weight[i] > 0.0
                                             ? block->energy[i] / block->weight[i]
                                             : NAN;
    }
}

void lw_ensemble_step(const struct lw_ensemble *ensemble, float *const *states,
                      const float *const *rows, size_t n, double *ret_energies,
                      float *ret_distances)
{
    size_t n_columns = lw_ensemble_n_columns(ensemble);
    size_t width = 2 * n_columns + LW_VIEWS_EMBEDDING + LW_VIEWS_PATCH;
    size_t n_block = BLOCK_FLOATS / width < BLOCK_ROWS ? BLOCK_FLOATS / width : BLOCK_ROWS;
    LW_UNINITIALIZED float memory[BLOCK_FLOATS];
    LW_UNINITIALIZED struct block block;

    block_init(&block, n_columns, memory, n_block);
    for (size_t i = 0; i < n; i++) {
        struct lw_views_row row;

        if (lw_model_row_is_missing(rows[i], n_columns)) {
            ret_energies[i] = NAN;
            for (size_t m = 0; ret_distances != NULL && m < ensemble->n_members; m++) {
                ret_distances[i * ensemble->n_members + m] = NAN;
            }
        } else {
            block_row(&block, &row);
            lw_views_step(ensemble->views, states[i], rows[i], &row);
            block.surprise[block.n] = row.surprise;
            block.source[block.n++] = i;
        }
        if (block.n == n_block || (i + 1 == n && block.n > 0)) {
            block_score(ensemble, &block, states, ret_energies, ret_distances);
            block.n = 0;
        }
    }
}

void lw_ensemble_attribute(const struct lw_ensemble *ensemble, const float *state,
                           float *ret_shares)
{
    const float *residual = lw_views_residual(ensemble->views, state);

    for (size_t i = 0; i < lw_ensemble_n_columns(ensemble); i++) {
        ret_shares[i] = residual[i] * residual[i];
    }
}

void lw_ensemble_save(const struct lw_ensemble *ensemble, struct lw_writer *writer)
{
    lw_write_u16(writer, ENSEMBLE_VERSION);
    lw_views_save(ensemble->views, writer);
    lw_calibration_save(&ensemble->calibration, writer);
    lw_write_u32(writer, ensemble->n_members);
    for (size_t i = 0; i < ensemble->n_members; i++) {
        const struct lw_member *member = &ensemble->members[i];

        lw_write_text(writer, member->class->name);
        lw_write_u8(writer, (uint8_t)member->view);
        lw_write_f64(writer, member->weight);
        lw_write_f64(writer, member->unit);
        lw_write_f64(writer, member->median);
        lw_write_u8(writer, member->model != NULL);
        if (member->model != NULL) {
            member->class->save(member->model, writer);
        }
    }
}

static enum lw_status member_load(struct lw_reader *reader, size_t n_columns,
                                  struct lw_member *member, struct lw_error *reterr)
{
    char name[LW_MODEL_NAME_MAX];
    uint8_t view, has_model;
    enum lw_status status;

    lw_read_text(reader, name, sizeof(name));
    view = lw_read_u8(reader);
    member->weight = lw_read_f64(reader);
    member->unit = lw_read_f64(reader);
    member->median = lw_read_f64(reader);
    has_model = lw_read_u8(reader);
    if (reader->status != LW_OK || lw_view_width((enum lw_view)view, n_columns) == 0 ||
        has_model > 1 || !(member->weight >= 0.0 && member->weight < 1e9) ||
        !(member->unit > 0.0 && member->unit < 1e9) ||
        !(member->median >= 0.0 && member->median < 1e30)) {
        return lw_error_set(reterr, LW_EFORMAT, "a member of the ensemble is damaged");
    }
    member->view = (enum lw_view)view;
    member->class = lw_model_class_find(name);
    if (member->class == NULL) {
        return lw_error_set(reterr, LW_ENOTFOUND,
                            "the ensemble holds a model \"%s\", which this program does not have",
                            name);
    }
    if (has_model == 0) {
        return member->class == &lw_model_linear && member->view == LW_VIEW_VALUES
                   ? LW_OK
                   : lw_error_set(reterr, LW_EFORMAT, "model \"%s\" of the ensemble is not there",
                                  name);
    }
    status = member->class->load(reader, &member->model, reterr);
    if (status == LW_OK &&
        member->class->n_dims(member->model) != lw_view_width(member->view, n_columns)) {
        status = lw_error_set(reterr, LW_EFORMAT,
                              "model \"%s\" of the ensemble reads %zu columns, but its view has "
                              "%zu",
                              name, member->class->n_dims(member->model),
                              lw_view_width(member->view, n_columns));
    }
    return status;
}

static enum lw_status ensemble_load_parts(struct lw_reader *reader, struct lw_ensemble *ensemble,
                                          struct lw_error *reterr)
{
    enum lw_status status = lw_views_load(reader, &ensemble->views, reterr);
    uint32_t n_members;
    double weights = 0.0;

    if (status == LW_OK) {
        status = lw_calibration_load(&ensemble->calibration, reader, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    n_members = lw_read_u32(reader);
    if (reader->status != LW_OK || n_members < 1 || n_members > LW_ENSEMBLE_MEMBERS_MAX) {
        return lw_error_set(reterr, LW_EFORMAT, "the ensemble is damaged: %u members",
                            (unsigned)n_members);
    }
    for (uint32_t i = 0; status == LW_OK && i < n_members; i++) {
        ensemble->n_members = i + 1;
        status = member_load(reader, lw_ensemble_n_columns(ensemble), &ensemble->members[i],
                             reterr);
        weights += ensemble->members[i].weight;
    }
    if (status == LW_OK && !(weights > 0.0)) {
        status = lw_error_set(reterr, LW_EFORMAT, "no member of the ensemble has a weight");
    }
    return status;
}

enum lw_status lw_ensemble_load(struct lw_reader *reader, struct lw_ensemble **ret_ensemble,
                                struct lw_error *reterr)
{
    uint16_t version = lw_read_u16(reader);
    struct lw_ensemble *ensemble;
    enum lw_status status;

    if (reader->status == LW_OK && version != ENSEMBLE_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "the ensemble is of version %u, but this program reads %u",
                            (unsigned)version, ENSEMBLE_VERSION);
    }
    ensemble = lw_mem_calloc(1, sizeof(*ensemble));
    if (ensemble == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for an ensemble");
    }
    status = ensemble_load_parts(reader, ensemble, reterr);
    if (status != LW_OK) {
        lw_ensemble_destroy(ensemble);
        return status;
    }
    *ret_ensemble = ensemble;
    return LW_OK;
}
