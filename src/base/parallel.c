/* Jobs over threads: see base/parallel.h. */
#define _GNU_SOURCE
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct work {
    size_t n_jobs;
    atomic_size_t next;
    void (*job)(void *context, size_t i);
    void *context;
};

static void *work_off(void *argument)
{
    struct work *work = argument;
    size_t i;

    while ((i = atomic_fetch_add(&work->next, 1)) < work->n_jobs) {
        work->job(work->context, i);
    }
    return NULL;
}

void lw_parallel(size_t n_jobs, size_t n_threads, void (*job)(void *context, size_t i),
                 void *context)
{
    struct work work = {.n_jobs = n_jobs, .job = job, .context = context};
    pthread_t threads[LW_PARALLEL_THREADS_MAX];
    size_t n_started = 0, n_wanted = n_threads < n_jobs ? n_threads : n_jobs;

    atomic_init(&work.next, 0);
    n_wanted = n_wanted < LW_PARALLEL_THREADS_MAX ? n_wanted : LW_PARALLEL_THREADS_MAX;
    while (n_started + 1 < n_wanted &&
           pthread_create(&threads[n_started], NULL, work_off, &work) == 0) {
        n_started++;
    }
    (void)work_off(&work);
    for (size_t i = 0; i < n_started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

size_t lw_parallel_processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1;
    }
    return CPU_COUNT(&set) > 0 ? (size_t)CPU_COUNT(&set) : 1;
}
