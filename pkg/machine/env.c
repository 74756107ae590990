/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/env.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* What istioctl leaves bare. Its pattern means all letters and digits, but its backslash is escaped once too often:
 * a backslash and a "w" are what is left of them. A bare backslash would be eaten by the shell, so that we quote. */
static bool is_bare(const char *s)
{
    return *s && s[strspn(s, "w@%+=:,./-")] == 0;
}

static int put_quoted(struct buf *b, const char *s)
{
    if (buf_puts(b, "'") < 0)
        return -1;
    for (size_t n; *s; s += n) {
        n = strcspn(s, "'");
        if (buf_append(b, s, n) < 0)
            return -1;
        if (s[n] && (n++, buf_puts(b, "'\"'\"'") < 0))
            return -1;
    }
    return buf_puts(b, "'");
}

static char *line_of(const char *key, const char *value)
{
    struct buf b = BUF_INIT(SIZE_MAX / 8);
    buf_printf(&b, "%s=", key);
    if (is_bare(value))
        buf_puts(&b, value);
    else
        put_quoted(&b, value);
    buf_puts(&b, "\n");
    return buf_take(&b);
}

static bool is_name(const char *key)
{
    size_t n = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && !key[n] && !(*key >= '0' && *key <= '9');
}

/* What changes how the shell and the loader work for root, who reads the file: never of a mesh's config. */
static bool is_of_the_system(const char *key)
{
    static const char *const names[] = {"PATH", "IFS", "ENV", "SHELLOPTS", "PS4", "HOME"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(key, names[i]))
            return true;
    return str_starts(key, "LD_") || str_starts(key, "BASH") || str_starts(key, "GCONV_");
}

static int check_key(const char *key, struct err *err)
{
    if (is_name(key) && !is_of_the_system(key))
        return 0;
    return err_set(
        err, ERR_INVALID, 0,
        "proxyMetadata has a key that a machine does not take as an environment variable: "
        "'%.64s'; remove it from the mesh's defaultConfig or the annotation "
        "proxy.istio.io/config",
        key);
}

static int put_lines(char *const *lines, size_t n, struct buf *b, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (buf_puts(b, lines[i]) < 0)
            return err_set(err, ERR_INVALID, 0,
                           "cluster.env would have more than %zu bytes: shorten proxyMetadata",
                           b->max);
    return 0;
}

int machine_env(const json_t *vars, struct buf *b, struct err *err)
{
    json_t *obj = (json_t *)(uintptr_t)vars;
    auto_free char **lines = xcalloc(json_object_size(vars) + 1, sizeof *lines);
    size_t n = 0;
    int rc = 0;
    for (void *it = json_object_iter(obj); it && rc == 0; it = json_object_iter_next(obj, it)) {
        const char *key = json_object_iter_key(it);
        rc = check_key(key, err);
        if (rc == 0)
            lines[n++] = line_of(key, json_string_value(json_object_iter_value(it)));
    }
    qsort(lines, n, sizeof *lines, str_cmp_ptr);
    if (rc == 0)
        rc = put_lines(lines, n, b, err);
    for (size_t i = 0; i < n; i++)
        free(lines[i]);
    return rc;
}
