/* SPDX-License-Identifier: Apache-2.0 */
/* Making records: values are gathered as they come, in any order and maybe more than once, then packed. */
#include "kube/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/client.h"
#include "kube/record_priv.h"

enum {
    GATHER_MAX = 4 * KUBE_OBJECT_MAX, /* each value may be empty, and takes its NUL */
    KEEP_BYTES = 64 * 1024,           /* a buffer that once was larger is given back */
};

static struct buf *buffer(struct kube_record_maker *m, size_t i)
{
    struct buf *all[] = {&m->gathered,    &m->out,       &m->ports,
                         &m->addresses,   &m->labels,    &m->labels_text,
                         &m->ingress,     &m->external,  &m->endpoint_addresses,
                         &m->cluster_ips, &m->node_ports};
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}

struct kube_record_maker *kube_record_maker_new(void)
{
    struct kube_record_maker *m = xcalloc(1, sizeof *m);
    for (size_t i = 0; buffer(m, i); i++)
        *buffer(m, i) = BUF_INIT(GATHER_MAX);
    return m;
}

void kube_record_maker_free(struct kube_record_maker *m)
{
    for (size_t i = 0; m && buffer(m, i); i++)
        buf_done(buffer(m, i));
    free(m);
}

void kube_record_begin(struct kube_record_maker *m, enum kube_record_kind kind)
{
    for (size_t i = 0; buffer(m, i); i++) {
        if (buffer(m, i)->cap > KEEP_BYTES)
            buf_done(buffer(m, i));
        buf_reset(buffer(m, i));
    }
    m->kind = kind;
    m->flags = 0;
    memset(m->field, 0, sizeof m->field);
    m->phase = m->cluster_ip = m->external_name = m->managed_by = m->dns_entry = m->slice_by =
        (struct kube_span){0};
    m->ingress_ip = m->ingress_hostname = (struct kube_span){0};
    m->entry = (struct kube_manager_entry){0};
    m->port = (struct kube_port){0};
    m->generation = m->observed = m->updated = m->available = 0;
    m->replicas = 1;
    m->endpoint = (struct kube_endpoint_entry){0};
    m->condition_type = m->condition_status = (struct kube_span){0};
    m->named = m->labels_lost = false;
    buf_append(&m->gathered, "", 1); /* no span begins at 0 */
}

/* One character of UTF-8: its length, 0 when it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s, size_t len)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (!n || n > len || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool outside = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return overlong || outside ? 0 : n;
}

static bool is_text(const char *str, size_t len)
{
    const unsigned char *s = (const unsigned char *)str, *end = s + len;
    while (s < end) {
        size_t n = *s ? utf8_length(s, (size_t)(end - s)) : 0;
        if (!n)
            return false;
        s += n;
    }
    return true;
}

static struct kube_span gather(struct kube_record_maker *m, const char *s, size_t len)
{
    struct kube_span at = {m->gathered.len, len};
    if (!len || len > KUBE_RECORD_MAX || !is_text(s, len) || buf_append(&m->gathered, s, len) < 0 ||
        buf_append(&m->gathered, "", 1) < 0)
        return (struct kube_span){0};
    return at;
}

static struct kube_span value_of(struct kube_record_maker *m, const struct kube_value *v)
{
    return gather(m, v->str, v->len);
}

static bool key_is(const struct kube_value *v, const char *key)
{
    return strlen(key) == v->key_len && memcmp(v->key, key, v->key_len) == 0;
}

/* Of a Namespace's labels, or of a Service's selector. */
static void pair(struct kube_record_maker *m, const struct kube_value *v)
{
    struct kube_label l = {0};
    if (is_text(v->str, v->len))
        l = (struct kube_label){gather(m, v->key, v->key_len), value_of(m, v)};
    if (l.key.at)
        buf_append(&m->labels, &l, sizeof l);
    else
        m->labels_lost = true;
}

static void label(struct kube_record_maker *m, const struct kube_value *v)
{
    static const struct {
        const char *key;
        enum kube_record_field field;
    } known[] = {{KUBE_LABEL_OWNER_UID, KUBE_FIELD_OWNER},
                 {KUBE_LABEL_MESH, KUBE_FIELD_MESH},
                 {KUBE_LABEL_WAVE, KUBE_FIELD_WAVE},
                 {KUBE_LABEL_SERVICE_NAME, KUBE_FIELD_SERVICE}};
    if (m->kind == KUBE_RECORD_WORKLOAD_ENTRY) /* a machine says them of itself */
        return;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (key_is(v, known[i].key))
            m->field[known[i].field] = value_of(m, v);
    if (key_is(v, KUBE_LABEL_MANAGED_BY))
        m->managed_by = value_of(m, v);
    if (key_is(v, KUBE_LABEL_SLICE_BY))
        m->slice_by = value_of(m, v);
    if (key_is(v, KUBE_LABEL_DNS_ENTRY))
        m->dns_entry = value_of(m, v);
    if (m->kind == KUBE_RECORD_NAMESPACE)
        pair(m, v);
}

static void selector(struct kube_record_maker *m, const struct kube_value *v)
{
    m->flags |= KUBE_FLAG_SELECTOR;
    pair(m, v);
}

/* Nothing else: a machine's entry is never ours. */
static void entry_annotation(struct kube_record_maker *m, const struct kube_value *v)
{
    static const struct {
        const char *key;
        enum kube_record_field field;
    } known[] = {{KUBE_ANNOTATION_GROUP, KUBE_FIELD_GROUP},
                 {KUBE_ANNOTATION_CONNECTED, KUBE_FIELD_CONNECTED},
                 {KUBE_ANNOTATION_DISCONNECTED, KUBE_FIELD_DISCONNECTED}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (key_is(v, known[i].key))
            m->field[known[i].field] = value_of(m, v);
    if (key_is(v, KUBE_ANNOTATION_PROBED)) /* istiod looks whether it is there, not what it says */
        m->flags |= KUBE_FLAG_PROBED;
}

static void annotation(struct kube_record_maker *m, const struct kube_value *v)
{
    static const struct {
        const char *key;
        enum kube_record_field field;
    } known[] = {{KUBE_ANNOTATION_INTENT, KUBE_FIELD_INTENT},
                 {KUBE_ANNOTATION_ISSUED, KUBE_FIELD_ISSUED},
                 {KUBE_ANNOTATION_EXPIRES, KUBE_FIELD_EXPIRES},
                 {KUBE_ANNOTATION_CREATED, KUBE_FIELD_CREATED}};
    if (m->kind == KUBE_RECORD_WORKLOAD_ENTRY) {
        entry_annotation(m, v);
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (key_is(v, known[i].key))
            m->field[known[i].field] = value_of(m, v);
}

/* Our own server-side apply's entry; status is another entry, with a subresource. The first one counts. */
static void manager(struct kube_record_maker *m, enum kube_step step)
{
    const struct kube_manager_entry *e = &m->entry;
    if (step == KUBE_STEP_END && !m->field[KUBE_FIELD_FIELDS].at &&
        kube_span_is(m, e->name, KUBE_FIELD_MANAGER) && kube_span_is(m, e->operation, "Apply") &&
        !e->subresource.at)
        m->field[KUBE_FIELD_FIELDS] = e->fields;
    m->entry = (struct kube_manager_entry){0};
}

static void manager_fields(struct kube_record_maker *m, const struct kube_value *v)
{
    /* Others' are most of an object, and are not even copied when their name comes first, as it does. */
    if (!m->entry.name.at || kube_span_is(m, m->entry.name, KUBE_FIELD_MANAGER))
        m->entry.fields = value_of(m, v);
}

static void port(struct kube_record_maker *m, enum kube_step step)
{
    const struct kube_port *p = &m->port;
    if (step == KUBE_STEP_END) {
        unsigned char what = (p->has_number ? KUBE_PORT_NUMBER : 0) |
                             (p->name.at ? KUBE_PORT_NAME : 0) | (p->app.at ? KUBE_PORT_APP : 0);
        bool tcp = kube_span_is(m, p->protocol, "TCP"), udp = kube_span_is(m, p->protocol, "UDP");
        bool other = p->protocol.at && !tcp && !udp;
        what |= tcp ? KUBE_PORT_TCP : udp ? KUBE_PORT_UDP : other ? KUBE_PORT_OTHER : 0;
        buf_append(&m->ports, &what, 1);
        if (p->has_number)
            kube_put_signed(&m->ports, p->number);
        kube_put_span(m, &m->ports, p->name);
        if (other)
            kube_put_span(m, &m->ports, p->protocol);
        kube_put_span(m, &m->ports, p->app);
        if (p->node > 0 && p->node <= UINT16_MAX && !udp && !other) {
            kube_put_number(&m->node_ports, (uint64_t)p->number);
            kube_put_number(&m->node_ports, (uint64_t)p->node);
        }
    }
    m->port = (struct kube_port){0};
}

/* Those of the ready ones count. */
static void endpoint(struct kube_record_maker *m, enum kube_step step)
{
    const struct kube_endpoint_entry *e = &m->endpoint;
    struct buf *own = &m->endpoint_addresses;
    if (step == KUBE_STEP_END && !e->unready && own->len) {
        bool pod = kube_span_is(m, e->target_kind, "Pod") && e->target.at &&
                   !strchr(kube_span_text(m, e->target), ' ');
        if (pod || e->hostname.at || m->named) {
            char what = KUBE_ADDRESS_NAMES;
            buf_append(&m->addresses, &what, 1);
            buf_append(&m->addresses, str_or(pod ? kube_span_text(m, e->target) : NULL, ""),
                       pod ? e->target.len + 1 : 1);
            buf_append(&m->addresses, str_or(kube_span_text(m, e->hostname), ""),
                       e->hostname.len + 1);
        }
        m->named = pod || e->hostname.at;
        buf_append(&m->addresses, own->data, own->len);
    }
    buf_reset(own);
    m->endpoint = (struct kube_endpoint_entry){0};
}

static void ingress(struct kube_record_maker *m, enum kube_step step)
{
    if (step == KUBE_STEP_END) {
        kube_put_address(m, &m->ingress, m->ingress_ip);
        kube_put_address(m, &m->ingress, m->ingress_hostname);
    }
    m->ingress_ip = m->ingress_hostname = (struct kube_span){0};
}

static void condition(struct kube_record_maker *m, enum kube_step step)
{
    if (step == KUBE_STEP_END && kube_span_is(m, m->condition_type, "Healthy"))
        m->flags |= kube_span_is(m, m->condition_status, "True")    ? KUBE_FLAG_HEALTHY
                    : kube_span_is(m, m->condition_status, "False") ? KUBE_FLAG_UNHEALTHY
                                                                    : 0;
    m->condition_type = m->condition_status = (struct kube_span){0};
}

static void workload_entry_value(struct kube_record_maker *m, const struct kube_value *v)
{
    switch (v->slot) {
    case KUBE_SLOT_ENTRY_ADDRESS:
        m->field[KUBE_FIELD_ADDRESS] = value_of(m, v);
        break;
    case KUBE_SLOT_ENTRY_NETWORK:
        m->field[KUBE_FIELD_NETWORK] = value_of(m, v);
        break;
    case KUBE_SLOT_CONDITION:
        condition(m, v->step);
        break;
    case KUBE_SLOT_CONDITION_TYPE:
        m->condition_type = value_of(m, v);
        break;
    case KUBE_SLOT_CONDITION_STATUS:
        m->condition_status = value_of(m, v);
        break;
    default:
        break;
    }
}

static void endpoint_value(struct kube_record_maker *m, const struct kube_value *v)
{
    switch (v->slot) {
    case KUBE_SLOT_ENDPOINT:
        endpoint(m, v->step);
        break;
    case KUBE_SLOT_ADDRESS:
        kube_put_address(m, &m->endpoint_addresses, value_of(m, v));
        break;
    case KUBE_SLOT_READY:
        m->endpoint.unready = v->num == 0;
        break;
    case KUBE_SLOT_HOSTNAME:
        m->endpoint.hostname = value_of(m, v);
        break;
    case KUBE_SLOT_TARGET_KIND:
        m->endpoint.target_kind = value_of(m, v);
        break;
    case KUBE_SLOT_TARGET_NAME:
        m->endpoint.target = value_of(m, v);
        break;
    default:
        workload_entry_value(m, v);
        break;
    }
}

/* Where a Service or an Ingress is reached. */
static void reach_value(struct kube_record_maker *m, const struct kube_value *v)
{
    switch (v->slot) {
    case KUBE_SLOT_CLUSTER_IPS:
        kube_put_address(m, &m->cluster_ips, value_of(m, v));
        break;
    case KUBE_SLOT_EXTERNAL_IP:
        kube_put_address(m, &m->external, value_of(m, v));
        break;
    case KUBE_SLOT_EXTERNAL_NAME:
        m->external_name = value_of(m, v);
        break;
    case KUBE_SLOT_INGRESS:
        ingress(m, v->step);
        break;
    case KUBE_SLOT_INGRESS_IP:
        m->ingress_ip = value_of(m, v);
        break;
    case KUBE_SLOT_INGRESS_HOSTNAME:
        m->ingress_hostname = value_of(m, v);
        break;
    default:
        endpoint_value(m, v);
        break;
    }
}

/* Of a list's element. */
static void element_value(struct kube_record_maker *m, const struct kube_value *v)
{
    switch (v->slot) {
    case KUBE_SLOT_MANAGER:
        manager(m, v->step);
        break;
    case KUBE_SLOT_MANAGER_NAME:
        m->entry.name = value_of(m, v);
        break;
    case KUBE_SLOT_MANAGER_OPERATION:
        m->entry.operation = value_of(m, v);
        break;
    case KUBE_SLOT_MANAGER_SUBRESOURCE:
        m->entry.subresource = value_of(m, v);
        break;
    case KUBE_SLOT_MANAGER_FIELDS:
        manager_fields(m, v);
        break;
    case KUBE_SLOT_PORT:
        port(m, v->step);
        break;
    case KUBE_SLOT_PORT_NAME:
        m->port.name = value_of(m, v);
        break;
    case KUBE_SLOT_PORT_PROTOCOL:
        m->port.protocol = value_of(m, v);
        break;
    case KUBE_SLOT_PORT_APP_PROTOCOL:
        m->port.app = value_of(m, v);
        break;
    case KUBE_SLOT_PORT_NUMBER:
        m->port.has_number = true;
        m->port.number = v->num;
        break;
    case KUBE_SLOT_PORT_NODE:
        m->port.node = v->num;
        break;
    default:
        reach_value(m, v);
        break;
    }
}

static void number_value(struct kube_record_maker *m, const struct kube_value *v)
{
    switch (v->slot) {
    case KUBE_SLOT_GENERATION:
        m->generation = v->num;
        break;
    case KUBE_SLOT_DELETION:
        m->flags |= KUBE_FLAG_DELETING;
        break;
    case KUBE_SLOT_REPLICAS:
        m->replicas = v->num;
        break;
    case KUBE_SLOT_OBSERVED_GENERATION:
        m->observed = v->num;
        break;
    case KUBE_SLOT_UPDATED_REPLICAS:
        m->updated = v->num;
        break;
    case KUBE_SLOT_AVAILABLE_REPLICAS:
        m->available = v->num;
        break;
    default:
        element_value(m, v);
        break;
    }
}

int kube_record_value(void *maker, const struct kube_value *v)
{
    struct kube_record_maker *m = maker;
    switch (v->slot) {
    case KUBE_SLOT_NAME:
        m->field[KUBE_FIELD_NAME] = value_of(m, v);
        break;
    case KUBE_SLOT_NAMESPACE:
        m->field[KUBE_FIELD_NS] = value_of(m, v);
        break;
    case KUBE_SLOT_UID:
        m->field[KUBE_FIELD_UID] = value_of(m, v);
        break;
    case KUBE_SLOT_VERSION:
        m->field[KUBE_FIELD_VERSION] = value_of(m, v);
        break;
    case KUBE_SLOT_LABEL:
        label(m, v);
        break;
    case KUBE_SLOT_ANNOTATION:
        annotation(m, v);
        break;
    case KUBE_SLOT_SELECTOR:
        selector(m, v);
        break;
    case KUBE_SLOT_CLUSTER_IP:
        m->cluster_ip = value_of(m, v);
        break;
    case KUBE_SLOT_SERVICE_TYPE:
        m->field[KUBE_FIELD_TYPE] = value_of(m, v);
        break;
    case KUBE_SLOT_SERVICE_ACCOUNT:
        m->field[KUBE_FIELD_ACCOUNT] = value_of(m, v);
        break;
    case KUBE_SLOT_PHASE:
        m->phase = value_of(m, v);
        break;
    default:
        number_value(m, v);
        break;
    }
    return 0;
}

const struct kube_record *kube_record_make(struct kube_record_maker *m, enum kube_record_kind kind,
                                           enum kube_encoding e, const char *data, size_t len,
                                           struct err *err)
{
    kube_record_begin(m, kind);
    if (kube_read(e, kube_schema(kind), data, len, kube_record_value, m, err) < 0)
        return NULL;
    return kube_record_end(m, err);
}
