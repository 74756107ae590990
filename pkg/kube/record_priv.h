/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/kube: how a record is packed. A head, the name with its NUL, then the fields that there are, each a tag
 * and a value:
 *
 *   head   4 bytes, little endian: size (21 bits), kind (3 bits), flags (8 bits)
 *   tag    field << 3 | form
 *
 * The namespace, if there is one, is the first field. */
#ifndef KUBE_RECORD_PRIV_H
#define KUBE_RECORD_PRIV_H

#include "base/buf.h"
#include "base/str.h"
#include "kube/record.h"

enum kube_record_field {
    KUBE_FIELD_NAME, /* never tagged */
    KUBE_FIELD_NS,
    KUBE_FIELD_UID,
    KUBE_FIELD_VERSION,
    KUBE_FIELD_OWNER,
    KUBE_FIELD_MESH,
    KUBE_FIELD_WAVE,
    KUBE_FIELD_INTENT,
    KUBE_FIELD_ISSUED,
    KUBE_FIELD_EXPIRES,
    KUBE_FIELD_CREATED,
    KUBE_FIELD_FIELDS,
    KUBE_FIELD_TYPE,
    KUBE_FIELD_PORTS,
    KUBE_FIELD_LABELS,
    KUBE_FIELD_SERVICE,
    KUBE_FIELD_ADDRESSES,   /* of a list of addresses and endpoints' names, see below */
    KUBE_FIELD_CLUSTER_IPS, /* likewise, of addresses */
    KUBE_FIELD_REACHED,     /* likewise */
    KUBE_FIELD_NODE_PORTS,  /* port, node port: LEB128 */
    KUBE_FIELD_ACCOUNT,
    KUBE_FIELD_GROUP,
    KUBE_FIELD_CONNECTED,
    KUBE_FIELD_DISCONNECTED,
    KUBE_FIELD_ADDRESS,
    KUBE_FIELD_NETWORK,
    KUBE_FIELD_SELECTOR,
    KUBE_FIELDS,
};

enum kube_record_form {
    KUBE_FORM_TEXT,     /* up to its NUL */
    KUBE_FORM_INTERNED, /* 2 bytes */
    KUBE_FORM_UUID,     /* 16 bytes: lower case, with dashes */
    KUBE_FORM_HASH,     /* 32 bytes: lower-case hex */
    KUBE_FORM_NUMBER,   /* LEB128: decimal without leading zeros */
    KUBE_FORM_LIST,     /* LEB128 of the length in bytes, then elements, see below */
};

enum kube_record_flag {
    KUBE_FLAG_MANAGED = 1,
    KUBE_FLAG_DELETING = 2,
    KUBE_FLAG_SELECTOR = 4,
    KUBE_FLAG_HEADLESS = 8,
    KUBE_FLAG_TERMINATING = 16,
    KUBE_FLAG_AVAILABLE = 32,
    KUBE_FLAG_EXCLUDED = 64,
    /* The same bits of a WorkloadEntry. */
    KUBE_FLAG_PROBED = 4,
    KUBE_FLAG_HEALTHY = 8,
    KUBE_FLAG_UNHEALTHY = 32,
};

/* A port: a byte of these and a protocol, then what they say: number (LEB128, zigzag), name, protocol, appProtocol;
 * texts up to their NUL. */
enum kube_record_port {
    KUBE_PORT_NUMBER = 1,
    KUBE_PORT_NAME = 2,
    KUBE_PORT_APP = 4,
    KUBE_PORT_TCP = 8, /* three values of two bits */
    KUBE_PORT_UDP = 16,
    KUBE_PORT_OTHER = 24,
};

/* An address: this, then 4 bytes, 16 bytes, or text up to its NUL. NAMES says to whom the addresses after it belong:
 * pod and host name, texts up to their NUL, each maybe empty; before the first one there are none. */
enum kube_record_address { KUBE_ADDRESS_TEXT, KUBE_ADDRESS_4, KUBE_ADDRESS_6, KUBE_ADDRESS_NAMES };

enum { KUBE_HEAD = 4, KUBE_SIZE_BITS = 21, KUBE_KIND_BITS = 3 };
_Static_assert(KUBE_RECORD_MAX < 1 << KUBE_SIZE_BITS, "the size fits its bits");
_Static_assert(KUBE_RECORD_KINDS <= 1 << KUBE_KIND_BITS, "the kind fits its bits");

struct kube_record {
    unsigned char bytes[1]; /* as many as the head says */
};

/* --- making --- */

/* Where a value is in the gathered bytes; at is 0 when there is none. */
struct kube_span {
    size_t at, len;
};

struct kube_manager_entry {
    struct kube_span name, operation, subresource, fields;
};

struct kube_port {
    struct kube_span name, protocol, app;
    bool has_number;
    int64_t number, node;
};

struct kube_endpoint_entry {
    struct kube_span hostname, target_kind, target;
    bool unready;
};

struct kube_label {
    struct kube_span key, value;
};

struct kube_record_maker {
    enum kube_record_kind kind;
    unsigned flags;
    struct buf gathered, out, ports, addresses, labels, labels_text;
    struct buf endpoint_addresses, cluster_ips, ingress, external, node_ports;
    struct kube_span field[KUBE_FIELDS];
    struct kube_span phase, cluster_ip, external_name, managed_by, dns_entry, slice_by, ingress_ip,
        ingress_hostname;
    struct kube_manager_entry entry;
    struct kube_port port;
    struct kube_endpoint_entry endpoint;
    struct kube_span condition_type, condition_status;
    int64_t generation, replicas, observed, updated, available;
    bool named;       /* the last endpoint had a pod or a host name */
    bool labels_lost; /* one is not among those gathered */
};

static inline const char *kube_span_text(const struct kube_record_maker *m, struct kube_span s)
{
    return s.at ? m->gathered.data + s.at : NULL;
}

static inline bool kube_span_is(const struct kube_record_maker *m, struct kube_span s,
                                const char *text)
{
    return str_eq(kube_span_text(m, s), text);
}

void kube_put_number(struct buf *b, uint64_t v);
void kube_put_signed(struct buf *b, int64_t v);
/* The text with its NUL; nothing when there is none. */
void kube_put_span(struct kube_record_maker *m, struct buf *b, struct kube_span s);

/* Adds an address in its shortest form; what can't be one of a list with blanks between is left out. */
void kube_put_address(struct kube_record_maker *m, struct buf *b, struct kube_span s);

/* As a JSON string, with its quotes. */
void kube_json_string(struct buf *b, const char *s);

#endif
