/* Status names and the one place where error sentences are formatted. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

enum lw_status(lw_error_set)(struct lw_error *reterr, enum lw_status status, const char *format,
                             ...)
{
    if (reterr != NULL) {
        va_list args;

        reterr->status = status;
        va_start(args, format);
        (void)vsnprintf(reterr->message, sizeof(reterr->message), format, args);
        va_end(args);
    }
    return status;
}

const char *lw_status_name(enum lw_status status)
{
    switch (status) {
    case LW_OK:
        return "LW_OK";
    case LW_EINVAL:
        return "LW_EINVAL";
    case LW_ENOMEM:
        return "LW_ENOMEM";
    case LW_EIO:
        return "LW_EIO";
    case LW_EFORMAT:
        return "LW_EFORMAT";
    case LW_ETOOLONG:
        return "LW_ETOOLONG";
    case LW_EVERSION:
        return "LW_EVERSION";
    case LW_ELIMIT:
        return "LW_ELIMIT";
    case LW_ENOTFOUND:
        return "LW_ENOTFOUND";
    case LW_EBUSY:
        return "LW_EBUSY";
    case LW_EEXIST:
        return "LW_EEXIST";
    }
    return "LW_UNKNOWN";
}
