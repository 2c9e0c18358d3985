/*
 * Any bytes as the report in a model file, which may come from anywhere: printed as text and as a
 * page, whatever is missing or of another type. No text of the report becomes markup.
 */
#include "cli/train_fields.h"
#include "cli/train_report.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void page_check(const json_t *report)
{
    char *page = NULL;
    size_t n_bytes = 0;
    FILE *stream = open_memstream(&page, &n_bytes);

    if (stream == NULL) {
        return;
    }
    lw_report_page(report, 1000.0, stream);
    (void)fclose(stream);
    if (strstr(page, "<script") != NULL || strstr(page, "</html>") == NULL) {
        (void)fprintf(stderr, "not met: a page is whole and runs nothing\n");
        abort();
    }
    free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    char *text = malloc(n_bytes + 1);
    json_t *report;
    struct lw_terminal terminal = {.width = 80};

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, n_bytes);
    text[n_bytes] = '\0';
    report = lw_report_parse(text, NULL);
    terminal.stream = report == NULL ? NULL : fopen("/dev/null", "w");
    if (terminal.stream != NULL) {
        lw_report_print(report, 1000.0, &terminal);
        (void)fclose(terminal.stream);
        page_check(report);
    }
    json_decref(report);
    free(text);
    return 0;
}
