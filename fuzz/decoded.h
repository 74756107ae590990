/* SPDX-License-Identifier: Apache-2.0 */
/* For the targets of the readers: a list or a watch gives the same objects, and the same end, whatever the pieces. */
#ifndef FUZZ_DECODED_H
#define FUZZ_DECODED_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/decode.h"

struct decoded {
    enum kube_encoding encoding;
    uint64_t hash;
    int result;
    enum err_class class;
};

static inline void decoded_add(struct decoded *d, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        d->hash = (d->hash ^ (uint8_t)s[i]) * 1099511628211ULL;
    d->hash = (d->hash ^ 256 ^ n) * 1099511628211ULL;
}

/* Touches every byte that is said to be there. */
static inline int decoded_value(void *arg, const struct kube_value *v)
{
    decoded_add(arg, v->key, v->key_len);
    decoded_add(arg, v->str, v->len);
    return 0;
}

static inline void decoded_read(struct decoded *d, const char *data, size_t len)
{
    for (enum kube_record_kind k = 0; k < KUBE_RECORD_KINDS; k++) {
        struct err err = {0};
        if (kube_read(d->encoding, kube_schema(k), data, len, decoded_value, d, &err) < 0 &&
            err.class != ERR_INVALID)
            abort();
    }
}

static inline int decoded_object(void *arg, const char *data, size_t len)
{
    struct decoded *d = arg;
    decoded_add(d, data, len);
    (void)kube_read(d->encoding, kube_schema((enum kube_record_kind)(len % KUBE_RECORD_KINDS)),
                    data, len, decoded_value, d, NULL);
    return 0;
}

static inline int decoded_event(void *arg, enum kube_event_type type, const char *data, size_t len)
{
    struct err err = {0};
    struct decoded *d = arg;
    kube_read_status(d->encoding, data, len, &err);
    if (err.class == ERR_NONE)
        abort();
    d->hash += type;
    return decoded_object(arg, data, len);
}

static inline void decoded_list(struct decoded *d, const char *data, size_t size, size_t step)
{
    struct kube_list_decoder *l = kube_list_decoder_new(d->encoding);
    struct kube_list_meta meta = {0};
    struct err err = {0};
    for (size_t i = 0; !d->result && i < size; i += step)
        d->result = kube_list_decode(l, data + i, size - i < step ? size - i : step, decoded_object,
                                     d, &err);
    if (!d->result && !(d->result = kube_list_decoder_end(l, &meta, &err)) && meta.version)
        decoded_add(d, meta.version, strlen(meta.version));
    d->class = err.class;
    kube_list_decoder_free(l);
}

static inline void decoded_watch(struct decoded *d, const char *data, size_t size, size_t step)
{
    struct kube_watch_decoder *w = kube_watch_decoder_new(d->encoding);
    struct err err = {0};
    for (size_t i = 0; !d->result && i < size; i += step)
        d->result = kube_watch_decode(w, data + i, size - i < step ? size - i : step, decoded_event,
                                      d, &err);
    d->class = err.class;
    kube_watch_decoder_free(w);
}

typedef void decoded_fn(struct decoded *d, const char *data, size_t size, size_t step);

/* Whole, byte by byte (when it is short), and in pieces of some size. */
static inline void decoded_same(enum kube_encoding e, decoded_fn *decode, const char *data,
                                size_t size)
{
    struct decoded whole = {.encoding = e};
    size_t steps[] = {1 + size / 2048, 2 + size % 61};
    decode(&whole, data, size, size + 1);
    for (size_t i = 0; i < 2; i++) {
        struct decoded pieces = {.encoding = e};
        decode(&pieces, data, size, steps[i]);
        if (pieces.hash != whole.hash || pieces.result != whole.result ||
            pieces.class != whole.class)
            abort();
    }
}

#endif
