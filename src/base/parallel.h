/*
 * Independent jobs over a few threads: for training and reports, never on the way of a sample.
 */
#ifndef LW_BASE_PARALLEL_H
#define LW_BASE_PARALLEL_H

#include <stddef.h>

#define LW_PARALLEL_THREADS_MAX 64

/*
 * Calls job(context, i) once for each i below n_jobs, over at most n_threads threads, the caller's
 * among them; returns when all are done. Jobs are taken in order; what each does must not depend on
 * the others. Where a thread cannot be had, those there are do its work.
 */
void lw_parallel(size_t n_jobs, size_t n_threads, void (*job)(void *context, size_t i),
                 void *context);
/* Processors this process may run on, at least 1. */
size_t lw_parallel_processors(void);

#endif
