/* SPDX-License-Identifier: Apache-2.0 */
/* Packing what was gathered of an object. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/str.h"
#include "kube/record_priv.h"

void kube_put_number(struct buf *b, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;
    for (; v > 127; v >>= 7)
        bytes[n++] = (unsigned char)(v | 128);
    bytes[n++] = (unsigned char)v;
    buf_append(b, bytes, n);
}

void kube_put_signed(struct buf *b, int64_t v)
{
    kube_put_number(b, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

void kube_put_span(struct kube_record_maker *m, struct buf *b, struct kube_span s)
{
    if (s.at)
        buf_append(b, m->gathered.data + s.at, s.len + 1);
}

void kube_put_address(struct kube_record_maker *m, struct buf *b, struct kube_span s)
{
    const char *text = kube_span_text(m, s);
    unsigned char packed[17];
    char again[INET6_ADDRSTRLEN];
    if (!text || strchr(text, ' '))
        return;
    if (inet_pton(AF_INET, text, packed + 1) == 1) {
        packed[0] = KUBE_ADDRESS_4;
        buf_append(b, packed, 5);
    } else if (inet_pton(AF_INET6, text, packed + 1) == 1 &&
               str_eq(inet_ntop(AF_INET6, packed + 1, again, sizeof again), text)) {
        packed[0] = KUBE_ADDRESS_6;
        buf_append(b, packed, 17);
    } else {
        packed[0] = KUBE_ADDRESS_TEXT;
        buf_append(b, packed, 1);
        kube_put_span(m, b, s);
    }
}

static int by_key(const void *a, const void *b, void *maker)
{
    const struct kube_record_maker *m = maker;
    const struct kube_label *x = a, *y = b;
    int c = strcmp(kube_span_text(m, x->key), kube_span_text(m, y->key));
    return c ? c : (x->key.at > y->key.at) - (x->key.at < y->key.at);
}

/* Keys in the order of their names until the text would be too long: the same object gives the same text. */
static void write_labels(struct kube_record_maker *m)
{
    struct kube_label *all = (struct kube_label *)(void *)m->labels.data;
    size_t n = m->labels.len / sizeof *all, used = 2;
    struct buf *b = &m->labels_text;
    if (!n)
        return;
    qsort_r(all, n, sizeof *all, by_key, m);
    for (size_t i = 0; i < n; i++) {
        const char *key = kube_span_text(m, all[i].key);
        if (i + 1 < n && kube_span_is(m, all[i + 1].key, key))
            continue; /* the last one counts */
        /* Keys and values of labels are plain ASCII; the quotes, the colon and the comma are 6. */
        used += all[i].key.len + all[i].value.len + 6;
        if (used > KUBE_LABELS_MAX) {
            m->labels_lost = true;
            break;
        }
        buf_puts(b, b->len ? "," : "{");
        kube_json_string(b, key);
        buf_puts(b, ":");
        kube_json_string(b, str_or(kube_span_text(m, all[i].value), ""));
    }
    if (b->len)
        buf_puts(b, "}");
}

static void tag(struct buf *b, enum kube_record_field field, enum kube_record_form form)
{
    unsigned char c = (unsigned char)(field << 3 | form);
    buf_append(b, &c, 1);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower-case hex, with dashes before the bytes that the mask names. */
static bool unhex(const char *s, size_t len, size_t n, uint32_t dashes, unsigned char *out)
{
    const char *end = s + len;
    for (size_t i = 0; i < n; i++) {
        if (dashes >> i & 1 && (s == end || *s++ != '-'))
            return false;
        if (end - s < 2 || hex_digit(s[0]) < 0 || hex_digit(s[1]) < 0)
            return false;
        out[i] = (unsigned char)(hex_digit(s[0]) << 4 | hex_digit(s[1]));
        s += 2;
    }
    return s == end;
}

static void pack_text(struct kube_record_maker *m, enum kube_record_field field)
{
    struct kube_span s = m->field[field];
    if (!s.at)
        return;
    tag(&m->out, field, KUBE_FORM_TEXT);
    kube_put_span(m, &m->out, s);
}

static void pack_shared(struct kube_record_maker *m, enum kube_record_field field)
{
    struct kube_span s = m->field[field];
    uint16_t id = s.at ? intern(m->gathered.data + s.at, s.len) : 0;
    unsigned char bytes[] = {(unsigned char)id, (unsigned char)(id >> 8)};
    if (!id) {
        pack_text(m, field);
        return;
    }
    tag(&m->out, field, KUBE_FORM_INTERNED);
    buf_append(&m->out, bytes, sizeof bytes);
}

static void pack_hex(struct kube_record_maker *m, enum kube_record_field field,
                     enum kube_record_form form)
{
    bool uuid = form == KUBE_FORM_UUID;
    size_t n = uuid ? 16 : 32;
    uint32_t dashes = uuid ? 1U << 4 | 1U << 6 | 1U << 8 | 1U << 10 : 0;
    unsigned char bytes[32];
    struct kube_span s = m->field[field];
    if (!s.at || !unhex(m->gathered.data + s.at, s.len, n, dashes, bytes)) {
        pack_text(m, field);
        return;
    }
    tag(&m->out, field, form);
    buf_append(&m->out, bytes, n);
}

static void pack_version(struct kube_record_maker *m)
{
    struct kube_span s = m->field[KUBE_FIELD_VERSION];
    const char *text = str_or(kube_span_text(m, s), "");
    int64_t v;
    if ((text[0] == '0' && s.len > 1) || str_to_i64(text, 0, INT64_MAX, &v) < 0 || *text == '-') {
        pack_text(m, KUBE_FIELD_VERSION);
        return;
    }
    tag(&m->out, KUBE_FIELD_VERSION, KUBE_FORM_NUMBER);
    kube_put_number(&m->out, (uint64_t)v);
}

static void pack_list(struct kube_record_maker *m, enum kube_record_field field,
                      const struct buf *list)
{
    if (!list->len)
        return;
    tag(&m->out, field, KUBE_FORM_LIST);
    kube_put_number(&m->out, list->len);
    buf_append(&m->out, list->data, list->len);
}

static bool is_ours(const struct kube_record_maker *m)
{
    bool copied = kube_span_is(m, m->slice_by, KUBE_SLICE_CONTROLLER) ||
                  kube_span_is(m, m->slice_by, KUBE_SLICE_MIRROR);
    return kube_span_is(m, m->managed_by, KUBE_MANAGED_BY) && !copied;
}

static void pack_reached(struct kube_record_maker *m)
{
    if (m->external.len)
        buf_append(&m->ingress, m->external.data, m->external.len);
    pack_list(m, KUBE_FIELD_REACHED, &m->ingress);
}

static void pack_labels(struct kube_record_maker *m, enum kube_record_field field)
{
    if (!m->labels_text.len)
        return;
    tag(&m->out, field, KUBE_FORM_TEXT);
    buf_append(&m->out, m->labels_text.data, m->labels_text.len + 1);
}

/* A part of it would select more than the whole. */
static void pack_selector(struct kube_record_maker *m)
{
    write_labels(m);
    if (!m->labels_lost)
        pack_labels(m, KUBE_FIELD_SELECTOR);
}

/* Of others' Services, which may be many, no more than DNS entries follow from, and which machines are behind them. */
static void pack_service(struct kube_record_maker *m)
{
    bool external = kube_span_is(m, m->field[KUBE_FIELD_TYPE], "ExternalName");
    if (!kube_span_is(m, m->field[KUBE_FIELD_TYPE], "ClusterIP"))
        pack_shared(m, KUBE_FIELD_TYPE);
    pack_list(m, KUBE_FIELD_PORTS, &m->ports);
    pack_selector(m);
    if (external) {
        buf_reset(&m->cluster_ips);
        kube_put_address(m, &m->cluster_ips, m->external_name);
    } else if (!m->cluster_ips.len) {
        kube_put_address(m, &m->cluster_ips, m->cluster_ip);
    }
    if (external || is_ours(m))
        pack_list(m, KUBE_FIELD_CLUSTER_IPS, &m->cluster_ips);
    if (!is_ours(m))
        return;
    pack_list(m, KUBE_FIELD_NODE_PORTS, &m->node_ports);
    pack_reached(m);
}

static void pack_kind(struct kube_record_maker *m)
{
    switch (m->kind) {
    case KUBE_RECORD_SERVICE:
        pack_service(m);
        break;
    case KUBE_RECORD_NAMESPACE:
        write_labels(m);
        pack_labels(m, KUBE_FIELD_LABELS);
        break;
    case KUBE_RECORD_ENDPOINT_SLICE:
        pack_text(m, KUBE_FIELD_SERVICE);
        pack_list(m, KUBE_FIELD_PORTS, &m->ports);
        pack_list(m, KUBE_FIELD_ADDRESSES, &m->addresses);
        break;
    case KUBE_RECORD_INGRESS:
        if (is_ours(m))
            pack_reached(m);
        break;
    case KUBE_RECORD_POD:
        if (!kube_span_is(m, m->field[KUBE_FIELD_ACCOUNT], "default"))
            pack_shared(m, KUBE_FIELD_ACCOUNT);
        break;
    case KUBE_RECORD_WORKLOAD_ENTRY:
        pack_text(m, KUBE_FIELD_GROUP);
        pack_text(m, KUBE_FIELD_CONNECTED);
        pack_text(m, KUBE_FIELD_DISCONNECTED);
        pack_text(m, KUBE_FIELD_ADDRESS);
        pack_text(m, KUBE_FIELD_NETWORK);
        break;
    case KUBE_RECORD_META:
    case KUBE_RECORD_DEPLOYMENT:
    case KUBE_RECORD_KINDS:
        break;
    }
}

static void pack(struct kube_record_maker *m)
{
    buf_append(&m->out, "\0\0\0", KUBE_HEAD);
    kube_put_span(m, &m->out, m->field[KUBE_FIELD_NAME]);
    pack_shared(m, KUBE_FIELD_NS);
    pack_hex(m, KUBE_FIELD_UID, KUBE_FORM_UUID);
    pack_version(m);
    pack_shared(m, KUBE_FIELD_OWNER);
    pack_shared(m, KUBE_FIELD_MESH);
    pack_shared(m, KUBE_FIELD_WAVE);
    pack_hex(m, KUBE_FIELD_INTENT, KUBE_FORM_HASH);
    for (enum kube_record_field f = KUBE_FIELD_ISSUED; f <= KUBE_FIELD_FIELDS; f++)
        pack_text(m, f);
    pack_kind(m);
}

static unsigned flags_of(const struct kube_record_maker *m)
{
    unsigned flags = m->flags;
    if (is_ours(m))
        flags |= KUBE_FLAG_MANAGED;
    if ((m->kind == KUBE_RECORD_SERVICE || m->kind == KUBE_RECORD_NAMESPACE) &&
        kube_span_is(m, m->dns_entry, "false"))
        flags |= KUBE_FLAG_EXCLUDED;
    if (kube_span_is(m, m->cluster_ip, "None"))
        flags |= KUBE_FLAG_HEADLESS;
    if (kube_span_is(m, m->phase, "Terminating") || flags & KUBE_FLAG_DELETING)
        flags |= KUBE_FLAG_TERMINATING;
    if (m->kind == KUBE_RECORD_DEPLOYMENT && m->observed >= m->generation &&
        m->available >= m->replicas && m->updated >= m->replicas)
        flags |= KUBE_FLAG_AVAILABLE;
    return flags;
}

const struct kube_record *kube_record_end(struct kube_record_maker *m, struct err *err)
{
    if (!m->field[KUBE_FIELD_NAME].at) {
        err_set(err, ERR_INVALID, 0, "the object has no usable name");
        return NULL;
    }
    pack(m);
    if (m->out.len > KUBE_RECORD_MAX) {
        err_set(err, ERR_INVALID, 0, "%s %s is too large to be kept",
                str_or(kube_span_text(m, m->field[KUBE_FIELD_NS]), ""),
                kube_span_text(m, m->field[KUBE_FIELD_NAME]));
        return NULL;
    }
    uint32_t head = (uint32_t)m->out.len | (uint32_t)m->kind << KUBE_SIZE_BITS |
                    (uint32_t)flags_of(m) << (KUBE_SIZE_BITS + KUBE_KIND_BITS);
    for (size_t i = 0; i < KUBE_HEAD; i++)
        m->out.data[i] = (char)(head >> (8 * i));
    return (const struct kube_record *)(const void *)m->out.data;
}
