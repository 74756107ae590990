/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "kube/items.h"
#include "kube/wire.h"

enum { KEEP_BYTES = 64 * 1024 }; /* a buffer that once was larger is given back */

/* Fields of runtime.Unknown and of every list. */
enum { UNKNOWN_RAW = 2, LIST_META = 1, LIST_ITEMS = 2 };

enum expected { MAGIC, TAG, LENGTH, NUMBER, BODY };
enum role { SKIPPED, META, ITEM };

/* Where in the bytes of a list we are. */
struct position {
    enum expected expected;
    unsigned shift;     /* bits of the varint that are read */
    uint64_t varint;    /* its value so far; of the magic, how many of its bytes came */
    uint32_t field;     /* whose length or body comes */
    enum role role;     /* of the body */
    uint64_t left;      /* bytes of the body that are to come */
    bool inside, after; /* raw, the list itself */
    uint64_t raw_left;  /* bytes of it that are to come */
};

struct kube_list_decoder {
    enum kube_encoding encoding;
    size_t items, head; /* objects; bytes beside them */
    char *version, *next_page;
    kube_object_cb *cb; /* of the call that runs, with err */
    void *arg;
    struct err *err;
    struct kube_items json;
    struct position pos;
    struct buf part; /* the beginning of a body */
};

struct kube_list_decoder *kube_list_decoder_new(enum kube_encoding e)
{
    struct kube_list_decoder *d = xcalloc(1, sizeof *d);
    d->encoding = e;
    d->json = KUBE_ITEMS_INIT;
    d->part = BUF_INIT(KUBE_OBJECT_MAX);
    return d;
}

void kube_list_decoder_free(struct kube_list_decoder *d)
{
    if (!d)
        return;
    kube_items_done(&d->json);
    buf_done(&d->part);
    free(d->version);
    free(d->next_page);
    free(d);
}

static int malformed(const struct kube_list_decoder *d)
{
    return err_set(d->err, ERR_INVALID, 0, "the list is not well-formed protobuf");
}

static int too_large(const struct kube_list_decoder *d)
{
    return err_set(d->err, ERR_INVALID, 0, "the list has an item or a header that is too large");
}

static int give_object(void *arg, const char *data, size_t len)
{
    struct kube_list_decoder *d = arg;
    if (++d->items > KUBE_LIST_ITEMS_MAX)
        return err_set(d->err, ERR_INVALID, 0, "the list has more than %d items",
                       KUBE_LIST_ITEMS_MAX);
    return d->cb(d->arg, data, len);
}

static void set_text(char **at, const char *s, size_t len)
{
    free(*at);
    *at = len ? xstrndup(s, len) : NULL;
}

enum { META_VERSION = 1, META_NEXT };
static const struct kube_field list_meta[] = {
    {2, "resourceVersion", KUBE_TYPE_STRING, META_VERSION, NULL},
    {3, "continue", KUBE_TYPE_STRING, META_NEXT, NULL},
    {0},
};

static int on_meta(void *arg, const struct kube_value *v)
{
    struct kube_list_decoder *d = arg;
    set_text(v->slot == META_VERSION ? &d->version : &d->next_page, v->str, v->len);
    return 0;
}

static int read_meta(struct kube_list_decoder *d, const char *data, size_t len)
{
    return kube_read_proto(list_meta, data, len, on_meta, d, d->err);
}

/* A body whose last byte is there. */
static int give_body(struct kube_list_decoder *d, const char *data, size_t len)
{
    return d->pos.role == META ? read_meta(d, data, len) : give_object(d, data, len);
}

static int give_part(struct kube_list_decoder *d)
{
    int r = give_body(d, d->part.data, d->part.len);
    if (d->part.cap > KEEP_BYTES)
        buf_done(&d->part);
    buf_reset(&d->part);
    return r;
}

static size_t min_size(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

static int body(struct kube_list_decoder *d, const char *data, size_t n)
{
    struct position *p = &d->pos;
    bool whole = n == p->left && !d->part.len, last = n == p->left;
    p->left -= n;
    if (last)
        p->expected = TAG;
    if (p->role == SKIPPED)
        return 0;
    if (whole)
        return give_body(d, data, n);
    if (buf_append(&d->part, data, n) < 0)
        return too_large(d);
    return last ? give_part(d) : 0;
}

static int begin_body(struct kube_list_decoder *d, enum role role, uint64_t len)
{
    d->pos.role = role;
    d->pos.left = len;
    d->pos.expected = BODY;
    if (d->pos.inside && len > d->pos.raw_left)
        return malformed(d);
    if (role == ITEM)
        return len > KUBE_OBJECT_MAX ? too_large(d) : 0;
    if (len >= KUBE_LIST_HEAD_MAX - d->head)
        return too_large(d);
    d->head += len + 1; /* so that nothing can be had without end by being empty */
    return 0;
}

static int begin_list(struct kube_list_decoder *d, uint64_t len)
{
    if (d->pos.after)
        return malformed(d);
    d->pos.inside = true;
    d->pos.raw_left = len;
    d->pos.expected = TAG;
    return 0;
}

static int on_length(struct kube_list_decoder *d, uint64_t len)
{
    const struct position *p = &d->pos;
    if (!p->inside)
        return p->field == UNKNOWN_RAW ? begin_list(d, len) : begin_body(d, SKIPPED, len);
    if (p->field == LIST_ITEMS)
        return begin_body(d, ITEM, len);
    return begin_body(d, p->field == LIST_META ? META : SKIPPED, len);
}

static int on_tag(struct kube_list_decoder *d, uint64_t tag)
{
    if (tag > UINT32_MAX || tag >> 3 == 0)
        return malformed(d);
    d->pos.field = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case KUBE_WIRE_VARINT:
        d->pos.expected = NUMBER;
        return 0;
    case KUBE_WIRE_BYTES:
        d->pos.expected = LENGTH;
        return 0;
    case KUBE_WIRE_64:
        return begin_body(d, SKIPPED, 8);
    case KUBE_WIRE_32:
        return begin_body(d, SKIPPED, 4);
    default:
        return malformed(d);
    }
}

static int on_varint(struct kube_list_decoder *d, uint64_t v)
{
    if (d->pos.expected == TAG)
        return on_tag(d, v);
    if (d->pos.expected == LENGTH)
        return on_length(d, v);
    return begin_body(d, SKIPPED, 0); /* a number, which we do not read */
}

static int varint_byte(struct kube_list_decoder *d, uint8_t byte)
{
    struct position *p = &d->pos;
    if (p->shift >= 70)
        return malformed(d);
    if (p->shift < 64)
        p->varint |= (uint64_t)(byte & 0x7f) << p->shift;
    p->shift += 7;
    if (byte & 0x80)
        return 0;
    uint64_t v = p->varint;
    p->varint = p->shift = 0;
    return on_varint(d, v);
}

static int magic_byte(struct kube_list_decoder *d, char byte)
{
    struct position *p = &d->pos;
    if (byte != "k8s"[p->varint])
        return err_set(d->err, ERR_INVALID, 0, "the list has no envelope");
    if (++p->varint < KUBE_WIRE_MAGIC)
        return 0;
    p->varint = 0;
    p->expected = TAG;
    return 0;
}

/* The next bytes, one at least: sets *ret_used. The end of raw takes none. */
static int step(struct kube_list_decoder *d, const char *data, size_t len, size_t *ret_used)
{
    struct position *p = &d->pos;
    bool is_body = p->expected == BODY;
    if (p->inside && !p->raw_left && !is_body) {
        p->inside = false;
        p->after = true;
        return p->expected == TAG && !p->shift ? 0 : malformed(d);
    }
    *ret_used = is_body ? min_size(p->left, len) : 1;
    if (p->inside)
        p->raw_left -= *ret_used;
    if (is_body)
        return body(d, data, *ret_used);
    return p->expected == MAGIC ? magic_byte(d, *data) : varint_byte(d, (uint8_t)*data);
}

static int decode_proto(struct kube_list_decoder *d, const char *data, size_t len)
{
    size_t at = 0;
    int r = 0;
    while (!r && (at < len || (d->pos.expected == BODY && !d->pos.left))) {
        size_t used = 0;
        r = step(d, data + at, len - at, &used);
        at += used;
    }
    return r;
}

int kube_list_decode(struct kube_list_decoder *d, const void *data, size_t len, kube_object_cb *cb,
                     void *arg, struct err *err)
{
    d->cb = cb;
    d->arg = arg;
    d->err = err;
    if (d->encoding == KUBE_ENCODING_PROTO)
        return decode_proto(d, data, len);
    return kube_items_feed(&d->json, data, len, give_object, d, err);
}

static int end_proto(const struct kube_list_decoder *d, struct err *err)
{
    const struct position *p = &d->pos;
    bool complete = p->expected == TAG && !p->shift && (p->after || (p->inside && !p->raw_left));
    return complete ? 0 : err_set(err, ERR_TRANSIENT, 0, "the list is not complete");
}

static int end_json(struct kube_list_decoder *d, struct err *err)
{
    static const struct kube_field table[] = {
        {1, "metadata", KUBE_TYPE_MESSAGE, 0, list_meta},
        {0},
    };
    const struct buf *rest = &d->json.rest;
    if (kube_items_complete(&d->json, err) < 0)
        return -1;
    return kube_read_json(table, rest->data, rest->len, on_meta, d, err);
}

int kube_list_decoder_end(struct kube_list_decoder *d, struct kube_list_meta *ret, struct err *err)
{
    bool proto = d->encoding == KUBE_ENCODING_PROTO;
    if ((proto ? end_proto(d, err) : end_json(d, err)) < 0)
        return -1;
    *ret = (struct kube_list_meta){d->version, d->next_page};
    return 0;
}
