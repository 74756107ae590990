/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/conditions.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum { MESSAGE_MAX = 1024 };

static const char *const status_names[] = {
    [COND_FALSE] = "False", [COND_TRUE] = "True", [COND_UNKNOWN] = "Unknown"};

static enum cond_status status_parse(const char *s)
{
    if (str_eq(s, "True"))
        return COND_TRUE;
    return str_eq(s, "False") ? COND_FALSE : COND_UNKNOWN;
}

static const char *text(const json_t *cond, const char *key)
{
    return str_or(json_string_value(json_object_get(cond, key)), "");
}

/* Length of message within the limit, never in the middle of a UTF-8 sequence. */
static size_t cut(const char *message)
{
    size_t n = strnlen(message, MESSAGE_MAX + 1);
    if (n <= MESSAGE_MAX)
        return n;
    n = MESSAGE_MAX;
    while (n > 0 && ((unsigned char)message[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* A message may carry a server's words, and those need not be UTF-8. */
static json_t *message_json(const char *message)
{
    size_t n = cut(message);
    json_t *v = json_stringn(message, n);
    if (v)
        return v;
    auto_free char *ascii = xstrndup(message, n);
    for (char *p = ascii; *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    return json_string(ascii);
}

static json_t *cond_new(const char *type, enum cond_status status, const char *reason,
                        const char *message, int64_t generation)
{
    json_t *c = json_object();
    json_object_set_new(c, "type", json_string(type));
    json_object_set_new(c, "status", json_string(status_names[status]));
    json_object_set_new(c, "observedGeneration", json_integer(generation));
    json_object_set_new(c, "reason", json_string(reason && *reason ? reason : "Unknown"));
    json_object_set_new(c, "message", message_json(str_or(message, "")));
    return c;
}

static bool says_the_same(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"status", "observedGeneration", "reason", "message"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
            return false;
    return true;
}

static const char *transition_time(const json_t *c, const json_t *was, int64_t now_s,
                                   char buf[CLOCK_RFC3339_MAX])
{
    const char *since = text(was, "lastTransitionTime");
    if (*since && str_eq(text(was, "status"), text(c, "status")))
        return since;
    clock_format(now_s, buf);
    return buf;
}

static size_t index_of(const json_t *list, const char *type)
{
    size_t n = json_array_size(list), i = 0;
    while (i < n && !str_eq(text(json_array_get(list, i), "type"), type))
        i++;
    return i;
}

void cond_set(json_t *list, const json_t *old, const char *type, enum cond_status status,
              const char *reason, const char *message, int64_t generation, int64_t now_s)
{
    json_t *c = cond_new(type, status, reason, message, generation);
    const json_t *was = cond_find(old, type);
    char buf[CLOCK_RFC3339_MAX];
    json_object_set_new(c, "lastTransitionTime", json_string(transition_time(c, was, now_s, buf)));
    if (was && *text(was, "lastTransitionTime") && says_the_same(was, c)) {
        json_decref(c);
        c = json_deep_copy(was);
    }
    size_t i = index_of(list, type);
    if (i < json_array_size(list))
        json_array_set_new(list, i, c);
    else
        json_array_append_new(list, c);
}

const json_t *cond_find(const json_t *list, const char *type)
{
    return json_array_get(list, index_of(list, type));
}

bool cond_is_true(const json_t *list, const char *type)
{
    return status_parse(text(cond_find(list, type), "status")) == COND_TRUE;
}

static int by_type(const void *a, const void *b)
{
    const char *x = text(*(const json_t *const *)a, "type");
    const char *y = text(*(const json_t *const *)b, "type");
    bool x_ready = str_eq(x, "Ready"), y_ready = str_eq(y, "Ready");
    return x_ready != y_ready ? y_ready - x_ready : strcmp(x, y);
}

void cond_sort(json_t *list)
{
    size_t n = json_array_size(list);
    if (n < 2)
        return;
    auto_free json_t **v = xcalloc(n, sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = json_incref(json_array_get(list, i));
    qsort(v, n, sizeof *v, by_type);
    json_array_clear(list);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, v[i]);
}

/* A condition that is absent means Unknown, so appearing as Unknown is no transition. */
static bool flipped(const json_t *old, const json_t *c, enum cond_status status)
{
    if (!old)
        return status == COND_FALSE;
    const json_t *was = cond_find(old, text(c, "type"));
    if (!was)
        return status != COND_UNKNOWN;
    return status_parse(text(was, "status")) != status ||
           !str_eq(text(was, "reason"), text(c, "reason"));
}

void cond_transitions(const json_t *old, const json_t *now,
                      void (*emit)(void *arg, const char *type, enum cond_status status,
                                   const char *reason, const char *message),
                      void *arg)
{
    for (size_t i = 0; i < json_array_size(now); i++) {
        const json_t *c = json_array_get(now, i);
        enum cond_status status = status_parse(text(c, "status"));
        if (flipped(old, c, status))
            emit(arg, text(c, "type"), status, text(c, "reason"), text(c, "message"));
    }
}
