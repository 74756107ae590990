/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as Go's tools write it: sigs.k8s.io/yaml 1.6 over go.yaml.in/yaml/v2. That is a port of libyaml's emitter, so
 * the emitter here is libyaml's; what differs from our own dump is the style of strings and the order of keys. */
#include "yaml/yaml.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "base/str.h"
#include "yaml/resolve.h"

enum { WIDTH = 80, DIGITS = 17 };

/* --- strings that some reader takes for another type --- */

/* One number of at most `digits` digits in [min, max]; *s moves past it. */
static bool take_number(const char **s, int digits, int min, int max, int *ret)
{
    int n = 0, v = 0;
    for (; n < digits && isdigit((unsigned char)**s); n++, (*s)++)
        v = v * 10 + (**s - '0');
    *ret = v;
    return n > 0 && v >= min && v <= max;
}

static bool take_char(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool take_clock(const char **s)
{
    int v;
    if (!take_number(s, 2, 0, 23, &v) || !take_char(s, ':') || !take_number(s, 2, 0, 59, &v) ||
        !take_char(s, ':') || !take_number(s, 2, 0, 59, &v))
        return false;
    if ((**s == '.' || **s == ',') && isdigit((unsigned char)(*s)[1]))
        *s += 1 + strspn(*s + 1, "0123456789");
    return true;
}

static bool take_zone(const char **s)
{
    int v;
    if (take_char(s, 'Z'))
        return true;
    if (!take_char(s, '+') && !take_char(s, '-'))
        return false;
    return isdigit((unsigned char)(*s)[0]) && isdigit((unsigned char)(*s)[1]) &&
           take_number(s, 2, 0, 24, &v) && take_char(s, ':') && isdigit((unsigned char)(*s)[0]) &&
           isdigit((unsigned char)(*s)[1]) && take_number(s, 2, 0, 60, &v);
}

/* A date, a date with time and zone after T, or with time and no zone after a space. */
static bool is_timestamp(const char *s)
{
    int year, month, day;
    if (strspn(s, "0123456789") != 4 || !take_number(&s, 4, 0, 9999, &year) ||
        !take_char(&s, '-') || !take_number(&s, 2, 1, 12, &month) || !take_char(&s, '-') ||
        !take_number(&s, 2, 1, days_of(year, month), &day))
        return false;
    if (!*s)
        return true;
    if (take_char(&s, ' '))
        return take_clock(&s) && !*s;
    return (take_char(&s, 'T') || take_char(&s, 't')) && take_clock(&s) && take_zone(&s) && !*s;
}

/* YAML 1.1's numbers of base 60, "1:30": quoted, though Go's own reader does not know them. */
static bool is_base60(const char *s)
{
    if (*s == '+' || *s == '-')
        s++;
    if (!isdigit((unsigned char)*s))
        return false;
    s += strspn(s, "0123456789_");
    if (*s != ':')
        return false;
    while (take_char(&s, ':')) {
        size_t n = strspn(s, "0123456789");
        if (n < 1 || n > 2 || (n == 2 && *s > '5'))
            return false;
        s += n;
    }
    if (take_char(&s, '.'))
        s += strspn(s, "0123456789_");
    return !*s;
}

static bool resolves_to_string(const char *s, size_t n)
{
    if (is_timestamp(s) || is_base60(s))
        return false;
    json_auto_t *meaning = yaml_resolve(s, n);
    return json_is_string(meaning);
}

/* --- keys --- */

static bool is_letter(unsigned char c)
{
    return isalpha(c) || c >= 0x80;
}

/* The number of the digits at s, put behind the one that came before. Long ones wrap, as Go's do. */
static uint64_t number_at(const char *s, uint64_t before, size_t *ret_len)
{
    uint64_t v = before;
    for (*ret_len = 0; isdigit((unsigned char)s[*ret_len]); (*ret_len)++)
        v = v * 10 + (uint64_t)(s[*ret_len] - '0');
    return v;
}

/* Is there a digit but 0 in the run of digits before s[i]? Then "0" here is the middle of a number. */
static bool in_number(const char *s, size_t i)
{
    while (i > 0 && isdigit((unsigned char)s[i - 1]))
        if (s[--i] != '0')
            return true;
    return false;
}

static int cmp_numbers(const char *a, const char *b, size_t i)
{
    uint64_t before = (a[i] == '0' || b[i] == '0') && in_number(a, i);
    size_t a_len, b_len;
    uint64_t av = number_at(a + i, before, &a_len), bv = number_at(b + i, before, &b_len);
    if (av != bv)
        return (int64_t)av < (int64_t)bv ? -1 : 1;
    if (a_len != b_len)
        return a_len < b_len ? -1 : 1;
    return (unsigned char)a[i] < (unsigned char)b[i] ? -1 : 1;
}

/* The order of go-yaml: letters behind what is none, numbers by their value. */
static int cmp_keys(const void *pa, const void *pb)
{
    const char *a = *(const char *const *)pa, *b = *(const char *const *)pb;
    size_t i = 0;
    while (a[i] && a[i] == b[i])
        i++;
    if (!a[i] || !b[i])
        return (a[i] != 0) - (b[i] != 0);
    bool al = is_letter((unsigned char)a[i]), bl = is_letter((unsigned char)b[i]);
    if (al && bl)
        return (unsigned char)a[i] < (unsigned char)b[i] ? -1 : 1;
    if (al || bl)
        return bl ? -1 : 1;
    return cmp_numbers(a, b, i);
}

/* --- the emitter --- */

static int put_text(void *arg, unsigned char *data, size_t n)
{
    return buf_append(arg, data, n) == 0;
}

static bool emit(yaml_emitter_t *e, yaml_event_t *event)
{
    return yaml_emitter_emit(e, event) == 1;
}

static bool put_scalar(yaml_emitter_t *e, const char *s, size_t n, yaml_scalar_style_t style)
{
    yaml_event_t event;
    auto_free char *copy = xstrndup(s, n); /* libyaml takes what it does not change as non-const */
    return yaml_scalar_event_initialize(&event, NULL, NULL, (yaml_char_t *)copy, (int)n, 1, 1,
                                        style) == 1 &&
           emit(e, &event);
}

static bool put_string(yaml_emitter_t *e, const char *s, size_t n)
{
    yaml_scalar_style_t style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    if (memchr(s, '\n', n))
        style = YAML_LITERAL_SCALAR_STYLE;
    else if (resolves_to_string(s, n))
        style = YAML_PLAIN_SCALAR_STYLE;
    return put_scalar(e, s, n, style);
}

static bool put_real(yaml_emitter_t *e, double v)
{
    char s[40];
    for (int digits = 6; digits <= DIGITS; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (strtod(s, NULL) == v)
            break;
    }
    return put_scalar(e, s, strlen(s), YAML_PLAIN_SCALAR_STYLE);
}

static bool put_value(yaml_emitter_t *e, const json_t *v);

static bool put_object(yaml_emitter_t *e, const json_t *v)
{
    yaml_event_t event;
    size_t n = json_object_size(v), i = 0;
    yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
    if (!emit(e, &event))
        return false;
    auto_free const char **keys = xcalloc(n + 1, sizeof *keys);
    json_t *obj = (json_t *)(uintptr_t)v;
    for (void *it = json_object_iter(obj); it; it = json_object_iter_next(obj, it))
        keys[i++] = json_object_iter_key(it);
    qsort(keys, n, sizeof *keys, cmp_keys);
    for (i = 0; i < n; i++)
        if (!put_string(e, keys[i], strlen(keys[i])) || !put_value(e, json_object_get(v, keys[i])))
            return false;
    return yaml_mapping_end_event_initialize(&event) && emit(e, &event);
}

static bool put_array(yaml_emitter_t *e, const json_t *v)
{
    yaml_event_t event;
    yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE);
    if (!emit(e, &event))
        return false;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!put_value(e, json_array_get(v, i)))
            return false;
    return yaml_sequence_end_event_initialize(&event) && emit(e, &event);
}

static bool put_value(yaml_emitter_t *e, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return put_object(e, v);
    case JSON_ARRAY:
        return put_array(e, v);
    case JSON_STRING:
        return put_string(e, json_string_value(v), json_string_length(v));
    case JSON_REAL:
        return put_real(e, json_real_value(v));
    case JSON_INTEGER:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
    default:
        break;
    }
    auto_free char *s = json_dumps(v, JSON_ENCODE_ANY);
    return put_scalar(e, s, strlen(s), YAML_PLAIN_SCALAR_STYLE);
}

static bool put_document(yaml_emitter_t *e, const json_t *v)
{
    yaml_event_t event;
    return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) && emit(e, &event) &&
           yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) && emit(e, &event) &&
           put_value(e, v) && yaml_document_end_event_initialize(&event, 1) && emit(e, &event) &&
           yaml_stream_end_event_initialize(&event) && emit(e, &event);
}

/* libyaml marks the end of a document whose last block keeps its empty lines; Go's port does not. */
static void cut_end_mark(struct buf *b)
{
    static const char mark[] = "\n...\n";
    if (!str_ends(str_or(b->data, ""), mark))
        return;
    b->len -= sizeof mark - 2;
    b->data[b->len] = 0;
}

int yaml_dump_go(const json_t *v, struct buf *b)
{
    yaml_emitter_t e;
    if (!yaml_emitter_initialize(&e))
        return -1;
    yaml_emitter_set_output(&e, put_text, b);
    yaml_emitter_set_unicode(&e, 1);
    yaml_emitter_set_width(&e, WIDTH);
    bool ok = put_document(&e, v);
    yaml_emitter_delete(&e);
    if (ok)
        cut_end_mark(b);
    return ok ? 0 : -1;
}
