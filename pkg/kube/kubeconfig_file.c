/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "kube/kubeconfig.h"

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

/* One buffer of the file's size, so that no copies of a secret stay behind in freed memory. */
static char *read_fd(int fd, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > KUBECONFIG_BYTES_MAX) {
        err_set(err, ERR_INVALID, 0, "is no file of at most %d bytes", KUBECONFIG_BYTES_MAX);
        return NULL;
    }
    size_t size = (size_t)st.st_size;
    char *text = xcalloc(1, size + 1);
    ssize_t n = read_all(fd, text, size);
    if (n >= 0 && strlen(text) == (size_t)n)
        return text;
    err_set(err, ERR_INVALID, n < 0 ? errno : 0, "%s", n < 0 ? strerror(errno) : "has a zero byte");
    explicit_bzero(text, size);
    xfree_secret(text);
    return NULL;
}

char *kubeconfig_read_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO there must not hang us */
    if (fd < 0) {
        err_set(err, ERR_INVALID, errno, "%s", strerror(errno));
        return NULL;
    }
    char *text = read_fd(fd, err);
    close(fd);
    return text;
}
