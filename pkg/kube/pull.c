/* SPDX-License-Identifier: Apache-2.0 */
/* kube_read_json: reads what a table names out of a JSON text (RFC 8259) in one pass, without a tree. What Go's reader
 * takes of real API servers is taken: lone surrogates become U+FFFD, bytes that are no UTF-8 stay as they are. */
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "kube/schema.h"

enum { TIME_MAX = 64 };

struct pull {
    const char *text, *at, *end;
    kube_value_cb *cb;
    void *arg;
    struct err *err;
    struct buf key, str; /* strings with escapes, unescaped: never longer than their text */
    unsigned depth;
};

struct text {
    const char *at;
    size_t len;
};

static int malformed(struct pull *p)
{
    return err_set(p->err, ERR_INVALID, 0, "the object is not well-formed JSON at byte %zu",
                   (size_t)(p->at - p->text));
}

/* The next character that is no space; '\0' at the end. */
static char peek(struct pull *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
    return p->at < p->end ? *p->at : '\0';
}

static int expect(struct pull *p, char c)
{
    if (peek(p) != c)
        return malformed(p);
    p->at++;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* Four of them at s, or -1. */
static int hex4(const char *s, const char *end)
{
    int v = 0;
    if (end - s < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(s[i]);
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

/* Behind a backslash. */
static int skip_escape(struct pull *p)
{
    if (p->at == p->end)
        return malformed(p);
    char c = *p->at++;
    if (c == 'u') {
        if (hex4(p->at, p->end) < 0)
            return malformed(p);
        p->at += 4;
        return 0;
    }
    return c && strchr("\"\\/bfnrt", c) ? 0 : malformed(p);
}

/* What is between the quotes, as it is written. */
static int string(struct pull *p, struct text *ret, bool *ret_escapes)
{
    if (expect(p, '"') < 0)
        return -1;
    const char *from = p->at;
    *ret_escapes = false;
    while (p->at < p->end) {
        unsigned char c = (unsigned char)*p->at++;
        if (c == '"') {
            *ret = (struct text){from, (size_t)(p->at - 1 - from)};
            return 0;
        }
        if (c < 0x20)
            break;
        if (c != '\\')
            continue;
        *ret_escapes = true;
        if (skip_escape(p) < 0)
            return -1;
    }
    return malformed(p);
}

static void put_utf8(struct buf *out, unsigned c)
{
    char s[4];
    size_t n = 1;
    if (c < 0x80) {
        s[0] = (char)c;
    } else if (c < 0x800) {
        s[0] = (char)(0xc0 | c >> 6);
        n = 2;
    } else if (c < 0x10000) {
        s[0] = (char)(0xe0 | c >> 12);
        n = 3;
    } else {
        s[0] = (char)(0xf0 | c >> 18);
        n = 4;
    }
    for (size_t i = 1; i < n; i++)
        s[i] = (char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
    buf_append(out, s, n);
}

/* s behind "\u"; returns where the text goes on. */
static const char *unescape_unicode(struct buf *out, const char *s, const char *end)
{
    enum { HIGH = 0xd800, LOW = 0xdc00, BEYOND = 0xe000, REPLACEMENT = 0xfffd };
    unsigned c = (unsigned)hex4(s, end);
    s += 4;
    if (c >= HIGH && c < BEYOND) {
        int low = end - s >= 2 && s[0] == '\\' && s[1] == 'u' ? hex4(s + 2, end) : -1;
        if (c < LOW && low >= LOW && low < BEYOND) {
            c = 0x10000 + ((c - HIGH) << 10) + ((unsigned)low - LOW);
            s += 6;
        } else {
            c = REPLACEMENT;
        }
    }
    put_utf8(out, c);
    return s;
}

/* The escapes are known to be well-formed. */
static struct text unescape(struct buf *out, struct text t)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *s = t.at, *end = t.at + t.len;
    buf_reset(out);
    while (s < end) {
        const char *stop = memchr(s, '\\', (size_t)(end - s));
        buf_append(out, s, (size_t)((stop ? stop : end) - s));
        if (!stop)
            break;
        s = stop + 2;
        if (stop[1] == 'u') {
            s = unescape_unicode(out, s, end);
        } else {
            const char *found = strchr(from, stop[1]);
            buf_append(out, found ? to + (found - from) : stop + 1, 1);
        }
    }
    return (struct text){out->data, out->len};
}

static int plain_string(struct pull *p, struct buf *scratch, struct text *ret)
{
    bool escapes;
    if (string(p, ret, &escapes) < 0)
        return -1;
    if (escapes)
        *ret = unescape(scratch, *ret);
    return 0;
}

static bool digits(struct pull *p)
{
    const char *from = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return p->at > from;
}

static bool take(struct pull *p, const char *any)
{
    if (p->at == p->end || !*p->at || !strchr(any, *p->at))
        return false;
    p->at++;
    return true;
}

/* ret_integer: neither fraction nor exponent. */
static int number(struct pull *p, struct text *ret, bool *ret_integer)
{
    const char *from = p->at;
    take(p, "-");
    *ret_integer = true;
    if (!take(p, "0") && !digits(p))
        return malformed(p);
    if (take(p, ".")) {
        *ret_integer = false;
        if (!digits(p))
            return malformed(p);
    }
    if (take(p, "eE")) {
        *ret_integer = false;
        take(p, "+-");
        if (!digits(p))
            return malformed(p);
    }
    *ret = (struct text){from, (size_t)(p->at - from)};
    return 0;
}

static int literal(struct pull *p, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, word, n) != 0)
        return malformed(p);
    p->at += n;
    return 0;
}

/* Calls each at every value of an object, with its key, or of an array; p stands before the value, and behind it
 * afterwards. */
typedef int member_fn(struct pull *p, const struct kube_field *f, struct text key);

static int enter(struct pull *p)
{
    if (p->depth == KUBE_DEPTH_MAX)
        return err_set(p->err, ERR_INVALID, 0, "the object is nested too deeply");
    p->depth++;
    p->at++;
    return 0;
}

/* What is skipped (f is NULL) has keys that nobody reads. */
static int member_key(struct pull *p, const struct kube_field *f, struct text *ret)
{
    bool escapes;
    int e = f ? plain_string(p, &p->key, ret) : string(p, ret, &escapes);
    return e ? e : expect(p, ':');
}

static int member(struct pull *p, const struct kube_field *f, member_fn *each, bool keys)
{
    struct text key = {0};
    if (keys && member_key(p, f, &key) < 0)
        return -1;
    return each(p, f, key);
}

/* Before '{' or '['. */
static int members(struct pull *p, const struct kube_field *f, member_fn *each)
{
    bool keys = *p->at == '{';
    char close = keys ? '}' : ']';
    if (enter(p) < 0)
        return -1;
    bool more = peek(p) != close;
    while (more) {
        int e = member(p, f, each, keys);
        if (e)
            return e;
        more = peek(p) == ',';
        p->at += more;
    }
    p->depth--;
    return expect(p, close);
}

static int skip(struct pull *p);

static int skip_member(struct pull *p, const struct kube_field *f, struct text key)
{
    (void)f;
    (void)key;
    return skip(p);
}

static int skip(struct pull *p)
{
    struct text t;
    bool flag;
    switch (peek(p)) {
    case '{':
    case '[':
        return members(p, NULL, skip_member);
    case '"':
        return string(p, &t, &flag);
    case 't':
        return literal(p, "true");
    case 'f':
        return literal(p, "false");
    case 'n':
        return literal(p, "null");
    default:
        return number(p, &t, &flag);
    }
}

static int give_text(struct pull *p, const struct kube_field *f, struct text key, struct text t)
{
    return p->cb(
        p->arg, &(struct kube_value){
                    .slot = f->slot, .key = key.at, .key_len = key.len, .str = t.at, .len = t.len});
}

static int give_num(struct pull *p, const struct kube_field *f, int64_t num)
{
    return p->cb(p->arg, &(struct kube_value){.slot = f->slot, .num = num});
}

static int read_string(struct pull *p, const struct kube_field *f, struct text key)
{
    struct text t;
    if (peek(p) != '"')
        return skip(p);
    if (plain_string(p, &p->str, &t) < 0)
        return -1;
    return give_text(p, f, key, t);
}

static int read_time(struct pull *p, const struct kube_field *f)
{
    struct text t;
    char s[TIME_MAX];
    int64_t seconds;
    if (peek(p) != '"')
        return skip(p);
    if (plain_string(p, &p->str, &t) < 0)
        return -1;
    if (t.len >= sizeof s || memchr(t.at, '\0', t.len))
        return 0;
    memcpy(s, t.at, t.len);
    s[t.len] = '\0';
    return clock_parse(s, &seconds) < 0 ? 0 : give_num(p, f, seconds);
}

static bool to_int(struct text t, int64_t *ret)
{
    bool negative = *t.at == '-';
    int64_t v = 0;
    for (size_t i = negative; i < t.len; i++) {
        int digit = negative ? '0' - t.at[i] : t.at[i] - '0';
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *ret = v;
    return true;
}

static int read_int(struct pull *p, const struct kube_field *f)
{
    struct text t;
    bool integer;
    int64_t v;
    char c = peek(p);
    if (c != '-' && (c < '0' || c > '9'))
        return skip(p);
    if (number(p, &t, &integer) < 0)
        return -1;
    return integer && to_int(t, &v) ? give_num(p, f, v) : 0;
}

static int read_bool(struct pull *p, const struct kube_field *f)
{
    char c = peek(p);
    int e = skip(p);
    return e || (c != 't' && c != 'f') ? e : give_num(p, f, c == 't');
}

static int read_raw(struct pull *p, const struct kube_field *f)
{
    bool null = peek(p) == 'n';
    const char *from = p->at;
    int e = skip(p);
    if (e || null)
        return e;
    return give_text(p, f, (struct text){0}, (struct text){from, (size_t)(p->at - from)});
}

static int read_fields(struct pull *p, const struct kube_field *table, struct text key);

static int read_object(struct pull *p, const struct kube_field *table)
{
    return peek(p) == '{' ? members(p, table, read_fields) : skip(p);
}

static int read_element(struct pull *p, const struct kube_field *f, struct text key)
{
    (void)key;
    if (peek(p) != '{')
        return skip(p);
    int e = p->cb(p->arg, &(struct kube_value){.slot = f->slot, .step = KUBE_STEP_BEGIN});
    if (!e)
        e = read_object(p, f->sub);
    return e ? e : p->cb(p->arg, &(struct kube_value){.slot = f->slot, .step = KUBE_STEP_END});
}

static int read_value(struct pull *p, const struct kube_field *f)
{
    char c = peek(p);
    switch (f->type) {
    case KUBE_TYPE_STRING:
        return read_string(p, f, (struct text){0});
    case KUBE_TYPE_INT:
        return read_int(p, f);
    case KUBE_TYPE_BOOL:
        return read_bool(p, f);
    case KUBE_TYPE_TIME:
        return read_time(p, f);
    case KUBE_TYPE_MESSAGE:
        return read_object(p, f->sub);
    case KUBE_TYPE_LIST:
        return c == '[' ? members(p, f, read_element) : skip(p);
    case KUBE_TYPE_STRINGS:
        return c == '[' ? members(p, f, read_string) : skip(p);
    case KUBE_TYPE_MAP:
        return c == '{' ? members(p, f, read_string) : skip(p);
    case KUBE_TYPE_RAW:
        return read_raw(p, f);
    }
    return skip(p);
}

static const struct kube_field *find(const struct kube_field *table, struct text key)
{
    for (const struct kube_field *f = table; key.len && f->number; f++) {
        if (f->name[0] == key.at[0] && strlen(f->name) == key.len &&
            memcmp(f->name, key.at, key.len) == 0)
            return f;
    }
    return NULL;
}

static int read_fields(struct pull *p, const struct kube_field *table, struct text key)
{
    const struct kube_field *f = find(table, key);
    return f ? read_value(p, f) : skip(p);
}

int kube_read_json(const struct kube_field *table, const char *text, size_t len, kube_value_cb *cb,
                   void *arg, struct err *err)
{
    struct pull p = {.text = text,
                     .at = text,
                     .end = text + len,
                     .cb = cb,
                     .arg = arg,
                     .err = err,
                     .key = BUF_INIT(KUBE_OBJECT_MAX),
                     .str = BUF_INIT(KUBE_OBJECT_MAX)};
    if (len > KUBE_OBJECT_MAX)
        return err_set(err, ERR_INVALID, 0, "the object has %zu bytes", len);
    int e = peek(&p) == '{' ? read_object(&p, table) : malformed(&p);
    if (!e && (peek(&p), p.at < p.end))
        e = malformed(&p);
    buf_done(&p.key);
    buf_done(&p.str);
    return e;
}
