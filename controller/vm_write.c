/* SPDX-License-Identifier: Apache-2.0 */
#include "vm_write.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

enum { FOLDER_MAX = 63, BLOCK = 512, ARCHIVE_MAX = 8 * 1048576 };

static int failed(struct err *err, const char *what, const char *path)
{
    return err_set(err, ERR_INVALID, errno, "%s %s: %s", what, path, strerror(errno));
}

static int write_all(int fd, const char *data, size_t n)
{
    while (n) {
        ssize_t done = write(fd, data, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        data += done;
        n -= (size_t)done;
    }
    return 0;
}

/* --- a folder --- */

static bool is_ours(const char *name)
{
    static const char *const names[] = {"root-cert.pem", "istio-token", "cluster.env",
                                        "mesh.yaml",     "hosts",       "install.sh"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(name, names[i]))
            return true;
    return false;
}

static bool is_dots(const char *name)
{
    return str_eq(name, ".") || str_eq(name, "..");
}

/* 0: there is none, or one that may go. *ret_exists says which. */
static int look(const char *dir, bool *ret_exists, struct err *err)
{
    DIR *d = opendir(dir);
    *ret_exists = d != NULL;
    if (!d)
        return errno == ENOENT ? 0 : failed(err, "opening", dir);
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(d));)
        if (!is_dots(e->d_name) && !is_ours(e->d_name))
            rc = err_set(err, ERR_INVALID, 0,
                         "%s holds '%.64s', which is of no bundle: name a new or an empty folder",
                         dir, e->d_name);
    closedir(d);
    return rc;
}

/* Files of a bundle, then the folder. What else is in it keeps it. */
static void remove_folder(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (is_ours(e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(dir);
}

static int write_file(int at, const struct machine_file *f, struct err *err)
{
    int fd = openat(at, f->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, f->mode);
    if (fd < 0)
        return failed(err, "making", f->name);
    int rc = fchmod(fd, (mode_t)f->mode) < 0 || write_all(fd, f->data, f->len) < 0 || fsync(fd) < 0
                 ? failed(err, "writing", f->name)
                 : 0;
    close(fd);
    return rc;
}

static int fill(const struct machine_bundle *b, const char *dir, struct err *err)
{
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    if (at < 0)
        return failed(err, "opening", dir);
    for (size_t i = 0; i < MACHINE_FILES && rc == 0; i++)
        rc = write_file(at, &b->files[i], err);
    close(at);
    return rc;
}

/* The new folder takes the old one's place at once; the old one is removed under the new one's name. */
static int move(const char *fresh, const char *dir, bool exists, struct err *err)
{
    unsigned flags = exists ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    if (renameat2(AT_FDCWD, fresh, AT_FDCWD, dir, flags) < 0)
        return failed(err, exists ? "replacing (next: remove it first)" : "making", dir);
    if (exists)
        remove_folder(fresh);
    return 0;
}

int vm_write_folder(const struct machine_bundle *b, const char *dir, struct err *err)
{
    bool exists;
    auto_free char *path = xstrdup(dir);
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    if (look(path, &exists, err) < 0)
        return -1;
    auto_free char *fresh = xasprintf("%s.new-XXXXXX", path);
    if (!mkdtemp(fresh))
        return failed(err, "making", path);
    if (fill(b, fresh, err) == 0 && move(fresh, path, exists, err) == 0)
        return 0;
    remove_folder(fresh);
    return -1;
}

/* --- an archive --- */

/* Fields of a header, as the standard has them; numbers are octal text. */
struct ustar {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8], typeflag,
        linkname[100], magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8],
        prefix[155], pad[12];
};
_Static_assert(sizeof(struct ustar) == BLOCK, "a header is one block");

static void octal(char *field, size_t n, uint64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%0*" PRIo64, (int)n - 1, v);
    memcpy(field, text, n);
}

static void put_header(struct buf *out, const char *name, int mode, size_t size, int64_t now_s,
                       char type)
{
    struct ustar h = {.typeflag = type, .magic = "ustar", .version = {'0', '0'}};
    unsigned sum = 0;
    memcpy(h.name, name, strlen(name));
    octal(h.mode, sizeof h.mode, (uint64_t)mode);
    octal(h.uid, sizeof h.uid, 0);
    octal(h.gid, sizeof h.gid, 0);
    octal(h.size, sizeof h.size, size);
    octal(h.mtime, sizeof h.mtime, (uint64_t)now_s);
    memset(h.chksum, ' ', sizeof h.chksum);
    for (size_t i = 0; i < sizeof h; i++)
        sum += ((const unsigned char *)&h)[i];
    octal(h.chksum, sizeof h.chksum - 1, sum);
    buf_append(out, &h, sizeof h);
}

static int put_file(struct buf *out, const char *folder, const struct machine_file *f,
                    int64_t now_s)
{
    static const char zeros[BLOCK];
    auto_free char *name = xasprintf("%s/%s", folder, f->name);
    put_header(out, name, f->mode, f->len, now_s, '0');
    buf_append(out, f->data, f->len);
    return buf_append(out, zeros, (BLOCK - f->len % BLOCK) % BLOCK);
}

int vm_write_tar(const struct machine_bundle *b, const char *folder, int64_t now_s, int fd,
                 struct err *err)
{
    static const char end[2 * BLOCK];
    struct buf out = BUF_INIT(ARCHIVE_MAX);
    if (strlen(folder) > FOLDER_MAX || strchr(folder, '/'))
        return err_set(err, ERR_BUG, 0, "no name of a folder in an archive: %.64s", folder);
    auto_free char *name = xasprintf("%s/", folder);
    put_header(&out, name, 0700, 0, now_s, '5');
    for (size_t i = 0; i < MACHINE_FILES; i++)
        put_file(&out, folder, &b->files[i], now_s);
    int rc = buf_append(&out, end, sizeof end);
    if (rc < 0)
        err_set(err, ERR_INVALID, 0, "the bundle has more than %d bytes", ARCHIVE_MAX);
    else if (write_all(fd, out.data, out.len) < 0)
        rc = err_set(err, ERR_INVALID, errno, "writing the archive: %s", strerror(errno));
    buf_done_secret(&out);
    return rc;
}
