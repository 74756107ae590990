/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/frame.h"
#include "kube/wire.h"

enum { LENGTH_BYTES = 4 };

struct kube_watch_decoder {
    enum kube_encoding encoding;
    kube_event_cb *cb; /* of the call that runs */
    void *arg;
    struct kube_frame lines; /* JSON */
    struct buf part;         /* protobuf: the beginning of a frame */
};

struct kube_watch_decoder *kube_watch_decoder_new(enum kube_encoding e)
{
    struct kube_watch_decoder *d = xcalloc(1, sizeof *d);
    d->encoding = e;
    d->lines = KUBE_FRAME_INIT;
    d->part = BUF_INIT(LENGTH_BYTES + KUBE_FRAME_MAX);
    return d;
}

void kube_watch_decoder_free(struct kube_watch_decoder *d)
{
    if (!d)
        return;
    kube_frame_done(&d->lines);
    buf_done(&d->part);
    free(d);
}

size_t kube_watch_decoder_held(const struct kube_watch_decoder *d)
{
    return d->lines.partial.cap + d->part.cap;
}

/* metav1.WatchEvent */
enum { EVENT_TYPE = 1, EVENT_OBJECT };
static const struct kube_field watch_event[] = {
    {1, "type", KUBE_TYPE_STRING, EVENT_TYPE, NULL},
    {2, "object", KUBE_TYPE_RAW, EVENT_OBJECT, NULL},
    {0},
};

struct event {
    bool known;
    enum kube_event_type type;
    const char *object;
    size_t len;
};

static bool event_type(const char *s, size_t len, enum kube_event_type *ret)
{
    static const char *const names[] = {
        [KUBE_EVENT_ADDED] = "ADDED",     [KUBE_EVENT_MODIFIED] = "MODIFIED",
        [KUBE_EVENT_DELETED] = "DELETED", [KUBE_EVENT_BOOKMARK] = "BOOKMARK",
        [KUBE_EVENT_ERROR] = "ERROR",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == len && memcmp(s, names[i], len) == 0) {
            *ret = (enum kube_event_type)i;
            return true;
        }
    }
    return false;
}

static int on_field(void *arg, const struct kube_value *v)
{
    struct event *ev = arg;
    if (v->slot == EVENT_TYPE) {
        ev->known = event_type(v->str, v->len, &ev->type);
    } else {
        ev->object = v->str;
        ev->len = v->len;
    }
    return 0;
}

static int read_event(enum kube_encoding e, const char *data, size_t len, struct event *ret,
                      struct err *err)
{
    struct kube_wire_envelope envelope;
    if (kube_read(e, watch_event, data, len, on_field, ret, err) < 0)
        return -1;
    if (!ret->known || !ret->object || (e == KUBE_ENCODING_JSON && *ret->object != '{'))
        return err_set(err, ERR_INVALID, 0, "no type that we know, or no object");
    if (e == KUBE_ENCODING_JSON)
        return 0;
    if (kube_wire_open(ret->object, ret->len, &envelope, err) < 0)
        return -1;
    ret->object = envelope.raw;
    ret->len = envelope.raw_len;
    return 0;
}

static int on_event(void *arg, const char *data, size_t len)
{
    struct kube_watch_decoder *d = arg;
    struct event ev = {0};
    struct err err = {0};
    if (read_event(d->encoding, data, len, &ev, &err) < 0) {
        log_debug("event of a watch skipped", "error", err.msg);
        return 0;
    }
    return d->cb(d->arg, ev.type, ev.object, ev.len);
}

/* Bytes of the frame that begins at data, its length included; 0: too few bytes to say. */
static size_t frame_size(const char *data, size_t len)
{
    size_t size = 0;
    if (len < LENGTH_BYTES)
        return 0;
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        size = size << 8 | (uint8_t)data[i];
    return LENGTH_BYTES + size;
}

static int too_large(struct err *err)
{
    return err_set(err, ERR_TRANSIENT, 0, "a watch event is larger than %d bytes", KUBE_FRAME_MAX);
}

/* The frame that was begun in earlier pieces: takes what its length or its body lacks. */
static int finish_frame(struct kube_watch_decoder *d, const char **data, size_t *len,
                        struct err *err)
{
    struct buf *part = &d->part;
    size_t size = frame_size(part->data, part->len);
    size_t lack = (size ? size : LENGTH_BYTES) - part->len, n = lack < *len ? lack : *len;
    buf_append(part, *data, n);
    *data += n;
    *len -= n;
    size = frame_size(part->data, part->len);
    if (size > part->max)
        return too_large(err);
    if (!size || part->len < size)
        return 0;
    int r = on_event(d, part->data + LENGTH_BYTES, size - LENGTH_BYTES);
    buf_done(part);
    return r;
}

/* One frame, or all that there is of it. */
static int next_frame(struct kube_watch_decoder *d, const char **data, size_t *len, struct err *err)
{
    const char *at = *data;
    size_t have = *len, size = frame_size(at, have);
    if (size > d->part.max)
        return too_large(err);
    if (!size || have < size) {
        *len = 0;
        return buf_append(&d->part, at, have); /* less than the frame, so it fits */
    }
    *data += size;
    *len -= size;
    return on_event(d, at + LENGTH_BYTES, size - LENGTH_BYTES);
}

static int decode_proto(struct kube_watch_decoder *d, const char *data, size_t len, struct err *err)
{
    int r = 0;
    while (!r && len)
        r = (d->part.len ? finish_frame : next_frame)(d, &data, &len, err);
    return r;
}

int kube_watch_decode(struct kube_watch_decoder *d, const void *data, size_t len, kube_event_cb *cb,
                      void *arg, struct err *err)
{
    d->cb = cb;
    d->arg = arg;
    if (d->encoding == KUBE_ENCODING_PROTO)
        return decode_proto(d, data, len, err);
    return kube_frame_feed(&d->lines, data, len, on_event, d, err);
}
