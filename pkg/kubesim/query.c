/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes [s, s + n) in place and ends it with NUL, which overwrites what stood behind it. */
static void decode(char *s, size_t n)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '+')
            c = ' ';
        if (c == '%' && i + 2 < n && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
            c = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
            i += 2;
        }
        s[m++] = c;
    }
    s[m] = '\0';
}

void sim_query_parse(const char *text, struct sim_query *ret)
{
    *ret = (struct sim_query){.text = xstrdup(text)};
    char *s = ret->text;
    bool more = *s;
    while (more && ret->n < SIM_PARAMS_MAX) {
        size_t n = strcspn(s, "&"), key = strcspn(s, "=&");
        more = s[n] == '&';
        ret->params[ret->n].key = s;
        ret->params[ret->n].value = key < n ? s + key + 1 : "";
        if (key < n)
            decode(s + key + 1, n - key - 1);
        decode(s, key);
        ret->n++;
        s += n + 1;
    }
}

void sim_query_done(struct sim_query *q)
{
    free(q->text);
}

const char *sim_query_get(const struct sim_query *q, const char *key)
{
    for (size_t i = 0; i < q->n; i++)
        if (str_eq(q->params[i].key, key))
            return q->params[i].value;
    return NULL;
}

/* Whatever is there and does not say no is a yes (k8s.io/apimachinery, runtime.Convert_Slice_string_To_bool). */
bool sim_query_true(const struct sim_query *q, const char *key)
{
    const char *v = sim_query_get(q, key);
    return v && !str_eq(v, "0") && strcasecmp(v, "false") != 0;
}

/* --- Accept --- */

struct media {
    const char *type;
    const char *as, *group, *version;
};

static char *trim(char *s)
{
    while (*s == ' ')
        s++;
    size_t n = strlen(s);
    while (n > 0 && s[n - 1] == ' ')
        s[--n] = '\0';
    return s;
}

/* One "type;a=b;c=d", cut in place. */
static struct media media_parse(char *s)
{
    struct media m = {.as = ""};
    for (bool first = true, more = true; more; first = false) {
        size_t n = strcspn(s, ";");
        more = s[n] == ';';
        s[n] = '\0';
        char *part = trim(s);
        if (first)
            m.type = part;
        else if (str_starts(part, "as="))
            m.as = part + 3;
        else if (str_starts(part, "g="))
            m.group = part + 2;
        else if (str_starts(part, "v="))
            m.version = part + 2;
        s += n + 1;
    }
    return m;
}

static bool is_json(const char *type)
{
    return str_eq(type, SIM_JSON) || str_eq(type, "*/*") || str_eq(type, "application/*");
}

static bool take(const struct media *m, const struct sim_kind *k, struct sim_accept *ret)
{
    static const char *const names[] = {
        [SIM_AS_OBJECT] = "",
        [SIM_AS_PARTIAL] = "PartialObjectMetadata",
        [SIM_AS_PARTIAL_LIST] = "PartialObjectMetadataList",
        [SIM_AS_TABLE] = "Table",
    };
    size_t as = 0;
    while (as < sizeof names / sizeof *names && !str_eq(m->as, names[as]))
        as++;
    bool known =
        as < sizeof names / sizeof *names &&
        (as == SIM_AS_OBJECT || (k && str_eq(m->group, "meta.k8s.io") && str_eq(m->version, "v1")));
    bool proto = str_eq(m->type, SIM_PROTO);
    if (!known || (!proto && !is_json(m->type)))
        return false;
    if (proto && as == SIM_AS_OBJECT && k && !sim_proto_has(k->group, k->kind))
        return false;
    if (proto && (!k || as == SIM_AS_TABLE))
        return false;
    *ret = (struct sim_accept){true, proto, (enum sim_as)as};
    return true;
}

void sim_accept_parse(const char *header, const struct sim_kind *k, struct sim_accept *ret)
{
    *ret = (struct sim_accept){.ok = !*header};
    auto_free char *copy = xstrdup(header);
    bool only_proto = *header != '\0';
    for (char *s = copy, *next; s; s = next) {
        next = strchr(s, ',');
        if (next)
            *next++ = '\0';
        struct media m = media_parse(s);
        only_proto = only_proto && str_eq(m.type, SIM_PROTO);
        if (take(&m, k, ret))
            return;
    }
    /* No protobuf of this kind here, where a real server has it: JSON, and the Content-Type says so. */
    if (only_proto && k && !(k->traits & SIM_CUSTOM))
        ret->ok = true;
}
