/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/exchange.h"

/* The kinds with their words, and what the numbers behind the word are. */
static const struct kind {
    const char *word;
    enum sim_fault_kind kind;
    int min, max; /* how many numbers */
} kinds[] = {
    {"delay", SIM_FAULT_DELAY, 1, 1},
    {"drop", SIM_FAULT_DROP, 0, 0},
    {"reset-before", SIM_FAULT_RESET_BEFORE, 0, 0},
    {"reset-after", SIM_FAULT_RESET_AFTER, 0, 0},
    {"truncate", SIM_FAULT_TRUNCATE, 1, 1},
    {"half-line", SIM_FAULT_HALF_LINE, 0, 0},
    {"status", SIM_FAULT_STATUS, 1, 2},
    {"goaway", SIM_FAULT_GOAWAY, 0, 0},
    {"silence", SIM_FAULT_SILENCE, 0, 0},
    {"duplicate", SIM_FAULT_DUPLICATE, 0, 0},
    {"reorder", SIM_FAULT_REORDER, 0, 0},
    {"expire", SIM_FAULT_EXPIRE, 0, 0},
};

static const struct kind *kind_of(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].word) == len && memcmp(kinds[i].word, word, len) == 0)
            return &kinds[i];
    return NULL;
}

/* ":5:2" into numbers; how many there are, -1 when one is none. */
static int numbers(const char *s, int64_t ret[2])
{
    int n = 0;
    while (*s) {
        size_t len = strcspn(++s, ":");
        auto_free char *digits = xstrndup(s, len);
        if (n == 2 || str_to_i64(digits, 0, INT_MAX, &ret[n]) < 0)
            return -1;
        n++;
        s += len;
    }
    return n;
}

static int parse_fault(const char *s, struct sim_fault *ret)
{
    int64_t v[2] = {0};
    size_t len = strcspn(s, ":");
    const struct kind *k = kind_of(s, len);
    int n = k ? numbers(s + len, v) : -1;
    if (!k || n < k->min || n > k->max)
        return -1;
    *ret = (struct sim_fault){.kind = k->kind};
    if (k->kind == SIM_FAULT_DELAY)
        ret->ms = (int)v[0];
    if (k->kind == SIM_FAULT_TRUNCATE)
        ret->bytes = (size_t)v[0];
    if (k->kind != SIM_FAULT_STATUS)
        return 0;
    ret->status = (int)v[0];
    ret->retry_after_s = (int)v[1];
    return ret->status >= 200 && ret->status <= 599 ? 0 : -1;
}

/* A word that is there twice is an error, and so is an empty one. */
static int set_text(const char **field, const char *value)
{
    if (*field || !*value)
        return -1;
    *field = xstrdup(value);
    return 0;
}

static int set_number(unsigned *field, const char *value)
{
    int64_t n;
    if (str_to_i64(value, 0, UINT_MAX, &n) < 0)
        return -1;
    *field = (unsigned)n;
    return 0;
}

static int set_index(uint64_t *field, const char *value)
{
    int64_t n;
    if (str_to_i64(value, 0, INT64_MAX, &n) < 0)
        return -1;
    *field = (uint64_t)n;
    return 0;
}

static int set(struct sim_rule *r, const char *word)
{
    if (str_starts(word, "cluster="))
        return set_text(&r->cluster, word + 8);
    if (str_starts(word, "method="))
        return set_text(&r->method, word + 7);
    if (str_starts(word, "path="))
        return set_text(&r->path, word + 5);
    if (str_starts(word, "index="))
        return set_index(&r->index, word + 6);
    if (str_starts(word, "skip="))
        return set_number(&r->skip, word + 5);
    if (str_starts(word, "times="))
        return set_number(&r->times, word + 6);
    if (str_starts(word, "fault="))
        return parse_fault(word + 6, &r->fault);
    return -1;
}

int sim_rule_parse(const char *text, struct sim_rule *ret, struct err *err)
{
    struct sim_rule r = {0};
    for (const char *p = text + strspn(text, " "); *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        auto_free char *word = xstrndup(p, len);
        if (set(&r, word) < 0) {
            sim_rule_done(&r);
            return err_set(err, ERR_INVALID, 0, "fault rule: \"%.80s\" is not understood", word);
        }
        p += len;
    }
    if (r.fault.kind == SIM_FAULT_NONE) {
        sim_rule_done(&r);
        return err_set(err, ERR_INVALID, 0, "fault rule: no fault=...");
    }
    *ret = r;
    return 0;
}

void sim_rule_done(struct sim_rule *r)
{
    xfreep(&r->cluster);
    xfreep(&r->method);
    xfreep(&r->path);
}
