/* Reads "m of n": see detect/hysteresis.h. */
#include "detect/hysteresis.h"

#include "base/error.h"

/* Reads a whole number of at most three digits; 0 when there is none. */
static unsigned number_read(const char **text)
{
    unsigned number = 0;

    for (int digits = 0; **text >= '0' && **text <= '9' && digits < 3; digits++, (*text)++) {
        number = number * 10 + (unsigned)(**text - '0');
    }
    return number;
}

static void spaces_skip(const char **text)
{
    while (**text == ' ') {
        (*text)++;
    }
}

enum lw_status lw_hysteresis_parse(const char *text, struct lw_hysteresis *ret_rule,
                                   struct lw_error *reterr)
{
    const char *at = text;
    unsigned m, n = 0;

    spaces_skip(&at);
    m = number_read(&at);
    spaces_skip(&at);
    if (at[0] == 'o' && at[1] == 'f') {
        at += 2;
        spaces_skip(&at);
        n = number_read(&at);
        spaces_skip(&at);
    }
    if (*at != '\0' || m < 1 || n < m || n > LW_HYSTERESIS_STEPS_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "\"%.40s\" is not \"m of n\" with 1 <= m <= n <= %d",
                            text, LW_HYSTERESIS_STEPS_MAX);
    }
    ret_rule->m = (uint8_t)m;
    ret_rule->n = (uint8_t)n;
    return LW_OK;
}
