/*
 * ONNX Runtime without its header: the table of functions that OrtGetApiBase hands out, its slots
 * declared here.
 *
 * The table only ever grows at its end, so the lowest number of the interface that has all we use
 * works with every later library: 17, that is ONNX Runtime 1.17 and later. Every slot returns a
 * status, NULL for good, but for those that release or tell an error.
 *
 * Releases from 1.29.0 on send telemetry unless ORT_DISABLE_TELEMETRY is 1 in the environment
 * before the library is loaded, so it is set first. One thread: a session runs in its caller.
 *
 * Each session holds the library and its environment, which the library counts itself, so nothing
 * is global here. The library stays in the process once it is there: code that starts threads or
 * leaves exit handlers must not be unmapped.
 */
#include "model/onnx_runtime.h"

#include "base/error.h"
#include "base/mem.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY_VARIABLE "LAPWING_ONNXRUNTIME"
#define LIBRARY_DEFAULT "libonnxruntime.so.1"
#define INTERFACE 17u

#define ELEMENT_FLOAT 1
#define ALLOCATOR_DEVICE 0
#define MEMORY_DEFAULT 0
#define LOG_FATAL 4
#define OPTIMISE_ALL 99

struct ort_status;
struct ort_env;
struct ort_session;
struct ort_options;
struct ort_value;
struct ort_memory;
struct ort_allocator;
struct ort_type;
struct ort_shape;

typedef void (*ort_slot)(void);

/* The slots, by their place in the table. */
struct ort_api {
    ort_slot skipped_0;
    int (*get_error_code)(const struct ort_status *);
    const char *(*get_error_message)(const struct ort_status *);
    struct ort_status *(*create_env)(int level, const char *id, struct ort_env **ret_env);
    ort_slot skipped_4[4];
    struct ort_status *(*create_session_from_array)(const struct ort_env *, const void *bytes,
                                                    size_t n_bytes, const struct ort_options *,
                                                    struct ort_session **ret_session);
    struct ort_status *(*run)(struct ort_session *, const void *run_options,
                              const char *const *input_names, const struct ort_value *const *inputs,
                              size_t n_inputs, const char *const *output_names, size_t n_outputs,
                              struct ort_value **outputs);
    struct ort_status *(*create_options)(struct ort_options **ret_options);
    ort_slot skipped_11[6];
    struct ort_status *(*disable_mem_pattern)(struct ort_options *);
    ort_slot skipped_18[4];
    struct ort_status *(*set_log_severity)(struct ort_options *, int level);
    struct ort_status *(*set_optimisation)(struct ort_options *, int level);
    struct ort_status *(*set_intra_op_threads)(struct ort_options *, int n);
    struct ort_status *(*set_inter_op_threads)(struct ort_options *, int n);
    ort_slot skipped_26[4];
    struct ort_status *(*get_input_count)(const struct ort_session *, size_t *ret_n);
    struct ort_status *(*get_output_count)(const struct ort_session *, size_t *ret_n);
    ort_slot skipped_32;
    struct ort_status *(*get_input_type)(const struct ort_session *, size_t, struct ort_type **);
    struct ort_status *(*get_output_type)(const struct ort_session *, size_t, struct ort_type **);
    ort_slot skipped_35;
    struct ort_status *(*get_input_name)(const struct ort_session *, size_t, struct ort_allocator *,
                                         char **);
    struct ort_status *(*get_output_name)(const struct ort_session *, size_t,
                                          struct ort_allocator *, char **);
    ort_slot skipped_38[11];
    struct ort_status *(*create_tensor)(const struct ort_memory *, void *values, size_t n_bytes,
                                        const int64_t *dims, size_t rank, int element,
                                        struct ort_value **ret_value);
    ort_slot skipped_50[5];
    struct ort_status *(*cast_type_to_shape)(const struct ort_type *, const struct ort_shape **);
    ort_slot skipped_56[4];
    struct ort_status *(*get_element_type)(const struct ort_shape *, int *ret_element);
    struct ort_status *(*get_rank)(const struct ort_shape *, size_t *ret_rank);
    struct ort_status *(*get_dims)(const struct ort_shape *, int64_t *ret_dims, size_t rank);
    ort_slot skipped_63[6];
    struct ort_status *(*create_cpu_memory)(int allocator, int type, struct ort_memory **);
    ort_slot skipped_70[6];
    struct ort_status *(*allocator_free)(struct ort_allocator *, void *);
    ort_slot skipped_77;
    struct ort_status *(*get_default_allocator)(struct ort_allocator **ret_allocator);
    ort_slot skipped_79[13];
    void (*release_env)(struct ort_env *);
    void (*release_status)(struct ort_status *);
    void (*release_memory)(struct ort_memory *);
    void (*release_session)(struct ort_session *);
    void (*release_value)(struct ort_value *);
    ort_slot skipped_97;
    void (*release_type)(struct ort_type *);
    ort_slot skipped_99;
    void (*release_options)(struct ort_options *);
};

#define SLOT_IS(member, slot)                                                                      \
    static_assert(offsetof(struct ort_api, member) == (slot) * sizeof(ort_slot), #member)
SLOT_IS(create_env, 3);
SLOT_IS(create_session_from_array, 8);
SLOT_IS(disable_mem_pattern, 17);
SLOT_IS(set_log_severity, 22);
SLOT_IS(get_input_count, 30);
SLOT_IS(get_input_type, 33);
SLOT_IS(get_input_name, 36);
SLOT_IS(create_tensor, 49);
SLOT_IS(cast_type_to_shape, 55);
SLOT_IS(get_element_type, 60);
SLOT_IS(create_cpu_memory, 69);
SLOT_IS(allocator_free, 76);
SLOT_IS(get_default_allocator, 78);
SLOT_IS(release_env, 92);
SLOT_IS(release_type, 98);
SLOT_IS(release_options, 100);

struct ort_base {
    const struct ort_api *(*get_api)(uint32_t interface);
    const char *(*get_version)(void);
};

struct lw_onnx_session {
    void *library;
    const struct ort_api *api;
    struct ort_env *env;
    struct ort_memory *memory; /* Says that tensors are plain memory. */
    struct ort_session *session;
    size_t n_inputs, n_outputs;
    struct lw_onnx_port inputs[LW_ONNX_PORTS_MAX], outputs[LW_ONNX_PORTS_MAX];
};

/* Turns the library's status into ours and releases it: `as` for any failure. */
static enum lw_status status_take(const struct ort_api *api, struct ort_status *status,
                                  enum lw_status as, const char *what, struct lw_error *reterr)
{
    if (status == NULL) {
        return LW_OK;
    }
    (void)lw_error_set(reterr, as, "ONNX Runtime cannot %s: %.300s", what,
                       api->get_error_message(status));
    api->release_status(status);
    return as;
}

static enum lw_status library_open(const char *library, struct lw_onnx_session *session,
                                   struct lw_error *reterr)
{
    const struct ort_base *(*get_base)(void);
    const struct ort_base *base;
    const char *named;
    void *symbol;

    /* A model is loaded when an engine is set up, not by the operator, and where a library lies is
     * a matter of the host. NOLINT(banned): so says the environment */
    named = library[0] != '\0' ? library : getenv(LIBRARY_VARIABLE);
    named = named != NULL && named[0] != '\0' ? named : LIBRARY_DEFAULT;
    if (setenv("ORT_DISABLE_TELEMETRY", "1", 1) != 0) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to switch telemetry off");
    }
    session->library = dlopen(named, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (session->library == NULL) {
        const char *why = dlerror();

        return lw_error_set(reterr, LW_ENOTFOUND,
                            "models in ONNX files need ONNX Runtime, which is not here: %.250s; "
                            "name its library by the option library or in " LIBRARY_VARIABLE,
                            why != NULL ? why : named);
    }
    symbol = dlsym(session->library, "OrtGetApiBase");
    if (symbol == NULL) {
        return lw_error_set(reterr, LW_ENOTFOUND, "%.300s is not ONNX Runtime", named);
    }
    memcpy(&get_base, &symbol, sizeof(get_base));
    base = get_base();
    session->api = base == NULL ? NULL : base->get_api(INTERFACE);
    if (session->api == NULL) {
        return lw_error_set(reterr, LW_EVERSION,
                            "%.300s is ONNX Runtime %.20s, but 1.%u or later is needed", named,
                            base == NULL ? "?" : base->get_version(), INTERFACE);
    }
    return LW_OK;
}

static enum lw_status session_load(struct lw_onnx_session *session, const void *bytes,
                                   size_t n_bytes, struct lw_error *reterr)
{
    const struct ort_api *api = session->api;
    struct ort_options *options = NULL;
    enum lw_status st;

    st = status_take(api, api->create_env(LOG_FATAL, "lapwing", &session->env), LW_ENOMEM, "start",
                     reterr);
    if (st == LW_OK) {
        st = status_take(api,
                         api->create_cpu_memory(ALLOCATOR_DEVICE, MEMORY_DEFAULT, &session->memory),
                         LW_ENOMEM, "describe memory", reterr);
    }
    if (st == LW_OK) {
        st = status_take(api, api->create_options(&options), LW_ENOMEM, "make options", reterr);
    }
    if (st == LW_OK) {
        const struct {
            struct ort_status *(*set)(struct ort_options *, int);
            int value;
        } numbers[] = {{api->set_log_severity, LOG_FATAL},
                       {api->set_optimisation, OPTIMISE_ALL},
                       {api->set_intra_op_threads, 1},
                       {api->set_inter_op_threads, 1}};

        for (size_t i = 0; st == LW_OK && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            st = status_take(api, numbers[i].set(options, numbers[i].value), LW_EINVAL,
                             "set an option", reterr);
        }
    }
    if (st == LW_OK) {
        st = status_take(api, api->disable_mem_pattern(options), LW_EINVAL, "set an option",
                         reterr);
    }
    if (st == LW_OK) {
        st = status_take(api,
                         api->create_session_from_array(session->env, bytes, n_bytes, options,
                                                        &session->session),
                         LW_EFORMAT, "load the graph", reterr);
    }
    if (options != NULL) {
        api->release_options(options);
    }
    return st;
}

static enum lw_status port_shape(const struct ort_api *api, const struct ort_type *type,
                                 struct lw_onnx_port *ret_port, struct lw_error *reterr)
{
    const struct ort_shape *shape = NULL;
    int element = 0;
    enum lw_status st;

    st = status_take(api, api->cast_type_to_shape(type, &shape), LW_EFORMAT, "tell a type", reterr);
    if (st != LW_OK || shape == NULL) {
        return st; /* A sequence or a map: no tensor, so no floats either. */
    }
    st = status_take(api, api->get_element_type(shape, &element), LW_EFORMAT, "tell a type",
                     reterr);
    if (st == LW_OK) {
        st = status_take(api, api->get_rank(shape, &ret_port->rank), LW_EFORMAT, "tell a shape",
                         reterr);
    }
    ret_port->is_float = element == ELEMENT_FLOAT;
    if (st == LW_OK && ret_port->rank > LW_ONNX_RANK_MAX) {
        ret_port->rank = LW_ONNX_RANK_MAX + 1;
    } else if (st == LW_OK) {
        st = status_take(api, api->get_dims(shape, ret_port->dims, ret_port->rank), LW_EFORMAT,
                         "tell a shape", reterr);
    }
    return st;
}

static enum lw_status port_name(const struct lw_onnx_session *session, size_t i, bool is_input,
                                struct lw_onnx_port *ret_port, struct lw_error *reterr)
{
    const struct ort_api *api = session->api;
    struct ort_allocator *allocator = NULL;
    char *name = NULL;
    enum lw_status st;
    size_t n;

    st = status_take(api, api->get_default_allocator(&allocator), LW_ENOMEM, "allocate", reterr);
    if (st == LW_OK) {
        st = status_take(api,
                         (is_input ? api->get_input_name
                                   : api->get_output_name)(session->session, i, allocator, &name),
                         LW_EFORMAT, "tell a name", reterr);
    }
    if (st != LW_OK) {
        return st;
    }
    if (name == NULL) {
        return lw_error_set(reterr, LW_EFORMAT, "%s %zu has no name", is_input ? "input" : "output",
                            i);
    }
    n = strlen(name);
    if (n < LW_ONNX_NAME_MAX) {
        memcpy(ret_port->name, name, n + 1);
    } else {
        st = lw_error_set(reterr, LW_ELIMIT, "\"%.40s...\" is longer than %d bytes", name,
                          LW_ONNX_NAME_MAX - 1);
    }
    (void)status_take(api, api->allocator_free(allocator, name), LW_EINVAL, "free", NULL);
    return st;
}

static enum lw_status port_read(const struct lw_onnx_session *session, size_t i, bool is_input,
                                struct lw_onnx_port *ret_port, struct lw_error *reterr)
{
    const struct ort_api *api = session->api;
    struct ort_type *type = NULL;
    enum lw_status st = port_name(session, i, is_input, ret_port, reterr);

    if (st == LW_OK) {
        st = status_take(
            api,
            (is_input ? api->get_input_type : api->get_output_type)(session->session, i, &type),
            LW_EFORMAT, "tell a type", reterr);
    }
    if (st == LW_OK) {
        st = port_shape(api, type, ret_port, reterr);
        api->release_type(type);
    }
    return st;
}

static enum lw_status session_describe(struct lw_onnx_session *session, struct lw_error *reterr)
{
    const struct ort_api *api = session->api;
    enum lw_status st;

    st = status_take(api, api->get_input_count(session->session, &session->n_inputs), LW_EFORMAT,
                     "count inputs", reterr);
    if (st == LW_OK) {
        st = status_take(api, api->get_output_count(session->session, &session->n_outputs),
                         LW_EFORMAT, "count outputs", reterr);
    }
    if (st == LW_OK &&
        (session->n_inputs > LW_ONNX_PORTS_MAX || session->n_outputs > LW_ONNX_PORTS_MAX)) {
        st = lw_error_set(reterr, LW_ELIMIT,
                          "the graph has %zu inputs and %zu outputs, but %d at most are allowed",
                          session->n_inputs, session->n_outputs, LW_ONNX_PORTS_MAX);
    }
    for (size_t i = 0; st == LW_OK && i < session->n_inputs; i++) {
        st = port_read(session, i, true, &session->inputs[i], reterr);
    }
    for (size_t i = 0; st == LW_OK && i < session->n_outputs; i++) {
        st = port_read(session, i, false, &session->outputs[i], reterr);
    }
    return st;
}

enum lw_status lw_onnx_session_create(const char *library, const void *bytes, size_t n_bytes,
                                      struct lw_onnx_session **ret_session, struct lw_error *reterr)
{
    struct lw_onnx_session *session = lw_mem_calloc(1, sizeof(*session));
    enum lw_status st;

    if (session == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a session of ONNX Runtime");
    }
    st = library_open(library, session, reterr);
    if (st == LW_OK) {
        st = session_load(session, bytes, n_bytes, reterr);
    }
    if (st == LW_OK) {
        st = session_describe(session, reterr);
    }
    if (st == LW_OK) {
        *ret_session = session;
    } else {
        lw_onnx_session_destroy(session);
    }
    return st;
}

void lw_onnx_session_destroy(struct lw_onnx_session *session)
{
    const struct ort_api *api = session == NULL ? NULL : session->api;

    if (session == NULL) {
        return;
    }
    if (api != NULL && session->session != NULL) {
        api->release_session(session->session);
    }
    if (api != NULL && session->memory != NULL) {
        api->release_memory(session->memory);
    }
    if (api != NULL && session->env != NULL) {
        api->release_env(session->env);
    }
    if (session->library != NULL) {
        (void)dlclose(session->library);
    }
    lw_mem_free(session);
}

size_t lw_onnx_session_n_inputs(const struct lw_onnx_session *session)
{
    return session->n_inputs;
}

size_t lw_onnx_session_n_outputs(const struct lw_onnx_session *session)
{
    return session->n_outputs;
}

const struct lw_onnx_port *lw_onnx_session_input(const struct lw_onnx_session *session, size_t i)
{
    assert(i < session->n_inputs);
    return &session->inputs[i];
}

const struct lw_onnx_port *lw_onnx_session_output(const struct lw_onnx_session *session, size_t i)
{
    assert(i < session->n_outputs);
    return &session->outputs[i];
}

static enum lw_status tensor_wrap(const struct lw_onnx_session *session,
                                  const struct lw_onnx_tensor *tensor, struct ort_value **ret_value,
                                  struct lw_error *reterr)
{
    size_t n = 1;

    for (size_t i = 0; i < tensor->rank; i++) {
        n *= (size_t)tensor->dims[i];
    }
    return status_take(session->api,
                       session->api->create_tensor(session->memory, tensor->values,
                                                   n * sizeof(float), tensor->dims, tensor->rank,
                                                   ELEMENT_FLOAT, ret_value),
                       LW_EINVAL, "take a tensor", reterr);
}

enum lw_status lw_onnx_session_run(const struct lw_onnx_session *session,
                                   const struct lw_onnx_tensor *inputs, size_t n_inputs,
                                   const struct lw_onnx_tensor *outputs, size_t n_outputs,
                                   struct lw_error *reterr)
{
    /* Inputs first, outputs behind them. */
    struct ort_value *values[4] = {NULL};
    const char *names[4] = {NULL};
    enum lw_status st = LW_OK;

    assert(n_inputs <= 2 && n_outputs <= 2);
    for (size_t i = 0; st == LW_OK && i < n_inputs + n_outputs; i++) {
        const struct lw_onnx_tensor *tensor = i < n_inputs ? &inputs[i] : &outputs[i - n_inputs];

        names[i] = tensor->name;
        st = tensor_wrap(session, tensor, &values[i], reterr);
    }
    if (st == LW_OK) {
        st = status_take(session->api,
                         session->api->run(session->session, NULL, names,
                                           (const struct ort_value *const *)values, n_inputs,
                                           names + n_inputs, n_outputs, values + n_inputs),
                         LW_EINVAL, "run the graph", reterr);
    }
    for (size_t i = 0; i < n_inputs + n_outputs; i++) {
        if (values[i] != NULL) {
            session->api->release_value(values[i]);
        }
    }
    return st;
}
