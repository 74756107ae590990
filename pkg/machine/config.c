/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "machine/proto.h"
#include "yaml/yaml.h"
#include "json/jx.h"

enum { PORTS_MAX = 1024, LABELS_TEXT_MAX = 262144 };

#define CANONICAL_NAME     "service.istio.io/canonical-name"
#define CANONICAL_REVISION "service.istio.io/canonical-revision"
#define PROXY_CONFIG       "proxy.istio.io/config"

/* Of MeshConfig only this is wanted. */
static const struct proto_field mesh_config[] = {
    {"trust_domain", PROTO_STRING, 0, NULL, NULL},
    {"default_config", PROTO_MESSAGE, 0, proto_proxy_config, NULL},
    {NULL, PROTO_STRING, 0, NULL, NULL}};

/* --- JSON as Go's encoding/json writes it --- */

static void put_rune_escape(struct buf *b, unsigned c)
{
    static const char *const names[] = {
        ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t"};
    if (c < sizeof names / sizeof *names && names[c])
        buf_puts(b, names[c]);
    else
        buf_printf(b, "\\u%04x", c);
}

/* s is valid UTF-8. "<", ">", "&" and Unicode's line ends are escaped, for the sake of scripts in HTML. */
static void put_string(struct buf *b, const char *s)
{
    buf_puts(b, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c < 0x20 || c == '<' || c == '>' || c == '&')
            put_rune_escape(b, c);
        else if (str_starts(s, "\xe2\x80\xa8") || str_starts(s, "\xe2\x80\xa9"))
            put_rune_escape(b, s[2] == '\xa8' ? 0x2028 : 0x2029), s += 2;
        else
            buf_append(b, s, 1);
    }
    buf_puts(b, "\"");
}

/* The keys of an object, sorted by bytes; the array is owned, the keys are borrowed. */
static const char **sorted_keys(const json_t *v, size_t *ret_n)
{
    json_t *obj = (json_t *)(uintptr_t)v;
    const char **keys = xcalloc(json_object_size(v) + 1, sizeof *keys);
    *ret_n = 0;
    for (void *it = json_object_iter(obj); it; it = json_object_iter_next(obj, it))
        keys[(*ret_n)++] = json_object_iter_key(it);
    qsort(keys, *ret_n, sizeof *keys, str_cmp_ptr);
    return keys;
}

static char *labels_text(const json_t *labels)
{
    struct buf b = BUF_INIT(LABELS_TEXT_MAX);
    size_t n;
    auto_free const char **keys = sorted_keys(labels, &n);
    buf_puts(&b, "{");
    for (size_t i = 0; i < n; i++) {
        buf_puts(&b, i ? "," : "");
        put_string(&b, keys[i]);
        buf_puts(&b, ":");
        put_string(&b, json_string_value(json_object_get(labels, keys[i])));
    }
    buf_puts(&b, "}");
    return buf_take(&b);
}

static char *ports_text(const json_t *ports)
{
    struct buf b = BUF_INIT(LABELS_TEXT_MAX);
    size_t n;
    auto_free const char **keys = sorted_keys(ports, &n);
    for (size_t i = 0; i < n; i++) {
        buf_puts(&b, i ? ",{\"name\":" : "[{\"name\":");
        put_string(&b, keys[i]);
        buf_printf(&b, ",\"containerPort\":%" JSON_INTEGER_FORMAT ",\"protocol\":\"\"}",
                   json_integer_value(json_object_get(ports, keys[i])));
    }
    buf_puts(&b, "]");
    return buf_take(&b);
}

/* --- the group --- */

static int cmp_numbers(const void *a, const void *b)
{
    json_int_t x = *(const json_int_t *)a, y = *(const json_int_t *)b;
    return (x > y) - (x < y);
}

json_t *machine_port_numbers(const json_t *group)
{
    const json_t *ports = jx_get(group, "spec.template.ports");
    size_t n;
    auto_free const char **keys = sorted_keys(ports, &n);
    auto_free json_int_t *numbers = xcalloc(n + 1, sizeof *numbers);
    json_t *ret = json_array();
    for (size_t i = 0; i < n; i++)
        numbers[i] = json_integer_value(json_object_get(ports, keys[i]));
    qsort(numbers, n, sizeof *numbers, cmp_numbers);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(ret, json_integer(numbers[i]));
    return ret;
}

static int check_ports(const json_t *group, struct err *err)
{
    auto_json *numbers = machine_port_numbers(group);
    if (json_array_size(numbers) > PORTS_MAX)
        return err_set(err, ERR_INVALID, 0, "the WorkloadGroup has more than %d ports", PORTS_MAX);
    for (size_t i = 0; i < json_array_size(numbers); i++) {
        json_int_t port = json_integer_value(json_array_get(numbers, i));
        if (port < 1 || port > 65535)
            return err_set(err, ERR_INVALID, 0,
                           "spec.template.ports of the WorkloadGroup has a port that is none");
    }
    return 0;
}

/* Labels of the metadata, those of the template over them. */
static json_t *group_labels(const json_t *group)
{
    const json_t *sources[] = {jx_get(group, "spec.metadata.labels"),
                               jx_get(group, "spec.template.labels")};
    json_t *ret = json_object();
    for (size_t i = 0; i < 2; i++) {
        json_t *source = (json_t *)(uintptr_t)sources[i];
        for (void *it = json_object_iter(source); it; it = json_object_iter_next(source, it))
            if (json_is_string(json_object_iter_value(it)))
                json_object_set(ret, json_object_iter_key(it), json_object_iter_value(it));
    }
    return ret;
}

static const char *first_label(const json_t *labels, const char *const keys[3],
                               const char *fallback)
{
    for (int i = 0; i < 3; i++) {
        const char *v = json_string_value(json_object_get(labels, keys[i]));
        if (v)
            return v;
    }
    return fallback;
}

/* --- the config --- */

/* Text of YAML as an object; an empty text is an empty one. */
static json_t *load_object(const char *text, struct err *err)
{
    size_t len = strlen(str_or(text, ""));
    if (len == 0 || strspn(text, " \t\r\n") == len)
        return json_object();
    auto_json *v = yaml_load(text, len, err);
    if (!v)
        return NULL;
    if (json_is_object(v))
        return json_incref(v);
    err_set(err, ERR_INVALID, 0, "it is no mapping");
    return NULL;
}

static json_t *mesh_of(const char *text, struct err *err)
{
    auto_json *mesh = json_object(), *v = load_object(text, err);
    if (!v || proto_apply(mesh_config, v, mesh, err) < 0) {
        err_wrap(err, "key mesh of Istio's ConfigMap");
        return NULL;
    }
    if (!json_object_get(mesh, "defaultConfig"))
        json_object_set_new(mesh, "defaultConfig", json_object());
    return json_incref(mesh);
}

/* Lays an annotation over the config; proxyMetadata is merged, all else is replaced field by field. */
static int apply_annotation(json_t *config, const char *text, struct err *err)
{
    auto_json *metadata = json_incref(json_object_get(config, "proxyMetadata"));
    auto_json *v = text ? load_object(text, err) : json_object();
    if (!v || proto_apply(proto_proxy_config, v, config, err) < 0)
        return err_wrap(err, "annotation " PROXY_CONFIG " of the WorkloadGroup");
    json_object_update(metadata, json_object_get(config, "proxyMetadata"));
    json_object_set(config, "proxyMetadata", metadata);
    return 0;
}

static int apply_probe(json_t *config, const json_t *group, struct err *err)
{
    const json_t *probe = jx_get(group, "spec.probe");
    json_object_del(config, "readinessProbe");
    if (!json_is_object(probe))
        return 0;
    auto_json *read = json_object();
    if (proto_apply(proto_readiness_probe, probe, read, err) < 0)
        return err_wrap(err, "spec.probe of the WorkloadGroup");
    json_object_set(config, "readinessProbe", read);
    return 0;
}

static void set_identity(const struct machine_facts *f, json_t *labels, json_t *md)
{
    static const char *const names[] = {CANONICAL_NAME, "app.kubernetes.io/name", "app"};
    static const char *const revisions[] = {CANONICAL_REVISION, "app.kubernetes.io/version",
                                            "version"};
    const char *group = jx_str(f->group, "metadata.name");
    json_object_set_new(md, "CANONICAL_SERVICE", json_string(first_label(labels, names, group)));
    json_object_set_new(md, "CANONICAL_REVISION",
                        json_string(first_label(labels, revisions, "latest")));
    json_object_set(labels, CANONICAL_NAME, json_object_get(md, "CANONICAL_SERVICE"));
    json_object_set(labels, CANONICAL_REVISION, json_object_get(md, "CANONICAL_REVISION"));
    jx_set_str(md, "POD_NAMESPACE", jx_str(f->group, "metadata.namespace"));
    jx_set_str(md, "SERVICE_ACCOUNT", machine_service_account(f->group));
    jx_set_str(md, "ISTIO_META_WORKLOAD_NAME", group);
}

static void set_metadata(const struct machine_facts *f, const char *trust_domain,
                         const char *mesh_id, json_t *md)
{
    auto_json *labels = group_labels(f->group);
    const json_t *ports = jx_get(f->group, "spec.template.ports");
    set_identity(f, labels, md);
    jx_set_str(md, "TRUST_DOMAIN", str_or(trust_domain, ""));
    jx_set_str(md, "ISTIO_META_CLUSTER_ID", f->cluster);
    jx_set_str(md, "ISTIO_META_MESH_ID", str_or(str_or(f->mesh_id, mesh_id), ""));
    jx_set_str(md, "ISTIO_META_NETWORK", str_or(jx_str(f->group, "spec.template.network"), ""));
    auto_free char *labels_json = labels_text(labels);
    jx_set_str(md, "ISTIO_METAJSON_LABELS", labels_json);
    if (json_object_size(ports)) {
        auto_free char *ports_json = ports_text(ports);
        jx_set_str(md, "ISTIO_META_POD_PORTS", ports_json);
    }
    if (f->capture_dns)
        jx_set_str(md, "ISTIO_META_DNS_CAPTURE", "true");
    if (f->auto_register)
        jx_set_str(md, "ISTIO_META_AUTO_REGISTER_GROUP", jx_str(f->group, "metadata.name"));
}

json_t *machine_proxy_config(const struct machine_facts *f, const char *istiod_host,
                             struct err *err)
{
    if (check_ports(f->group, err) < 0)
        return NULL;
    auto_json *mesh = mesh_of(f->mesh_yaml, err);
    if (!mesh)
        return NULL;
    json_t *config = json_object_get(mesh, "defaultConfig");
    if (!json_object_get(config, "proxyMetadata"))
        json_object_set_new(config, "proxyMetadata", json_object());
    if (istiod_host && !json_object_get(config, "discoveryAddress"))
        json_object_set_new(config, "discoveryAddress", json_sprintf("%s:15012", istiod_host));
    if (apply_annotation(config, jx_str2(f->group, "metadata.annotations", PROXY_CONFIG), err) <
            0 ||
        apply_annotation(config, jx_str2(f->group, "spec.metadata.annotations", PROXY_CONFIG),
                         err) < 0 ||
        apply_probe(config, f->group, err) < 0)
        return NULL;
    set_metadata(f, jx_str(mesh, "trustDomain"), jx_str(config, "meshId"),
                 json_object_get(config, "proxyMetadata"));
    return json_incref(config);
}

int machine_mesh_yaml(json_t *config, struct buf *b, struct err *err)
{
    auto_json *doc = json_pack("{s:O}", "defaultConfig", config);
    if (yaml_dump_go(doc, b) == 0)
        return 0;
    return err_set(err, ERR_INVALID, 0,
                   "mesh.yaml would have more than %zu bytes: shorten the mesh's defaultConfig",
                   b->max);
}
