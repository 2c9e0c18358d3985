/* Status codes, error detail and the export marks that every Lapwing header uses. */
#ifndef LAPWING_STATUS_H
#define LAPWING_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LW_API __attribute__((visibility("default")))
#define LW_MUST_USE __attribute__((warn_unused_result))
#define LW_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#else
#define LW_API
#define LW_MUST_USE
#define LW_PRINTF(format_at, args_at)
#endif

/** What a call came to. 0 is good, errors are negative; numbers are never reused. */
enum lw_status {
    LW_OK = 0,
    LW_EINVAL = -1, /**< An argument or option is outside what the call's docstring allows. */
    LW_ENOMEM = -2, /**< Memory could not be had. */
    LW_EIO = -3,    /**< The operating system refused a read, write, sync, rename or socket call. */
    LW_EFORMAT = -4,  /**< Bytes or text are not what their format asks for, or fail their checksum.
                       */
    LW_EVERSION = -5, /**< Bytes were written by a version this one cannot read. */
    LW_ELIMIT = -6,   /**< A stated limit would be exceeded. */
    LW_ENOTFOUND = -7, /**< No such thing. */
    LW_EBUSY = -8,     /**< A bounded queue is full: try again later. */
    LW_EEXIST = -9,    /**< There is one of that name already. */
    LW_ETOOLONG = -10  /**< A name or text has more bytes, or a name more parts, than it may. */
};

#define LW_ERROR_MESSAGE_MAX 512

/** Detail of a failure: one sentence with the value and the limit. The caller's memory. */
struct lw_error {
    enum lw_status status;
    char message[LW_ERROR_MESSAGE_MAX]; /**< UTF-8, always terminated; cut when longer. */
};

/**
 * The name of a status code.
 *
 * @param status  Any value, also one that is no status.
 * @return A static string such as "LW_EINVAL"; "LW_UNKNOWN" for other values. Never NULL.
 *
 * Cost    O(1).
 * Threads Any.
 */
LW_API const char *lw_status_name(enum lw_status status);

#ifdef __cplusplus
}
#endif
#endif
