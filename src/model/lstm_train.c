/*
 * How the recurrent forecaster learns: back-propagation through time, truncated to windows of 24
 * rows, 32 windows a step of Adam, the gradient clipped.
 *
 * After Williams and Peng, "An efficient gradient-based algorithm for on-line training of recurrent
 * network trajectories", Neural Computation 1990: each window is a lane that walks on through its
 * run, from the state that its last window ended with, so that the network also meets the states
 * that long service brings about; at the run's end, and now and then by chance, a lane starts
 * afresh at a random row from a state of zeros. No window crosses the end of a run.
 *
 * The newest 15 % of each run are held back and told, now and then, as in service; training ends
 * after PATIENCE times without a gain, and the best weights are kept. The residuals' factors then
 * come from all of a run.
 *
 * Work is bounded: by the rows, about PASSES passes over them, but at least STEPS_LEAST steps; and
 * whatever the shape, all steps together make at most about WORK_MAX multiply-adds: wide rows get
 * fewer windows a step, very wide ones fewer steps.
 */
#include "model/lstm_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/lstm.h"

#define PASSES 100u
#define STEPS_LEAST 60u
#define STEPS_A_JUDGEMENT 20u
#define PATIENCE 6u
#define RESTARTS 8u /* One window in so many starts afresh. */
#define RATE 1e-2
#define RATE_LAST 0.1 /* The last step's share of the rate; it falls evenly. */
#define GRADIENT_LONGEST 1.0f
#define WORK_MAX 20000000000u     /* Multiply-adds of all steps: a few seconds. */
#define WORK_JUDGE_MAX 10000000u  /* Of telling held rows once. */
#define WORK_SCALE_MAX 500000000u /* Of telling all rows at the end. */

static size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Gives out the next n floats of a block. */
static float *block_take(float **at, size_t n)
{
    float *taken = *at;

    *at += n;
    return taken;
}

enum lw_status lw_lstm_pass_init(struct lw_lstm_pass *pass, const struct lw_model *model,
                                 size_t n_lanes, size_t n_steps, struct lw_error *reterr)
{
    size_t n = model->n_cells, n_in = model->layers[0].n_in, wide = model->layers[1].n_wide;
    size_t n_each = n_steps * n_lanes, n_floats;
    float *at;

    n_floats = n_lanes * (2 * n + wide) + n_each * (n_in + 4 * n + 3 * n + wide) + n_lanes * n +
               n_lanes * (4 * n + 2 * n + n_in) + 4 * n * n + model->n_dims * n + model->n_weights;
    pass->rows = lw_mem_calloc(n_lanes, sizeof(*pass->rows) + sizeof(*pass->lengths));
    at = lw_mem_calloc(n_floats, sizeof(*at));
    if (pass->rows == NULL || at == NULL) {
        lw_mem_free(at);
        lw_mem_free(pass->rows);
        pass->rows = NULL;
        return lw_error_set(reterr, LW_ENOMEM, "lstm: no memory for %zu numbers of training",
                            n_floats);
    }
    pass->lengths = (void *)(pass->rows + n_lanes);
    pass->n_lanes = n_lanes;
    pass->n_steps = n_steps;
    pass->h = block_take(&at, n_lanes * n);
    pass->c = block_take(&at, n_lanes * n);
    pass->predictions = block_take(&at, n_lanes * wide);
    pass->inputs = block_take(&at, n_each * n_in);
    pass->gates = block_take(&at, n_each * 4 * n);
    pass->cells = block_take(&at, (n_each + n_lanes) * n);
    pass->curves = block_take(&at, n_each * n);
    pass->hidden = block_take(&at, n_each * n);
    pass->slopes = block_take(&at, n_each * wide);
    pass->gate_slopes = block_take(&at, n_lanes * 4 * n);
    pass->hidden_slopes = block_take(&at, n_lanes * n);
    pass->cell_slopes = block_take(&at, n_lanes * n);
    pass->turned_gates = block_take(&at, 4 * n * n);
    pass->turned_step = block_take(&at, model->n_dims * n);
    pass->scratch = block_take(&at, n_lanes * n_in);
    pass->gradient = block_take(&at, model->n_weights);
    return LW_OK;
}

void lw_lstm_pass_fini(struct lw_lstm_pass *pass)
{
    lw_mem_free(pass->h); /* The block's first. */
    lw_mem_free(pass->rows);
}

/* Judges the prediction by the next row: its slopes, and the loss. */
static double lane_judge(const struct lw_model *model, const float *prediction, const float *next,
                         float *ret_slopes)
{
    double loss = 0.0;

    for (size_t i = 0; i < model->n_dims; i++) {
        float e = prediction[i] - lw_net_clamp(next[i], LW_NET_REACH);

        ret_slopes[i] = e == e ? lw_net_clamp(e, 1.0f) : 0.0f;
        loss += e == e ? lw_net_huber((double)e) : 0.0;
    }
    return loss;
}

/* One step of one lane; returns its loss. */
static double lane_forward(const struct lw_kernels *kernels, const struct lw_model *model,
                           struct lw_lstm_pass *pass, size_t step, size_t lane)
{
    size_t n = model->n_cells, at = step * pass->n_lanes + lane;
    const float *row = pass->rows[lane] + step * model->n_dims;
    float *x = pass->inputs + at * model->layers[0].n_in, *gates = pass->gates + at * 4 * n;
    float *c = pass->cells + (at + pass->n_lanes) * n, *h = pass->hidden + at * n;
    float *prediction = pass->predictions + lane * model->layers[1].n_wide;

    for (size_t i = 0; i < model->n_dims; i++) {
        x[i] = lw_net_clamp(isnan(row[i]) ? prediction[i] : row[i], LW_LSTM_CLIP);
    }
    memcpy(x + model->n_dims, pass->h + lane * n, n * sizeof(*x));
    memcpy(c, pass->c + lane * n, n * sizeof(*c));
    lw_layer_forward(kernels, &model->layers[0], model->weights[0], x, gates);
    lw_lstm_cells(kernels, n, gates, c, pass->curves + at * n, h);
    lw_layer_forward(kernels, &model->layers[1], model->weights[1], h, prediction);
    for (size_t i = 0; i < model->n_dims; i++) {
        prediction[i] += x[i];
    }
    memcpy(pass->h + lane * n, h, n * sizeof(*h));
    memcpy(pass->c + lane * n, c, n * sizeof(*c));
    return lane_judge(model, prediction, row + model->n_dims,
                      pass->slopes + at * model->layers[1].n_wide);
}

/* All lanes forward; inputs and slopes of steps that a window does not have are 0. */
static double pass_forward(const struct lw_kernels *kernels, const struct lw_model *model,
                           struct lw_lstm_pass *pass)
{
    size_t n_in = model->layers[0].n_in, wide = model->layers[1].n_wide;
    size_t n_each = pass->n_steps * pass->n_lanes, n_told = 0;
    double loss = 0.0;
    float scale;

    memset(pass->inputs, 0, n_each * n_in * sizeof(*pass->inputs));
    memset(pass->slopes, 0, n_each * wide * sizeof(*pass->slopes));
    memset(pass->hidden, 0, n_each * model->n_cells * sizeof(*pass->hidden));
    memcpy(pass->cells, pass->c, pass->n_lanes * model->n_cells * sizeof(*pass->cells));
    for (size_t step = 0; step < pass->n_steps; step++) {
        for (size_t lane = 0; lane < pass->n_lanes; lane++) {
            if (step < pass->lengths[lane]) {
                loss += lane_forward(kernels, model, pass, step, lane);
                n_told += model->n_dims;
            }
        }
    }
    scale = 1.0f / (float)size_max(n_told, 1);
    for (size_t i = 0; i < n_each * wide; i++) {
        pass->slopes[i] *= scale;
    }
    return loss / (double)size_max(n_told, 1);
}

/* One step of one lane back: from the slopes by h and c behind it to those before it. */
static void lane_backward(const struct lw_kernels *kernels, const struct lw_model *model,
                          struct lw_lstm_pass *pass, size_t step, size_t lane)
{
    size_t n = model->n_cells, at = step * pass->n_lanes + lane;
    const float *gates = pass->gates + at * 4 * n, *curve = pass->curves + at * n;
    const float *before = pass->cells + at * n;
    float *slope = pass->gate_slopes + lane * 4 * n, *dh = pass->hidden_slopes + lane * n;
    float *dc = pass->cell_slopes + lane * n;

    /* What h adds to this row's prediction, beside what it adds later. */
    kernels->product(pass->turned_step, pass->slopes + at * model->layers[1].n_wide, model->n_dims,
                     n, dh);
    for (size_t k = 0; k < n; k++) {
        float i = gates[k], o = gates[n + k], f = gates[2 * n + k], g = gates[3 * n + k];
        float d = dc[k] + dh[k] * o * (1.0f - curve[k] * curve[k]);

        slope[k] = d * g * i * (1.0f - i);
        slope[n + k] = dh[k] * curve[k] * o * (1.0f - o);
        slope[2 * n + k] = d * before[k] * f * (1.0f - f);
        slope[3 * n + k] = d * i * (1.0f - g * g);
        dc[k] = d * f;
    }
    lw_layer_backward(kernels, &model->layers[0], pass->turned_gates, n, slope, dh);
}

double lw_lstm_learn(const struct lw_model *model, struct lw_lstm_pass *pass)
{
    const struct lw_kernels *kernels = lw_kernels_best();
    size_t n = model->n_cells, n_lanes = pass->n_lanes, n_in = model->layers[0].n_in;
    size_t wide = model->layers[1].n_wide;
    struct lw_layer_batch gates = {
        .x_stride = n_in, .dy = pass->gate_slopes, .n_rows = n_lanes, .scratch = pass->scratch};
    struct lw_layer_batch step_batch = {.x_stride = n, .n_rows = n_lanes, .scratch = pass->scratch};
    double loss = pass_forward(kernels, model, pass);

    lw_layer_turn(&model->layers[0], model->weights[0], model->n_dims, n, pass->turned_gates);
    lw_layer_turn(&model->layers[1], model->weights[1], 0, n, pass->turned_step);
    memset(pass->gradient, 0, model->n_weights * sizeof(*pass->gradient));
    memset(pass->gate_slopes, 0, n_lanes * 4 * n * sizeof(*pass->gate_slopes));
    memset(pass->hidden_slopes, 0, n_lanes * n * sizeof(*pass->hidden_slopes));
    memset(pass->cell_slopes, 0, n_lanes * n * sizeof(*pass->cell_slopes));
    for (size_t step = pass->n_steps; step-- > 0;) {
        for (size_t lane = 0; lane < n_lanes; lane++) {
            if (step < pass->lengths[lane]) {
                lane_backward(kernels, model, pass, step, lane);
            }
        }
        gates.x = pass->inputs + step * n_lanes * n_in;
        step_batch.x = pass->hidden + step * n_lanes * n;
        step_batch.dy = pass->slopes + step * n_lanes * wide;
        lw_layer_learn(kernels, &model->layers[0], &gates, pass->gradient);
        lw_layer_learn(kernels, &model->layers[1], &step_batch,
                       pass->gradient + (model->weights[1] - model->weights[0]));
    }
    return loss;
}

/* Where a lane is. */
struct lane {
    size_t row;    /* The next window's first. */
    size_t n_left; /* Steps from there to the end of what may be learnt from this run. */
};

/* A training under way. */
struct training {
    struct lw_model *model;
    const struct lw_model_rows *rows;
    struct lw_rng *rng;
    size_t n_steps;     /* Of Adam, at most. */
    size_t *begins;     /* [n_runs + 1]: first row of each run. */
    size_t *starts;     /* [n_runs + 1]: rows from which a step may be learnt, before each run. */
    struct lane *lanes; /* [pass.n_lanes] */
    float *numbers;     /* What adam, best and state point to. */
    double *residuals;  /* [2][n_dims]: sums of squares, and how many. */
    struct lw_lstm_state state; /* For telling rows as in service. */
    struct lw_lstm_pass pass;
    struct lw_adam adam;
    struct lw_best best;
};

static void training_fini(struct training *training)
{
    lw_lstm_pass_fini(&training->pass);
    lw_mem_free(training->residuals);
    lw_mem_free(training->numbers);
    lw_mem_free(training->lanes);
    lw_mem_free(training->begins);
}

/* Rows of a run that are learnt from. */
static size_t training_learnt(const struct training *training, size_t run)
{
    size_t n_run = training->begins[run + 1] - training->begins[run];

    return n_run - lw_net_held(n_run);
}

/* Where each run begins and how many steps it has to learn from; returns the longest run's. */
static size_t training_count(struct training *training)
{
    size_t n_runs = lw_model_n_runs(training->rows), longest = 0;

    for (size_t run = 0; run < n_runs; run++) {
        size_t n;

        training->begins[run + 1] = training->begins[run] + lw_model_run(training->rows, run);
        n = training_learnt(training, run);
        n = n > 0 ? n - 1 : 0;
        training->starts[run + 1] = training->starts[run] + n;
        longest = size_max(longest, n);
    }
    return longest;
}

/* How many windows a step, and how many steps: see the head of this file. */
static size_t training_lanes(struct training *training, const struct lw_lstm_options *options,
                             size_t n_starts, size_t window)
{
    size_t n_steps = (size_t)options->steps, n_lanes = (size_t)options->windows;
    size_t work = 3 * training->model->n_weights * window; /* Of one window. */

    window = size_max(window, 1);
    work = size_max(work, 1);
    n_lanes = size_max(size_min(n_lanes, size_max(n_starts / window, 1)), 1);
    n_steps = size_min(n_steps, size_max(PASSES * n_starts / (n_lanes * window), STEPS_LEAST));
    n_lanes = size_min(n_lanes, size_max(WORK_MAX / (work * n_steps), 1));
    training->n_steps = size_min(n_steps, size_max(WORK_MAX / (work * n_lanes), STEPS_LEAST));
    return n_lanes;
}

/* All memory of a training; on failure training_fini frees what there is. */
static enum lw_status training_init(struct training *training,
                                    const struct lw_lstm_options *options, struct lw_error *reterr)
{
    const struct lw_model *model = training->model;
    size_t n = model->n_weights, n_runs = lw_model_n_runs(training->rows), n_lanes, window;

    training->begins = lw_mem_calloc(n_runs + 1, 2 * sizeof(*training->begins));
    training->numbers = lw_mem_calloc(3 * n + lw_lstm_n_state(model), sizeof(*training->numbers));
    training->residuals = lw_mem_calloc(2 * model->n_dims, sizeof(*training->residuals));
    if (training->begins == NULL || training->numbers == NULL || training->residuals == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "lstm: no memory to learn from %zu runs", n_runs);
    }
    training->starts = training->begins + n_runs + 1;
    training->adam = (struct lw_adam){.means = training->numbers,
                                      .squares = training->numbers + n,
                                      .n = n,
                                      .mean_power = 1.0,
                                      .square_power = 1.0};
    training->best = (struct lw_best){
        .weights = training->numbers + 2 * n, .n = n, .loss = INFINITY};
    training->state = lw_lstm_state_of(model, training->numbers + 3 * n);
    window = size_max(size_min(training_count(training), (size_t)options->window), 1);
    n_lanes = training_lanes(training, options, training->starts[n_runs], window);
    training->lanes = lw_mem_calloc(n_lanes, sizeof(*training->lanes));
    if (training->lanes == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "lstm: no memory for %zu windows", n_lanes);
    }
    return lw_lstm_pass_init(&training->pass, model, n_lanes, window, reterr);
}

/* A lane starts afresh, from any row with a next one, but not so near the end of its run that the
 * window would be cut short where that can be helped. */
static void lane_start(struct training *training, size_t lane)
{
    struct lw_lstm_pass *pass = &training->pass;
    const struct lw_model *model = training->model;
    size_t low = 0, high = lw_model_n_runs(training->rows), wide = model->layers[1].n_wide, n, at;
    size_t draw = (size_t)lw_rng_below(training->rng, training->starts[high]);

    while (high - low > 1) { /* The last run with starts[run] <= draw. */
        size_t middle = low + (high - low) / 2;

        if (training->starts[middle] <= draw) {
            low = middle;
        } else {
            high = middle;
        }
    }
    n = training->starts[low + 1] - training->starts[low];
    at = draw - training->starts[low];
    at = size_min(at, n - size_min(n, pass->n_steps));
    training->lanes[lane] = (struct lane){training->begins[low] + at, n - at};
    memset(pass->h + lane * model->n_cells, 0, model->n_cells * sizeof(*pass->h));
    memset(pass->c + lane * model->n_cells, 0, model->n_cells * sizeof(*pass->c));
    memset(pass->predictions + lane * wide, 0, wide * sizeof(*pass->predictions));
}

/* The next window of every lane, and a step of Adam. */
static void training_step(struct training *training, size_t step)
{
    struct lw_lstm_pass *pass = &training->pass;
    struct lw_model *model = training->model;
    double gone = (double)step / (double)training->n_steps;

    for (size_t i = 0; i < pass->n_lanes; i++) {
        struct lane *lane = &training->lanes[i];

        if (lane->n_left == 0 || lw_rng_below(training->rng, RESTARTS) == 0) {
            lane_start(training, i);
        }
        pass->rows[i] = training->rows->values + lane->row * model->n_dims;
        pass->lengths[i] = size_min(lane->n_left, pass->n_steps);
        lane->row += pass->lengths[i];
        lane->n_left -= pass->lengths[i];
    }
    (void)lw_lstm_learn(model, pass);
    if (lw_net_clip(lw_kernels_best(), pass->gradient, model->n_weights, GRADIENT_LONGEST)) {
        lw_adam_step(&training->adam, RATE * (1.0 - gone * (1.0 - RATE_LAST)), pass->gradient,
                     model->weights[0]);
    }
}

/* Tells rows [begin, end) of a run as in service, from a fresh state; adds to the sums of squared
 * residuals. Returns the loss. */
static double run_judge(struct training *training, size_t begin, size_t end)
{
    const struct lw_kernels *kernels = lw_kernels_best();
    const struct lw_model *model = training->model;
    double *squares = training->residuals, *counts = squares + model->n_dims, loss = 0.0;

    memset(training->numbers + 3 * model->n_weights, 0,
           lw_lstm_n_state(model) * sizeof(*training->numbers));
    for (size_t at = begin; at < end; at++) {
        const float *row = training->rows->values + at * model->n_dims;
        bool is_judged = lw_lstm_step(kernels, model, &training->state, row);

        for (size_t i = 0; is_judged && i < model->n_dims; i++) {
            double e = (double)training->state.residuals[i], known = row[i] == row[i] ? 1.0 : 0.0;

            squares[i] += e * e;
            counts[i] += known;
            loss += lw_net_huber(e);
        }
    }
    return loss;
}

/* Tells the newest rows of every run, those held back or all, or evenly of some runs where there
 * are very many, with no more than about `work` multiply-adds. Returns the mean loss, infinite when
 * nothing could be judged. */
static double training_judge(struct training *training, bool is_held, size_t work)
{
    const struct lw_model *model = training->model;
    size_t n_runs = lw_model_n_runs(training->rows);
    size_t most = size_max(work / model->n_weights, training->pass.n_steps + 1);
    size_t n_visits = size_min(n_runs, size_max(most / (training->pass.n_steps + 1), 1));
    double loss = 0.0, n_known = 0.0;

    memset(training->residuals, 0, 2 * model->n_dims * sizeof(*training->residuals));
    for (size_t visit = 0; visit < n_visits; visit++) {
        size_t run = visit * n_runs / n_visits, end = training->begins[run + 1];
        size_t n = end - training->begins[run];

        n = is_held ? lw_net_held(n) : n;
        loss += run_judge(training, end - size_min(n, most / n_visits), end);
    }
    for (size_t i = 0; i < model->n_dims; i++) {
        n_known += training->residuals[model->n_dims + i];
    }
    return n_known > 0.0 ? loss / n_known : (double)INFINITY;
}

static void training_run(struct training *training)
{
    struct lw_model *model = training->model;
    struct lw_best *best = &training->best;
    size_t n = model->n_cells;

    lw_layer_init(&model->layers[0], model->weights[0], training->rng);
    memset(model->weights[1], 0, lw_layer_floats(&model->layers[1]) * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        model->weights[0][2 * n + i] = 1.0f; /* Forget gates begin open. */
    }
    lw_best_offer(best, training_judge(training, true, WORK_JUDGE_MAX), model->weights[0]);
    for (size_t step = 0; step < training->n_steps; step++) {
        if (training->starts[lw_model_n_runs(training->rows)] == 0) {
            break; /* No row has a next one. */
        }
        training_step(training, step);
        if ((step + 1) % STEPS_A_JUDGEMENT == 0) {
            lw_best_offer(best, training_judge(training, true, WORK_JUDGE_MAX), model->weights[0]);
            if (isfinite(best->loss) && best->n_without >= PATIENCE) {
                break;
            }
        }
    }
    if (isfinite(best->loss)) {
        memcpy(model->weights[0], best->weights, model->n_weights * sizeof(float));
    }
    (void)training_judge(training, false, WORK_SCALE_MAX);
    lw_net_gains(training->residuals, training->residuals + model->n_dims, model->n_dims,
                 model->gains);
}

enum lw_status lw_lstm_fit(const void *options, const struct lw_model_rows *rows,
                           struct lw_rng *rng, struct lw_model **ret_model, struct lw_error *reterr)
{
    const struct lw_lstm_options *chosen = options;
    struct training training = {.rows = rows, .rng = rng};
    enum lw_status st = lw_model_check_fit(&lw_model_lstm, options, rows, reterr);

    if (st != LW_OK) {
        return st;
    }
    st = lw_lstm_create(rows->n_dims, lw_net_wide((size_t)chosen->cells), &training.model, reterr);
    if (st != LW_OK) {
        return st;
    }
    st = training_init(&training, chosen, reterr);
    if (st == LW_OK) {
        training_run(&training);
        *ret_model = training.model;
    } else {
        lw_lstm_destroy(training.model);
    }
    training_fini(&training);
    return st;
}
