/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/project.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/client.h"
#include "json/jx.h"

/* Strings of a record before they are packed: where each pointer lives in the record, and what it points to now. */
enum { STRINGS_MAX = 20 };
struct strings {
    const char **slot[STRINGS_MAX];
    size_t n, bytes;
};

static void keep(struct strings *s, const char **slot, const char *value)
{
    *slot = value;
    if (!value)
        return;
    s->slot[s->n++] = slot;
    s->bytes += strlen(value) + 1;
}

static const char *label(const json_t *meta, const char *key)
{
    return jx_str2(meta, "labels", key);
}

static const char *annotation(const json_t *meta, const char *key)
{
    return jx_str2(meta, "annotations", key);
}

/* Our own server-side apply's entry; status is another entry, with a subresource. */
static const json_t *our_fields(const json_t *meta)
{
    size_t i;
    const json_t *entry;
    const json_t *entries = json_object_get(meta, "managedFields");
    json_array_foreach (entries, i, entry) {
        if (str_eq(jx_str(entry, "manager"), KUBE_FIELD_MANAGER) &&
            str_eq(jx_str(entry, "operation"), "Apply") &&
            !*str_or(jx_str(entry, "subresource"), ""))
            return json_object_get(entry, "fieldsV1");
    }
    return NULL;
}

static void read_meta(struct kube_meta *m, const json_t *meta, struct strings *s)
{
    keep(s, &m->ns, jx_str(meta, "namespace"));
    keep(s, &m->name, jx_str(meta, "name"));
    keep(s, &m->uid, jx_str(meta, "uid"));
    keep(s, &m->rv, jx_str(meta, "resourceVersion"));
    keep(s, &m->creation, jx_str(meta, "creationTimestamp"));
    keep(s, &m->owner_uid, label(meta, KUBE_LABEL_OWNER_UID));
    keep(s, &m->mesh, label(meta, KUBE_LABEL_MESH));
    keep(s, &m->wave, label(meta, KUBE_LABEL_WAVE));
    keep(s, &m->intent, annotation(meta, KUBE_ANNOTATION_INTENT));
    keep(s, &m->issued, annotation(meta, KUBE_ANNOTATION_ISSUED));
    keep(s, &m->expires, annotation(meta, KUBE_ANNOTATION_EXPIRES));
    keep(s, &m->created, annotation(meta, KUBE_ANNOTATION_CREATED));
    m->managed = str_eq(label(meta, KUBE_LABEL_MANAGED_BY), KUBE_MANAGED_BY);
    m->deleting = jx_str(meta, "deletionTimestamp") != NULL;
}

static char *ports_text(const json_t *ports)
{
    static const char *const fields[] = {"name", "port", "protocol", "appProtocol"};
    auto_json *out = json_array();
    size_t i;
    const json_t *port;
    json_array_foreach (ports, i, port) {
        json_t *o = json_object();
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
            json_t *v = json_object_get(port, fields[f]);
            if (json_is_string(v) || json_is_integer(v))
                json_object_set(o, fields[f], v);
        }
        json_array_append_new(out, o);
    }
    return jx_dump(out);
}

/* Keys in the order of their names until the text would be too long: the same object gives the same text. */
static char *labels_text(const json_t *labels)
{
    size_t n = json_object_size(labels), used = 2;
    const char **keys = xcalloc(n + 1, sizeof *keys);
    auto_json *out = json_object();
    const char *key;
    json_t *v;
    size_t k = 0;
    /* jansson's iteration takes no const object, and does not change it either. */
    json_object_foreach ((json_t *)(uintptr_t)labels, key, v)
        keys[k++] = key;
    qsort(keys, n, sizeof *keys, str_cmp_ptr);
    for (size_t i = 0; i < n; i++) {
        v = json_object_get(labels, keys[i]);
        /* Keys and values of labels are plain ASCII; the quotes, the colon and the comma are 6. */
        used += strlen(keys[i]) + json_string_length(v) + 6;
        if (used > KUBE_LABELS_MAX)
            break;
        if (json_is_string(v))
            json_object_set(out, keys[i], v);
    }
    free(keys);
    return jx_dump(out);
}

static void read_service(struct kube_record *r, const json_t *obj, struct strings *s, char **made)
{
    r->has_selector = json_object_size(jx_get(obj, "spec.selector")) > 0;
    r->headless = str_eq(jx_str(obj, "spec.clusterIP"), "None");
    keep(s, &r->type, str_or(jx_str(obj, "spec.type"), "ClusterIP"));
    *made = ports_text(jx_get(obj, "spec.ports"));
    keep(s, &r->ports, *made);
}

static void read_namespace(struct kube_record *r, const json_t *obj, struct strings *s, char **made)
{
    r->terminating = str_eq(jx_str(obj, "status.phase"), "Terminating") || r->meta.deleting;
    *made = labels_text(jx_get(obj, "metadata.labels"));
    keep(s, &r->labels, *made);
}

static void read_deployment(struct kube_record *r, const json_t *obj)
{
    int64_t want = jx_int(obj, "spec.replicas", 1);
    r->available =
        jx_int(obj, "status.observedGeneration", 0) >= jx_int(obj, "metadata.generation", 0) &&
        jx_int(obj, "status.availableReplicas", 0) >= want &&
        jx_int(obj, "status.updatedReplicas", 0) >= want;
}

static struct kube_record *pack(const struct kube_record *r, const struct strings *s)
{
    struct kube_record *p = xmalloc(sizeof *p + s->bytes);
    char *at = (char *)(p + 1);
    memcpy(p, r, sizeof *p);
    for (size_t i = 0; i < s->n; i++) {
        size_t offset = (size_t)((const char *)s->slot[i] - (const char *)r);
        size_t len = strlen(*s->slot[i]) + 1;
        memcpy(at, *s->slot[i], len);
        memcpy((char *)p + offset, &at, sizeof at);
        at += len;
    }
    return p;
}

struct kube_record *kube_record_new(enum kube_record_kind kind, const json_t *obj)
{
    const json_t *meta = json_object_get(obj, "metadata");
    if (!*str_or(jx_str(meta, "name"), ""))
        return NULL;
    struct kube_record r = {.kind = kind};
    struct strings s = {0};
    read_meta(&r.meta, meta, &s);
    const json_t *owned = our_fields(meta);
    auto_free char *fields = owned ? jx_dump(owned) : NULL;
    keep(&s, &r.meta.fields, fields);
    auto_free char *made = NULL;
    switch (kind) {
    case KUBE_RECORD_META:
        break;
    case KUBE_RECORD_SERVICE:
        read_service(&r, obj, &s, &made);
        break;
    case KUBE_RECORD_NAMESPACE:
        read_namespace(&r, obj, &s, &made);
        break;
    case KUBE_RECORD_DEPLOYMENT:
        read_deployment(&r, obj);
        break;
    }
    return s.bytes <= KUBE_RECORD_MAX ? pack(&r, &s) : NULL;
}
