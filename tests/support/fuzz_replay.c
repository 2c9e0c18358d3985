/*
 * An ordinary main for a fuzz target: runs every file of the folders and files named, so that plain
 * CI replays what fuzzing found. Ends with `N passed, N failed`; an input that cannot be read, or
 * an empty corpus, is a failure, and one that crashes takes the process with it.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

struct tally {
    int passed, failed;
};

/* The whole file in memory of its exact size, so that a sanitizer sees any read behind its end. */
static uint8_t *file_read(const char *path, size_t n_bytes)
{
    uint8_t *data = malloc(n_bytes > 0 ? n_bytes : 1);
    FILE *file = fopen(path, "rb");

    if (data != NULL && (file == NULL || fread(data, 1, n_bytes, file) != n_bytes)) {
        free(data);
        data = NULL;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return data;
}

static void replay_file(const char *path, size_t n_bytes, struct tally *tally)
{
    uint8_t *data = file_read(path, n_bytes);

    if (data == NULL) {
        printf("%s: cannot be read\n", path);
        tally->failed++;
        return;
    }
    (void)fprintf(stderr, "%s\n", path); /* Before the call: after a crash it is the last line. */
    (void)LLVMFuzzerTestOneInput(data, n_bytes);
    tally->passed++;
    free(data);
}

static void replay_path(const char *path, struct tally *tally)
{
    struct stat info;
    DIR *folder;
    struct dirent *entry;
    char inner[4096];

    if (stat(path, &info) != 0) {
        printf("%s: does not exist\n", path);
        tally->failed++;
        return;
    }
    if (!S_ISDIR(info.st_mode)) {
        replay_file(path, (size_t)info.st_size, tally);
        return;
    }
    folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        int length = snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);

        if (length < (int)sizeof(inner) && stat(inner, &info) == 0 && S_ISREG(info.st_mode)) {
            replay_file(inner, (size_t)info.st_size, tally);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
}

int main(int argc, char **argv)
{
    struct tally tally = {0, 0};

    for (int i = 1; i < argc; i++) {
        replay_path(argv[i], &tally);
    }
    if (tally.passed == 0) {
        tally.failed++;
    }
    printf("%d passed, %d failed\n", tally.passed, tally.failed);
    return tally.failed == 0 ? 0 : 1;
}
