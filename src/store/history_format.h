/* Constants of the history's files; history_builder.c has the layout. */
#ifndef LW_STORE_HISTORY_FORMAT_H
#define LW_STORE_HISTORY_FORMAT_H

#define LW_HISTORY_MAGIC "lwhist\r\n"
#define LW_HISTORY_VERSION 1u
#define LW_HISTORY_HEAD_BYTES 40u
#define LW_HISTORY_TRAILER_BYTES 64u
/* A block ends with the chunk or series that makes it this long. */
#define LW_HISTORY_BLOCK_BYTES ((size_t)64 << 10)
#define LW_HISTORY_ZSTD_LEVEL 3

#endif
