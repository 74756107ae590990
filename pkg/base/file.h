/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>

#include "base/err.h"

/* The bytes of a regular file of at most max bytes, with a NUL after them; *ret_len (may be NULL) is their number. Read
 * into one buffer of the file's size, so that no copies of a secret stay behind in freed memory. Owned: free(), or
 * xfree_secret() for a secret. NULL with *err (ERR_INVALID, names the path). Never waits: a FIFO is no file. */
char *file_read(const char *path, size_t max, size_t *ret_len, struct err *err);

#endif
