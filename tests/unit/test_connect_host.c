/* connect/source_host: what files under /proc say becomes node_exporter's metrics, and nothing that
 * a file says does harm. */
#include "support/test.h"

#include "connect/host/collector.h"
#include "connect/source_host.h"
#include "lapwing/engine.h"
#include "support/feed_kept.h"
#include "support/mem_faulty.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROC LW_TEST_DATA "/host/proc/"
#define SECOND_NS INT64_C(1000000000)

static struct feed_kept KEPT;

/* A filesystem of 1000 blocks of 4 KiB, 250 of them free for all; /gone cannot be asked, /empty has
 * no space. */
static int statvfs_made(const char *path, struct statvfs *ret_stat)
{
    if (strcmp(path, "/gone") == 0) {
        errno = ENOENT;
        return -1;
    }
    memset(ret_stat, 0, sizeof(*ret_stat));
    ret_stat->f_frsize = 4096;
    ret_stat->f_blocks = strcmp(path, "/empty") == 0 ? 0 : 1000;
    ret_stat->f_bfree = 300;
    ret_stat->f_bavail = 250;
    ret_stat->f_ffree = 77;
    ret_stat->f_flag = strcmp(path, "/ro") == 0 ? ST_RDONLY : 0;
    return 0;
}

/* One collector over a feed that keeps, for texts written in the test. */
struct bench {
    struct lw_feed feed;
    struct lw_host_batch batch;
    const struct lw_host_collector *collector;
    void *state;
};

static struct bench bench_start(const struct lw_host_collector *collector)
{
    struct bench bench = {.feed = feed_kept_start(&KEPT), .collector = collector};

    bench.state = test_malloc(collector->state_bytes);
    collector->init(bench.state);
    return bench;
}

static void bench_take_bytes(struct bench *bench, const char *text, size_t n_bytes)
{
    char *exact = malloc(n_bytes > 0 ? n_bytes : 1); /* Of its exact size, so that a sanitizer sees
                                                        a read behind it. */

    assert_non_null(exact);
    memcpy(exact, text, n_bytes);
    bench->batch.feed = &bench->feed;
    bench->batch.instance = "web-1";
    bench->batch.ticks_per_s = 100.0;
    bench->batch.statvfs = statvfs_made;
    bench->collector->take(bench->state, exact, n_bytes, &bench->batch);
    lw_host_batch_flush(&bench->batch);
    free(exact);
}

static void bench_take(struct bench *bench, const char *text)
{
    bench_take_bytes(bench, text, strlen(text));
}

static void bench_end(struct bench *bench)
{
    test_free(bench->state);
}

static void assert_value(const char *key, double expected)
{
    double value = feed_kept_value(&KEPT, key);

    if (fabs(value - expected) > 1e-9 * fabs(expected)) {
        fail_msg("%s is %.17g; %.17g was expected", key, value, expected);
    }
}

/* A round over a kernel's files as captured. */
static void kernel_collect(const char *folder)
{
    struct lw_source_host_config config = {.proc_root = folder, .instance = "web-1"};
    struct lw_feed feed = feed_kept_start(&KEPT);
    struct lw_source_host *source = NULL;
    struct lw_error error;

    assert_int_equal(lw_source_host_create(&config, &feed, &source, &error), LW_OK);
    assert_int_equal(lw_source_host_collect(source, 7 * SECOND_NS + 123, &error), LW_OK);
    assert_true(KEPT.watermark_ns == 8 * SECOND_NS);
    lw_source_host_destroy(source);
}

static void test_host__reads_linux_6_18(void **state)
{
    (void)state;
    kernel_collect(PROC "linux-6.18-amd64");
    assert_value("node_cpu_seconds_total{instance=\"web-1\",cpu=\"all\",mode=\"user\"}", 1381.30);
    assert_value("node_cpu_seconds_total{instance=\"web-1\",cpu=\"all\",mode=\"nice\"}", 171.07);
    assert_value("node_cpu_seconds_total{instance=\"web-1\",cpu=\"all\",mode=\"steal\"}", 3.81);
    assert_value("node_cpu_seconds_total{instance=\"web-1\",cpu=\"0\",mode=\"idle\"}", 2308.78);
    assert_value("node_cpu_seconds_total{instance=\"web-1\",cpu=\"1\",mode=\"idle\"}", 2067.70);
    assert_value("node_context_switches_total{instance=\"web-1\"}", 1657512.0);
    assert_value("node_intr_total{instance=\"web-1\"}", 936444.0);
    assert_value("node_forks_total{instance=\"web-1\"}", 39916.0);
    assert_value("node_procs_running{instance=\"web-1\"}", 7.0);
    assert_value("node_memory_MemAvailable_bytes{instance=\"web-1\"}", 23598220.0 * 1024.0);
    assert_value("node_memory_Committed_AS_bytes{instance=\"web-1\"}", 4845948.0 * 1024.0);
    assert_value("node_vmstat_pgmajfault{instance=\"web-1\"}", 5611.0);
    assert_value("node_load1{instance=\"web-1\"}", 5.90);
    assert_value("node_load15{instance=\"web-1\"}", 2.99);
    assert_value("node_processes_threads{instance=\"web-1\"}", 137.0);
    assert_value("node_pressure_io_waiting_seconds_total{instance=\"web-1\"}", 10.758830);
    assert_value("node_pressure_io_stalled_seconds_total{instance=\"web-1\"}", 7.900861);
    assert_value("node_disk_reads_completed_total{instance=\"web-1\",device=\"vda\"}", 154058.0);
    assert_value("node_disk_read_bytes_total{instance=\"web-1\",device=\"vda\"}",
                 10129002.0 * 512.0);
    assert_value("node_disk_written_bytes_total{instance=\"web-1\",device=\"vda\"}",
                 9522344.0 * 512.0);
    assert_value("node_disk_io_time_seconds_total{instance=\"web-1\",device=\"vda\"}", 23.292);
    assert_value("node_disk_io_time_weighted_seconds_total{instance=\"web-1\",device=\"vda\"}",
                 200.621);
    assert_value("node_network_receive_bytes_total{instance=\"web-1\",device=\"eth0\"}",
                 468870998.0);
    assert_value("node_network_transmit_packets_total{instance=\"web-1\",device=\"eth0\"}", 5933.0);
    assert_value("node_network_transmit_bytes_total{instance=\"web-1\",device=\"lo\"}", 5248146.0);
    assert_int_equal(KEPT.n_dropped, 0);
}

static void test_host__reads_linux_6_1_cloud(void **state)
{
    (void)state;
    kernel_collect(PROC "linux-6.1-cloud-amd64");
    assert_value("node_cpu_seconds_total{instance=\"web-1\",cpu=\"all\",mode=\"idle\"}", 64.61);
    assert_value("node_cpu_seconds_total{instance=\"web-1\",cpu=\"3\",mode=\"idle\"}", 16.46);
    assert_value("node_memory_MemTotal_bytes{instance=\"web-1\"}", 737832.0 * 1024.0);
    assert_value("node_pressure_cpu_waiting_seconds_total{instance=\"web-1\"}", 0.751255);
    assert_value("node_disk_writes_completed_total{instance=\"web-1\",device=\"vda\"}", 16.0);
    assert_value("node_disk_reads_completed_total{instance=\"web-1\",device=\"loop0\"}", 3.0);
    assert_value("node_network_receive_packets_total{instance=\"web-1\",device=\"lo\"}", 36.0);
}

static void test_host__devices_without_a_life_are_left_out(void **state)
{
    (void)state;
    kernel_collect(PROC "linux-6.18-amd64");
    assert_false(
        feed_kept_has(&KEPT, "node_disk_reads_completed_total{instance=\"web-1\",device=\"loop"));
    assert_false(
        feed_kept_has(&KEPT, "node_disk_reads_completed_total{instance=\"web-1\",device=\"zram"));
    assert_false(
        feed_kept_has(&KEPT, "node_network_receive_bytes_total{instance=\"web-1\",device=\"ifb"));
}

static void test_host__files_that_are_missing_do_no_harm(void **state)
{
    (void)state;
    kernel_collect(PROC "linux-6.18-amd64"); /* Without mountinfo. */
    assert_false(feed_kept_has(&KEPT, "node_filesystem"));
    kernel_collect(LW_TEST_DATA); /* Without any file of /proc. */
    assert_int_equal(KEPT.n_series, 0);
    assert_true(KEPT.watermark_ns == 8 * SECOND_NS);
}

static void test_host__without_proc_there_is_no_source(void **state)
{
    struct lw_source_host_config config = {.proc_root = LW_TEST_DATA "/host/no such folder"};
    struct lw_feed feed = feed_kept_start(&KEPT);
    struct lw_source_host *source = NULL;
    struct lw_error error;

    (void)state;
    assert_int_equal(lw_source_host_create(&config, &feed, &source, &error), LW_EIO);
    assert_non_null(strstr(error.message, "no such folder"));
    config = (struct lw_source_host_config){.interval_ns = 1000};
    assert_int_equal(lw_source_host_create(&config, &feed, &source, &error), LW_EINVAL);
    assert_null(source);
}

static void test_host__watches_the_machine_it_runs_on(void **state)
{
    struct lw_feed feed = feed_kept_start(&KEPT);
    struct lw_source_host *source = NULL;
    struct lw_error error;
    char key[256];

    (void)state;
    assert_int_equal(lw_source_host_create(NULL, &feed, &source, &error), LW_OK);
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(lw_source_host_collect(source, i * SECOND_NS, &error), LW_OK);
    }
    (void)snprintf(key, sizeof(key), "node_memory_MemTotal_bytes{instance=\"%s\"}",
                   lw_source_host_instance(source));
    assert_true(feed_kept_value(&KEPT, key) > 1e6);
    (void)snprintf(key, sizeof(key), "node_processes_pids{instance=\"%s\"}",
                   lw_source_host_instance(source));
    assert_true(feed_kept_value(&KEPT, key) >= 1.0);
    for (uint32_t i = 0; i < KEPT.n_series; i++) {
        if (strstr(KEPT.keys[i], "node_memory_MemTotal_bytes") != NULL) {
            assert_int_equal(KEPT.n_points[i], 3);
        }
    }
    lw_source_host_destroy(source);
}

static void test_host__run_stops_when_told(void **state)
{
    struct lw_source_host_config config = {.proc_root = PROC "linux-6.18-amd64",
                                           .interval_ns = SECOND_NS / 10};
    struct lw_feed feed = feed_kept_start(&KEPT);
    struct lw_source_host *source = NULL;
    struct lw_error error;
    int stop[2];

    (void)state;
    assert_int_equal(pipe(stop), 0);
    assert_int_equal(lw_source_host_create(&config, &feed, &source, &error), LW_OK);
    KEPT.push_answer = LW_EIO; /* The first round fails, and with it the run. */
    assert_int_equal(lw_source_host_run(source, stop[0], &error), LW_EIO);
    assert_non_null(strstr(error.message, "LW_EIO"));
    KEPT.push_answer = LW_OK;
    assert_int_equal(close(stop[1]), 0);
    assert_int_equal(lw_source_host_run(source, stop[0], &error), LW_OK);
    lw_source_host_destroy(source);
    assert_int_equal(close(stop[0]), 0);
}

static void test_host__a_refused_series_is_counted_not_fatal(void **state)
{
    struct lw_source_host_config config = {.proc_root = PROC "linux-6.18-amd64",
                                           .instance = "web-1"};
    struct lw_feed feed = feed_kept_start(&KEPT);
    struct lw_source_host *source = NULL;
    struct lw_error error;

    (void)state;
    KEPT.series_limit = 10;
    assert_int_equal(lw_source_host_create(&config, &feed, &source, &error), LW_OK);
    assert_int_equal(lw_source_host_collect(source, SECOND_NS, &error), LW_OK);
    assert_int_equal(KEPT.n_series, 10);
    assert_non_null(strstr(KEPT.log, "dropped series_refused 1"));
    lw_source_host_destroy(source);
}

static void test_stat__many_processors_are_not_named(void **state)
{
    struct bench bench = bench_start(&LW_HOST_STAT);
    char text[4096];
    size_t n = (size_t)snprintf(text, sizeof(text), "cpu  900 0 900 9000 0 0 0 0 0 0\n");

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "cpu%u 100 0 100 1000 0 0 0 0 0 0\n", i);
    }
    bench_take(&bench, text);
    assert_value("node_cpu_seconds_total{instance=\"web-1\",cpu=\"all\",mode=\"idle\"}", 90.0);
    assert_int_equal(KEPT.n_series, 8);
    bench_end(&bench);
}

static void test_stat__idle_that_steps_back_a_little_stands_still(void **state)
{
    const char *idle = "node_cpu_seconds_total{instance=\"web-1\",cpu=\"all\",mode=\"idle\"}";
    struct bench bench = bench_start(&LW_HOST_STAT);

    (void)state;
    bench_take(&bench, "cpu  1 0 1 50000 0 0 0 0 0 0\n");
    bench_take(&bench, "cpu  1 0 1 49990 0 0 0 0 0 0\n");
    assert_value(idle, 500.0);
    bench_take(&bench, "cpu  1 0 1 50001 0 0 0 0 0 0\n");
    assert_value(idle, 500.01);
    bench_take(&bench, "cpu  1 0 1 100 0 0 0 0 0 0\n"); /* Began again: a checkpointed container,
                                                           say. */
    assert_value(idle, 1.0);
    bench_end(&bench);
}

static void test_stat__a_processor_switched_off_and_old_kernels(void **state)
{
    struct bench bench = bench_start(&LW_HOST_STAT);

    (void)state;
    bench_take(&bench, "cpu  10 0 10 300\ncpu0 5 0 5 100\ncpu2 5 0 5 200\nctxt\nprocs_running x\n");
    assert_value("node_cpu_seconds_total{instance=\"web-1\",cpu=\"2\",mode=\"idle\"}", 2.0);
    assert_false(feed_kept_has(&KEPT, "node_cpu_seconds_total{instance=\"web-1\",cpu=\"1\""));
    assert_false(feed_kept_has(
        &KEPT, "node_cpu_seconds_total{instance=\"web-1\",cpu=\"all\",mode=\"iowait\""));
    assert_int_equal(KEPT.n_dropped, 2);
    bench_end(&bench);
}

static void test_pressure__without_the_line_full(void **state)
{
    struct bench bench = bench_start(&LW_HOST_PRESSURE_CPU);

    (void)state;
    bench_take(&bench, "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"); /* As kernels
                                                                                     before 5.13
                                                                                     have it. */
    assert_value("node_pressure_cpu_waiting_seconds_total{instance=\"web-1\"}", 1.5);
    bench_take(&bench, "some avg10=0.00 total=x\nsome\nfull total=18446744073709551616\n");
    assert_int_equal(KEPT.n_dropped, 3);
    bench_end(&bench);
}

static void test_diskstats__partitions_are_left_out(void **state)
{
    static const char *const ABSENT[] = {"sda1", "nvme0n1p2", "mmcblk0p1", "vdb12", "md0p1"};
    static const char *const PRESENT[] = {"sda",   "nvme0n1", "mmcblk0", "dm-0",
                                          "md127", "sr0",     "xvdf"};
    struct bench bench = bench_start(&LW_HOST_DISKSTATS);
    char line[256];

    (void)state;
    for (size_t i = 0; i < sizeof(ABSENT) / sizeof(ABSENT[0]); i++) {
        (void)snprintf(line, sizeof(line), "8 1 %s 1 2 3 4 5 6 7 8 9 10 11\n", ABSENT[i]);
        bench_take(&bench, line);
        assert_int_equal(KEPT.n_series, 0);
    }
    for (size_t i = 0; i < sizeof(PRESENT) / sizeof(PRESENT[0]); i++) {
        (void)snprintf(line, sizeof(line), "8 1 %s 1 2 3 4 5 6 7 8 9 10 11\n",
                       PRESENT[i]); /* 14 columns: before 4.18. */
        bench_take(&bench, line);
        assert_int_equal(KEPT.n_series, 8 * (i + 1));
    }
    assert_value("node_disk_write_time_seconds_total{instance=\"web-1\",device=\"sda\"}", 0.008);
    bench_end(&bench);
}

static void test_diskstats__counters_that_wrap_pass_as_they_are(void **state)
{
    struct bench bench = bench_start(&LW_HOST_DISKSTATS);

    (void)state;
    bench_take(&bench, "8 0 sda 1 2 3 4 5 6 7 8 9 4294967295 11\n");
    assert_value("node_disk_io_time_seconds_total{instance=\"web-1\",device=\"sda\"}", 4294967.295);
    bench_take(&bench, "8 0 sda 1 2 3 4 5 6 7 8 9 12 11\n");
    assert_value("node_disk_io_time_seconds_total{instance=\"web-1\",device=\"sda\"}", 0.012);
    bench_take(&bench, "8 0 sda 18446744073709551616 2 3 4 5 6 7 8 9 12 11\n"); /* No such number.
                                                                                 */
    assert_int_equal(KEPT.n_dropped, 1);
    assert_value("node_disk_reads_completed_total{instance=\"web-1\",device=\"sda\"}", 1.0);
    bench_end(&bench);
}

static void test_netdev__takes_names_stuck_to_numbers(void **state)
{
    struct bench bench = bench_start(&LW_HOST_NETDEV);

    (void)state;
    bench_take(
        &bench,
        "  eth0:1234 5 0 0 0 0 0 0 99 3 0 0 0 0 0 0\n veth12: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n"
        "    lo: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n eth1: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "
        "0\nnonsense\nx: 1 2\n");
    assert_value("node_network_receive_bytes_total{instance=\"web-1\",device=\"eth0\"}", 1234.0);
    assert_value("node_network_transmit_packets_total{instance=\"web-1\",device=\"eth0\"}", 3.0);
    assert_value("node_network_receive_bytes_total{instance=\"web-1\",device=\"lo\"}", 0.0);
    assert_int_equal(KEPT.n_series, 16);
    assert_int_equal(KEPT.n_dropped, 2);
    bench_end(&bench);
}

static void test_netdev__interfaces_that_come_and_go_make_room(void **state)
{
    struct bench bench = bench_start(&LW_HOST_NETDEV);
    char line[128], text[8192];
    size_t n = 0;

    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        (void)snprintf(line, sizeof(line), "tun%u: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n", round % 50);
        bench_take(&bench, line);
    }
    assert_int_equal(KEPT.n_series, 50 * 8);
    assert_int_equal(KEPT.n_dropped, 0);
    for (unsigned i = 0; i < LW_HOST_DEVICES_MAX + 1; i++) { /* One too many at once. */
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "tun%u: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n", i);
    }
    bench_take(&bench, "");
    bench_take(&bench, "");
    bench_take(&bench, text);
    assert_int_equal(KEPT.n_dropped, 1);
    assert_non_null(strstr(KEPT.log, "dropped device_limit 1"));
    bench_end(&bench);
}

static void test_mounts__real_ones_count_once(void **state)
{
    struct bench bench = bench_start(&LW_HOST_MOUNTS);
    char text[4096];
    FILE *file = fopen(PROC "linux-6.1-cloud-amd64/self/mountinfo", "rb");
    size_t n;

    (void)state;
    assert_non_null(file);
    n = fread(text, 1, sizeof(text), file);
    assert_int_equal(fclose(file), 0);
    bench_take_bytes(&bench, text, n);
    assert_value("node_filesystem_avail_bytes{instance=\"web-1\",device=\"/dev/"
                 "vda\",fstype=\"ext4\",mountpoint=\"/srv\"}",
                 250.0 * 4096.0);
    assert_value("node_filesystem_files_free{instance=\"web-1\",device=\"scratch\",fstype="
                 "\"tmpfs\",mountpoint=\"/scratch\"}",
                 77.0);
    assert_int_equal(KEPT.n_series, 4 * 4); /* /dev/shm, /srv (also seen at /loop), /scratch, /tmp;
                                               not the locked tmpfs. */
    bench_end(&bench);
}

static void test_mounts__what_must_not_be_asked_is_not(void **state)
{
    struct bench bench = bench_start(&LW_HOST_MOUNTS);

    (void)state;
    bench_take(&bench, "1 0 0:50 / / rw - overlay overlay rw\n"
                       "2 1 0:51 / /net rw shared:1 master:2 - nfs4 server:/export rw\n"
                       "3 1 0:52 / /cloud rw - fuse.sshfs user@host:/ rw\n"
                       "4 1 0:53 / /win rw - cifs //server/share rw\n"
                       "5 1 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro\n"
                       "6 1 7:1 / /cd ro - iso9660 /dev/sr0 ro\n"
                       "7 1 0:54 / /run/user/1000 rw - tmpfs tmpfs rw\n"
                       "8 1 0:55 / /var/lib/docker/overlay2/x rw - overlay overlay rw\n"
                       "9 1 8:1 / /usb\\040stick rw - fuseblk /dev/sdb1 rw\n"
                       "10 1 8:2 / /gone rw - ext4 /dev/sdc1 rw\n"
                       "11 1 8:3 / /empty rw - ext4 /dev/sdd1 rw\n"
                       "12 1 8:4 / /ro ro - xfs /dev/sde1 ro\n"
                       "short line\n13 1 8:5 / /no/dash rw ext4 /dev/sdf1 rw\n");
    assert_true(feed_kept_has(
        &KEPT,
        "node_filesystem_size_bytes{instance=\"web-1\",device=\"overlay\",fstype=\"overlay\","
        "mountpoint=\"/\"}"));
    assert_value(
        "node_filesystem_size_bytes{instance=\"web-1\",device=\"/dev/sdb1\",fstype=\"fuseblk\","
        "mountpoint=\"/usb stick\"}",
        4096000.0);
    assert_value("node_filesystem_readonly{instance=\"web-1\",device=\"/dev/"
                 "sde1\",fstype=\"xfs\",mountpoint=\"/ro\"}",
                 1.0);
    assert_int_equal(KEPT.n_series, 3 * 4);
    assert_int_equal(KEPT.n_dropped, 3); /* /gone, and two bad lines. */
    bench_end(&bench);
}

static void test_mounts__the_last_mount_on_a_path_hides_the_others(void **state)
{
    struct bench bench = bench_start(&LW_HOST_MOUNTS);

    (void)state;
    bench_take(&bench, "1 0 0:50 / /data rw - tmpfs one rw\n2 1 0:51 / /data rw - tmpfs two rw\n");
    assert_true(
        feed_kept_has(&KEPT, "node_filesystem_size_bytes{instance=\"web-1\",device=\"two\""));
    assert_int_equal(KEPT.n_series, 4);
    bench_take(&bench, "1 0 0:50 / /data rw - tmpfs one rw\n"); /* Unmounted again. */
    assert_true(
        feed_kept_has(&KEPT, "node_filesystem_size_bytes{instance=\"web-1\",device=\"one\""));
    assert_int_equal(KEPT.n_series, 8);
    bench_end(&bench);
}

static void test_host__any_cut_of_any_file_is_harmless(void **state)
{
    static const struct lw_host_collector *const COLLECTORS[] = {
        &LW_HOST_STAT,        &LW_HOST_MEMINFO,   &LW_HOST_VMSTAT, &LW_HOST_LOADAVG,
        &LW_HOST_PRESSURE_IO, &LW_HOST_DISKSTATS, &LW_HOST_NETDEV, &LW_HOST_MOUNTS};

    (void)state;
    for (size_t i = 0; i < sizeof(COLLECTORS) / sizeof(COLLECTORS[0]); i++) {
        char path[512], text[8192];
        FILE *file;
        size_t n;

        (void)snprintf(path, sizeof(path), "%s/%s", PROC "linux-6.1-cloud-amd64",
                       COLLECTORS[i]->path);
        file = fopen(path, "rb");
        assert_non_null(file);
        n = fread(text, 1, sizeof(text), file);
        assert_int_equal(fclose(file), 0);
        for (size_t cut = 0; cut <= n; cut++) {
            struct bench bench = bench_start(COLLECTORS[i]);

            bench_take_bytes(&bench, text, cut);
            bench_take_bytes(&bench, text + cut, n - cut);
            for (uint32_t j = 0; j < KEPT.n_series; j++) {
                assert_true(KEPT.values[j] >= 0.0);
            }
            bench_end(&bench);
        }
    }
}

static void test_host__options_are_ones_the_engine_has(void **state)
{
    size_t n;
    const struct lw_source_host_option *options = lw_source_host_options(&n);
    struct lw_spec *spec = NULL;
    struct lw_error error;

    (void)state;
    assert_true(n > 0);
    assert_int_equal(lw_spec_create(&spec, &error), LW_OK);
    for (size_t i = 0; i < n; i++) {
        enum lw_status st = options[i].pattern == NULL
                                ? lw_spec_set(spec, options[i].option, options[i].value, &error)
                                : lw_spec_set_metric(spec, options[i].pattern, options[i].option,
                                                     options[i].value, &error);

        if (st != LW_OK) {
            fail_msg("option %zu: %s", i, error.message);
        }
    }
    lw_spec_destroy(spec);
}

/* The reference page as one text; the caller frees it. */
static char *page_read(void)
{
    FILE *file = fopen(LW_TEST_DATA "/../../docs/sources/host.md", "rb");
    char *page = calloc(1, 1 << 17);

    assert_non_null(file);
    assert_non_null(page);
    assert_true(fread(page, 1, (1 << 17) - 1, file) > 1000);
    assert_int_equal(fclose(file), 0);
    return page;
}

static void test_host__page_shows_the_options(void **state)
{
    size_t n, n_rows = 0;
    const struct lw_source_host_option *options = lw_source_host_options(&n);
    char *page = page_read();
    char *table = strstr(page, "<!-- options -->"), *end = strstr(page, "<!-- end of options -->");

    (void)state;
    assert_true(table != NULL && end != NULL && table < end);
    *end = '\0';
    for (size_t i = 0; i < n; i++) {
        const struct lw_source_host_option *option = &options[i];
        char row[512];
        int n_bytes = snprintf(row, sizeof(row),
                               option->pattern == NULL ? "\n| %s| `%s` | %s | %s |\n"
                                                       : "\n| `%s` | `%s` | %s | %s |\n",
                               option->pattern == NULL ? "" : option->pattern, option->option,
                               option->value, option->why == NULL ? "" : option->why);

        assert_true(n_bytes > 0 && (size_t)n_bytes < sizeof(row));
        table = strstr(table, row); /* In the same order. */
        if (table == NULL) {
            fail_msg("docs/sources/host.md lacks, or has elsewhere, the row %s", row + 1);
        }
        table += n_bytes - 1;
    }
    for (const char *at = strstr(page, "<!-- options -->"); (at = strchr(at, '\n')) != NULL; at++) {
        n_rows += at[1] == '|';
    }
    assert_int_equal(n_rows, n + 2); /* And no other. */
    free(page);
}

static void test_host__page_names_every_metric(void **state)
{
    char *page = page_read();

    (void)state;
    kernel_collect("/proc");
    kernel_collect(PROC "linux-6.1-cloud-amd64");
    for (uint32_t i = 0; i < KEPT.n_series; i++) {
        char quoted[128];

        (void)snprintf(quoted, sizeof(quoted), "`%.*s`", (int)strcspn(KEPT.keys[i], "{"),
                       KEPT.keys[i]);
        if (strstr(page, quoted) == NULL) {
            fail_msg("docs/sources/host.md does not name %s", quoted);
        }
    }
    free(page);
}

static void test_host__gives_all_memory_back_when_there_is_too_little(void **state)
{
    struct lw_source_host_config config = {.proc_root = PROC "linux-6.18-amd64"};
    struct lw_feed feed = feed_kept_start(&KEPT);
    int64_t live = lw_test_mem_live();
    bool failed = true;

    (void)state;
    for (uint64_t at = 1; failed; at++) {
        struct lw_source_host *source = NULL;
        enum lw_status st;

        lw_test_mem_fail_at(at);
        st = lw_source_host_create(&config, &feed, &source, NULL);
        if (st == LW_OK) {
            assert_int_equal(lw_source_host_collect(source, SECOND_NS, NULL),
                             LW_OK); /* Less is read, none is lost silently. */
        }
        failed = lw_test_mem_has_failed() != 0;
        lw_test_mem_fail_at(0);
        assert_true(st == LW_OK || st == LW_ENOMEM);
        lw_source_host_destroy(source);
        assert_true(lw_test_mem_live() == live);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host__reads_linux_6_18),
        cmocka_unit_test(test_host__reads_linux_6_1_cloud),
        cmocka_unit_test(test_host__devices_without_a_life_are_left_out),
        cmocka_unit_test(test_host__files_that_are_missing_do_no_harm),
        cmocka_unit_test(test_host__without_proc_there_is_no_source),
        cmocka_unit_test(test_host__watches_the_machine_it_runs_on),
        cmocka_unit_test(test_host__run_stops_when_told),
        cmocka_unit_test(test_host__a_refused_series_is_counted_not_fatal),
        cmocka_unit_test(test_stat__many_processors_are_not_named),
        cmocka_unit_test(test_stat__idle_that_steps_back_a_little_stands_still),
        cmocka_unit_test(test_stat__a_processor_switched_off_and_old_kernels),
        cmocka_unit_test(test_pressure__without_the_line_full),
        cmocka_unit_test(test_diskstats__partitions_are_left_out),
        cmocka_unit_test(test_diskstats__counters_that_wrap_pass_as_they_are),
        cmocka_unit_test(test_netdev__takes_names_stuck_to_numbers),
        cmocka_unit_test(test_netdev__interfaces_that_come_and_go_make_room),
        cmocka_unit_test(test_mounts__real_ones_count_once),
        cmocka_unit_test(test_mounts__what_must_not_be_asked_is_not),
        cmocka_unit_test(test_mounts__the_last_mount_on_a_path_hides_the_others),
        cmocka_unit_test(test_host__any_cut_of_any_file_is_harmless),
        cmocka_unit_test(test_host__options_are_ones_the_engine_has),
        cmocka_unit_test(test_host__page_shows_the_options),
        cmocka_unit_test(test_host__page_names_every_metric),
        cmocka_unit_test(test_host__gives_all_memory_back_when_there_is_too_little),
    };

    return LW_TEST_RUN(tests);
}
