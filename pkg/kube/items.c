/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/items.h"

#include <string.h>

/* Depths: 1 is inside the document, 2 inside the array of items, 3 and more inside an item. */
enum { IN_DOCUMENT = 1, IN_ARRAY = 2 };

enum token { TOKEN_NONE, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_STRING, TOKEN_STRING_END };

/* Follows strings and nesting; knows nothing of where it is. */
static enum token advance(struct kube_items *s, char c)
{
    if (s->string) {
        if (s->escape)
            s->escape = false;
        else if (c == '\\')
            s->escape = true;
        else if (c == '"')
            s->string = false;
        return s->string ? TOKEN_NONE : TOKEN_STRING_END;
    }
    switch (c) {
    case '"':
        s->string = true;
        return TOKEN_STRING;
    case '{':
    case '[':
        s->depth++;
        return TOKEN_OPEN;
    case '}':
    case ']':
        if (s->depth)
            s->depth--;
        return TOKEN_CLOSE;
    default:
        return TOKEN_NONE;
    }
}

static bool last_key_is_items(const struct kube_items *s)
{
    static const char name[] = "items";
    return s->key_len == sizeof name - 1 && memcmp(s->rest.data + s->key, name, s->key_len) == 0;
}

static int outside(struct kube_items *s, char c)
{
    enum token t = advance(s, c);
    if (buf_append(&s->rest, &c, 1) < 0)
        return -1;
    if (t == TOKEN_STRING && s->depth == IN_DOCUMENT)
        s->key = s->rest.len;
    else if (t == TOKEN_STRING_END && s->depth == IN_DOCUMENT)
        s->key_len = s->rest.len - 1 - s->key;
    else if (t == TOKEN_OPEN && c == '[' && s->depth == IN_ARRAY)
        s->inside = last_key_is_items(s);
    return 0;
}

static int too_large(struct err *err)
{
    return err_set(err, ERR_INVALID, 0, "the list has an item or a header that is too large");
}

static int give(struct kube_items *s, const char *from, size_t len, kube_items_cb *cb, void *arg,
                struct err *err)
{
    int r;
    if (!s->item.len)
        return len > s->item.max ? too_large(err) : cb(arg, from, len);
    if (buf_append(&s->item, from, len) < 0)
        return too_large(err);
    r = cb(arg, s->item.data, s->item.len);
    buf_reset(&s->item);
    return r;
}

/* The bytes of items in data, from *at on; leaves *at behind the array or at the end of data. */
static int inside(struct kube_items *s, const char *data, size_t len, size_t *at, kube_items_cb *cb,
                  void *arg, struct err *err)
{
    size_t from = *at; /* of the item, when it is in this piece */
    while (*at < len) {
        char c = data[*at];
        enum token t = advance(s, c);
        if (s->depth > KUBE_ITEMS_DEPTH)
            return err_set(err, ERR_INVALID, 0, "the list is nested too deeply");
        if (t == TOKEN_OPEN && s->depth == IN_ARRAY + 1)
            from = *at;
        ++*at;
        if (t != TOKEN_CLOSE)
            continue;
        if (s->depth < IN_ARRAY) {
            s->inside = false;
            return buf_append(&s->rest, &c, 1) < 0 ? too_large(err) : 0;
        }
        if (s->depth == IN_ARRAY) {
            int r = give(s, data + from, *at - from, cb, arg, err);
            if (r)
                return r;
        }
    }
    if (s->depth > IN_ARRAY && buf_append(&s->item, data + from, len - from) < 0)
        return too_large(err);
    return 0;
}

int kube_items_feed(struct kube_items *s, const char *data, size_t len, kube_items_cb *cb,
                    void *arg, struct err *err)
{
    size_t at = 0;
    while (at < len) {
        if (s->inside) {
            int r = inside(s, data, len, &at, cb, arg, err);
            if (r)
                return r;
        } else if (outside(s, data[at++]) < 0) {
            return too_large(err);
        }
    }
    return 0;
}

int kube_items_complete(const struct kube_items *s, struct err *err)
{
    if (s->depth || s->string || !s->rest.len)
        return err_set(err, ERR_TRANSIENT, 0, "the list is not complete");
    return 0;
}

void kube_items_done(struct kube_items *s)
{
    buf_done(&s->rest);
    buf_done(&s->item);
    *s = KUBE_ITEMS_INIT;
}
