/* SPDX-License-Identifier: Apache-2.0 */
/* A Corefile is lines of words: a word "{" at the end of a line opens a block, a line "}" closes it, "#" begins a
 * comment. Names of the cluster set are rewritten to those of the derived Services, which any CoreDNS can. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "mcs/mcs.h"

#define BEGIN "# BEGIN meshwright " MCS_DOMAIN
#define END   "# END meshwright " MCS_DOMAIN

enum { TEXT_MAX = 2 * 1048576, WORD_MAX = 256 };

/* --- lines and words --- */

struct line {
    const char *start;
    size_t len; /* with its newline */
};

static bool next_line(const char **at, struct line *ret)
{
    if (!**at)
        return false;
    const char *end = strchr(*at, '\n');
    *ret = (struct line){*at, end ? (size_t)(end - *at) + 1 : strlen(*at)};
    *at += ret->len;
    return true;
}

/* The next word of a line, cut at WORD_MAX; false at its end, or where a comment begins. */
static bool next_word(const struct line *l, size_t *at, char ret[WORD_MAX])
{
    while (*at < l->len && strchr(" \t\r\n", l->start[*at]))
        ++*at;
    size_t n = 0;
    if (*at >= l->len || l->start[*at] == '#')
        return false;
    for (; *at < l->len && !strchr(" \t\r\n", l->start[*at]); ++*at)
        if (n < WORD_MAX - 1)
            ret[n++] = l->start[*at];
    ret[n] = '\0';
    return true;
}

static bool is_comment(const struct line *l, const char *text)
{
    size_t indent = strspn(l->start, " \t"), n = strlen(text);
    return indent + n <= l->len && strncmp(l->start + indent, text, n) == 0;
}

/* --- where our lines go --- */

/* "." , ".:53", "dns://.:53", with a comma when more follow */
static bool is_root(const char *word)
{
    const char *zone = strstr(word, "://");
    zone = zone ? zone + 3 : word;
    return zone[0] == '.' && (zone[1] == '\0' || zone[1] == ':' || zone[1] == ',');
}

struct place {
    const char *at; /* start of the line "kubernetes ..." */
    size_t indent;
    char domain[WORD_MAX];
};

struct scan {
    int depth;
    bool root; /* the server block that was opened last is for "." */
};

/* Whether the line is the one that we look for. */
static bool scan_line(struct scan *s, const struct line *l, struct place *ret)
{
    char word[WORD_MAX], second[WORD_MAX] = "";
    bool found = false;
    size_t at = 0;
    for (int i = 0; next_word(l, &at, word); i++) {
        if (i == 0 && s->depth == 1 && s->root)
            found = str_eq(word, "kubernetes");
        if (i == 1)
            memcpy(second, word, sizeof second);
        if (s->depth == 0 && !str_eq(word, "{"))
            s->root = s->root || is_root(word);
        if (str_eq(word, "{"))
            s->depth++;
        else if (str_eq(word, "}") && --s->depth == 0)
            s->root = false;
    }
    if (found) {
        bool named = *second && !str_eq(second, "{");
        memcpy(ret->domain, named ? second : "cluster.local", named ? sizeof second : 14);
        ret->at = l->start;
        ret->indent = strspn(l->start, " \t");
    }
    return found;
}

static bool find_place(const char *text, struct place *ret)
{
    struct scan s = {0};
    struct line l;
    while (next_line(&text, &l))
        if (scan_line(&s, &l, ret))
            return true;
    return false;
}

/* --- our lines --- */

static const char *const rules[] = {
    /* a service */
    "^([^.]+)\\.([^.]+)\\.svc\\.clusterset\\.local\\.?$ mcs-{1}.{2}.svc.%s",
    /* its ports: SRV */
    "^(_[^.]+\\._[^.]+)\\.([^.]+)\\.([^.]+)\\.svc\\.clusterset\\.local\\.?$ {1}.mcs-{2}.{3}.svc.%s",
    /* a pod behind a headless one: <hostname>.<cluster> */
    "^([^._]+)\\.([^.]+)\\.([^.]+)\\.([^.]+)\\.svc\\.clusterset\\.local\\.?$ "
    "{1}-{2}.mcs-{3}.{4}.svc.%s",
};

static void put_rule(struct buf *b, const char *indent, const char *rule, const char *domain)
{
    const char *hole = strstr(rule, "%s");
    buf_printf(b, "%srewrite stop name regex ", indent);
    buf_append(b, rule, (size_t)(hole - rule));
    buf_printf(b, "%s answer auto\n", domain);
}

char *mcs_corefile_block(const char *domain, const char *indent)
{
    auto_buf b = BUF_INIT(TEXT_MAX);
    buf_printf(&b, "%s" BEGIN "\n", indent);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        put_rule(&b, indent, rules[i], str_or(domain, "cluster.local"));
    buf_printf(&b, "%s" END "\n", indent);
    return buf_take(&b);
}

/* The text without our lines; NULL when only one of our marks is there, or they stand the wrong way round. */
static char *without(const char *text)
{
    auto_buf b = BUF_INIT(TEXT_MAX);
    struct line l;
    bool ours = false;
    buf_puts(&b, "");
    while (next_line(&text, &l)) {
        bool begins = is_comment(&l, BEGIN), ends = is_comment(&l, END);
        if ((begins && ours) || (ends && !ours))
            return NULL;
        if (!ours && !begins)
            buf_append(&b, l.start, l.len);
        ours = begins || (ours && !ends);
    }
    return ours ? NULL : buf_take(&b);
}

static bool speaks_of_us(const char *text)
{
    struct line l;
    char word[WORD_MAX];
    while (next_line(&text, &l))
        for (size_t at = 0; next_word(&l, &at, word);)
            if (strstr(word, MCS_DOMAIN) || strstr(word, "clusterset\\.local"))
                return true;
    return false;
}

static char *with(const char *base, const struct place *place)
{
    auto_buf b = BUF_INIT(TEXT_MAX);
    auto_free char *indent = xstrndup(place->at, place->indent);
    auto_free char *block = mcs_corefile_block(place->domain, indent);
    buf_append(&b, base, (size_t)(place->at - base));
    buf_puts(&b, block);
    buf_puts(&b, place->at);
    return buf_take(&b);
}

enum mcs_corefile mcs_corefile_edit(const char *text, bool present, char **ret)
{
    struct place place;
    auto_free char *base = strlen(text) < TEXT_MAX / 2 ? without(text) : NULL;
    if (!base)
        return MCS_COREFILE_UNKNOWN;
    bool has = !str_eq(base, text);
    if (present && speaks_of_us(base)) /* somebody does it already */
        return MCS_COREFILE_SAME;
    if (present && !find_place(base, &place))
        return MCS_COREFILE_UNKNOWN;
    if (!present && !has)
        return MCS_COREFILE_SAME;
    auto_free char *wanted = present ? with(base, &place) : STEAL(base);
    if (str_eq(wanted, text))
        return MCS_COREFILE_SAME;
    *ret = STEAL(wanted);
    return MCS_COREFILE_CHANGED;
}
