/*
 * InfluxDB line protocol with one field a line, 100,000 series, on one core: from the request's
 * body to points that are ready for the feed, with the look-up of every series.
 *
 * The peer is the least that any reader does: it finds line ends and blanks by memchr and reads
 * value and time by strtod and strtoll; it checks nothing, knows no escapes and looks no series up.
 */
#include "support/push.h"

#include "connect/influx/influx_push.h"

#include <gnu/libc-version.h>

static double sum;

static size_t line_write(char *at, size_t capacity, const struct push_bench_name *name,
                         const char *value)
{
    return (size_t)snprintf(at, capacity,
                            "%s,device=%s,instance=%s,job=node value=%s %d000000000\n",
                            name->metric, name->device, name->instance, value, PUSH_TIME_S);
}

static void split_run(void *context)
{
    const struct push_bench *bench = context;

    for (uint32_t i = 0; i < PUSH_BODIES; i++) {
        const char *at = bench->bodies[i];
        const char *end = at + bench->n_bytes[i];

        while (at < end) {
            const char *line_end = memchr(at, '\n', (size_t)(end - at));
            const char *fields = memchr(at, ' ', (size_t)(line_end - at));
            const char *value = memchr(fields, '=', (size_t)(line_end - fields));
            char *behind = NULL;

            sum += strtod(value + 1, &behind);
            sum += (double)strtoll(behind, &behind, 10);
            at = line_end + 1;
        }
    }
}

int main(void)
{
    static struct push_bench bench;

    push_bench_init(&bench, &lw_push_influx, "/write", NULL);
    push_bench_bodies(&bench, 192, line_write);
    push_bench_print("line_protocol_samples_per_s", &bench, split_run,
                     "plain splitter (memchr, strtod, strtoll)", gnu_get_libc_version());
    push_bench_fini(&bench);
    return sum > 0.0 ? 0 : 1;
}
