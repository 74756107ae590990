/* SPDX-License-Identifier: Apache-2.0 */
/* Says what our readers see, for a comparison with others. Cases come on stdin, answers go to stdout, in this order:
 *   case:   mode (1 byte), kind of record (1 byte), seed of the pieces (1 byte), length (4 bytes, little endian), bytes
 *   answer: length (4 bytes), then "0" or "1" (refused), then values:
 *   value:  length of the name (1 byte), name, step (1 byte), and with a length (4 bytes) before each: key, text;
 *           number (8 bytes)
 * An object in protobuf comes in its envelope. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "kube/decode.h"
#include "kube/wire.h"

enum mode { OBJECT_PROTO, OBJECT_JSON, LIST_PROTO, LIST_JSON, WATCH_PROTO, WATCH_JSON, MODES };
enum { HEAD = 7, ANSWER_MAX = 64 * 1024 * 1024 };

static const char *const slots[] = {
    [KUBE_SLOT_NAME] = "name",
    [KUBE_SLOT_NAMESPACE] = "namespace",
    [KUBE_SLOT_UID] = "uid",
    [KUBE_SLOT_VERSION] = "version",
    [KUBE_SLOT_GENERATION] = "generation",
    [KUBE_SLOT_DELETION] = "deletion",
    [KUBE_SLOT_LABEL] = "label",
    [KUBE_SLOT_ANNOTATION] = "annotation",
    [KUBE_SLOT_MANAGER] = "manager",
    [KUBE_SLOT_MANAGER_NAME] = "manager.name",
    [KUBE_SLOT_MANAGER_OPERATION] = "manager.operation",
    [KUBE_SLOT_MANAGER_SUBRESOURCE] = "manager.subresource",
    [KUBE_SLOT_MANAGER_FIELDS] = "manager.fields",
    [KUBE_SLOT_SELECTOR] = "selector",
    [KUBE_SLOT_CLUSTER_IP] = "clusterIP",
    [KUBE_SLOT_CLUSTER_IPS] = "clusterIPs",
    [KUBE_SLOT_SERVICE_TYPE] = "type",
    [KUBE_SLOT_EXTERNAL_IP] = "externalIP",
    [KUBE_SLOT_EXTERNAL_NAME] = "externalName",
    [KUBE_SLOT_PORT] = "port",
    [KUBE_SLOT_PORT_NAME] = "port.name",
    [KUBE_SLOT_PORT_PROTOCOL] = "port.protocol",
    [KUBE_SLOT_PORT_APP_PROTOCOL] = "port.appProtocol",
    [KUBE_SLOT_PORT_NUMBER] = "port.number",
    [KUBE_SLOT_PORT_NODE] = "port.node",
    [KUBE_SLOT_INGRESS] = "ingress",
    [KUBE_SLOT_INGRESS_IP] = "ingress.ip",
    [KUBE_SLOT_INGRESS_HOSTNAME] = "ingress.hostname",
    [KUBE_SLOT_PHASE] = "phase",
    [KUBE_SLOT_REPLICAS] = "replicas",
    [KUBE_SLOT_OBSERVED_GENERATION] = "observedGeneration",
    [KUBE_SLOT_UPDATED_REPLICAS] = "updatedReplicas",
    [KUBE_SLOT_AVAILABLE_REPLICAS] = "availableReplicas",
    [KUBE_SLOT_ADDRESS_TYPE] = "addressType",
    [KUBE_SLOT_ENDPOINT] = "endpoint",
    [KUBE_SLOT_ADDRESS] = "address",
    [KUBE_SLOT_READY] = "ready",
    [KUBE_SLOT_HOSTNAME] = "hostname",
    [KUBE_SLOT_TARGET_KIND] = "target.kind",
    [KUBE_SLOT_TARGET_NAME] = "target.name",
    [KUBE_SLOT_SERVICE_ACCOUNT] = "serviceAccount",
};

struct dump {
    enum kube_encoding encoding;
    enum kube_record_kind kind;
    struct buf out;
    unsigned seed;
};

static void put_number(struct buf *b, uint64_t v, unsigned bytes)
{
    for (; bytes; bytes--, v >>= 8)
        buf_append(b, &(char){(char)v}, 1);
}

static void put_text(struct buf *b, const char *s, size_t len)
{
    put_number(b, len, 4);
    buf_append(b, s, len);
}

static void put(struct dump *d, const char *name, const struct kube_value *v)
{
    put_number(&d->out, strlen(name), 1);
    buf_puts(&d->out, name);
    put_number(&d->out, v->step, 1);
    put_text(&d->out, v->key, v->key_len);
    put_text(&d->out, v->str, v->len);
    put_number(&d->out, (uint64_t)v->num, 8);
}

static int on_value(void *arg, const struct kube_value *v)
{
    put(arg, slots[v->slot], v);
    return 0;
}

static int read_object(struct dump *d, const char *data, size_t len)
{
    return kube_read(d->encoding, kube_schema(d->kind), data, len, on_value, d, NULL);
}

static int read_enveloped(struct dump *d, const char *data, size_t len)
{
    struct kube_wire_envelope e = {.raw = data, .raw_len = len};
    if (d->encoding == KUBE_ENCODING_PROTO && kube_wire_open(data, len, &e, NULL) < 0)
        return -1;
    return read_object(d, e.raw, e.raw_len);
}

static int on_object(void *arg, const char *data, size_t len)
{
    struct dump *d = arg;
    put(d, "object", &(struct kube_value){.step = KUBE_STEP_BEGIN});
    int r = read_object(d, data, len);
    put(d, "object", &(struct kube_value){.step = KUBE_STEP_END});
    return r;
}

static int on_event(void *arg, enum kube_event_type type, const char *data, size_t len)
{
    put(arg, "event", &(struct kube_value){.num = type});
    return on_object(arg, data, len);
}

/* Some length of the next piece. */
static size_t piece(struct dump *d, size_t left)
{
    d->seed = d->seed * 1103515245 + 12345;
    size_t n = 1 + (d->seed >> 16) % ((d->seed >> 8) % 4 ? 40 : 4000);
    return n < left ? n : left;
}

static int read_list(struct dump *d, const char *data, size_t len)
{
    struct kube_list_decoder *l = kube_list_decoder_new(d->encoding);
    struct kube_list_meta meta = {0};
    int r = 0;
    for (size_t at = 0, n; !r && at < len; at += n) {
        n = piece(d, len - at);
        r = kube_list_decode(l, data + at, n, on_object, d, NULL);
    }
    if (!r)
        r = kube_list_decoder_end(l, &meta, NULL);
    if (meta.version)
        put(d, "list.version",
            &(struct kube_value){.str = meta.version, .len = strlen(meta.version)});
    if (meta.next_page)
        put(d, "list.continue",
            &(struct kube_value){.str = meta.next_page, .len = strlen(meta.next_page)});
    kube_list_decoder_free(l);
    return r;
}

static int read_watch(struct dump *d, const char *data, size_t len)
{
    struct kube_watch_decoder *w = kube_watch_decoder_new(d->encoding);
    int r = 0;
    for (size_t at = 0, n; !r && at < len; at += n) {
        n = piece(d, len - at);
        r = kube_watch_decode(w, data + at, n, on_event, d, NULL);
    }
    kube_watch_decoder_free(w);
    return r;
}

static int answer(const struct dump *d)
{
    struct buf head = BUF_INIT(4);
    put_number(&head, d->out.len, 4);
    bool ok = fwrite(head.data, 1, 4, stdout) == 4 &&
              fwrite(d->out.data, 1, d->out.len, stdout) == d->out.len && fflush(stdout) == 0;
    buf_done(&head);
    return ok ? 0 : -1;
}

static int one(const unsigned char head[HEAD])
{
    static int (*const readers[])(struct dump *, const char *, size_t) = {read_enveloped, read_list,
                                                                          read_watch};
    size_t len = head[3] | (size_t)head[4] << 8 | (size_t)head[5] << 16 | (size_t)head[6] << 24;
    auto_free char *data = xmalloc(len + !len);
    if (head[0] >= MODES || head[1] >= KUBE_RECORD_KINDS || fread(data, 1, len, stdin) != len)
        return -1;
    struct dump d = {
        .encoding = head[0] % 2 ? KUBE_ENCODING_JSON : KUBE_ENCODING_PROTO,
        .kind = head[1],
        .out = BUF_INIT(ANSWER_MAX),
        .seed = head[2],
    };
    buf_puts(&d.out, "0");
    if (readers[head[0] / 2](&d, data, len) != 0)
        d.out.data[0] = '1';
    int r = answer(&d);
    buf_done(&d.out);
    return r;
}

int main(void)
{
    unsigned char head[HEAD];
    while (fread(head, 1, HEAD, stdin) == HEAD) {
        if (one(head) < 0)
            return fputs("read_dump: a case that can't be read\n", stderr), 2;
    }
    return 0;
}
