/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Up to n bytes; how many there were, or -1. */
static ssize_t read_all(int fd, char *to, size_t n)
{
    size_t have = 0;
    while (have < n) {
        ssize_t got = read(fd, to + have, n - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

static char *read_fd(int fd, const char *path, size_t max, size_t *ret_len, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size > max) {
        err_set(err, ERR_INVALID, 0, "%s: not a file of at most %zu bytes", path, max);
        return NULL;
    }
    size_t size = (size_t)st.st_size;
    char *text = xcalloc(1, size + 1);
    ssize_t n = read_all(fd, text, size);
    if (n < 0) {
        err_set(err, ERR_INVALID, errno, "%s: %s", path, strerror(errno));
        explicit_bzero(text, size);
        free(text);
        return NULL;
    }
    if (ret_len)
        *ret_len = (size_t)n;
    return text;
}

char *file_read(const char *path, size_t max, size_t *ret_len, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_set(err, ERR_INVALID, errno, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = read_fd(fd, path, max, ret_len, err);
    close(fd);
    return text;
}
