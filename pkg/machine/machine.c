/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/machine.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cidr.h"
#include "base/mem.h"
#include "base/str.h"
#include "machine/config.h"
#include "machine/env.h"
#include "machine/scripts.h"
#include "pki/pki.h"
#include "json/jx.h"

enum { ROOTS_MAX = 256, TOKEN_MAX = 16384, NAME_LEN_MAX = 253 };

const char *machine_service_account(const json_t *group)
{
    const char *name = jx_str(group, "spec.template.serviceAccount");
    return name && *name ? name : "default";
}

static bool is_revisioned(const char *revision)
{
    return revision && *revision && !str_eq(revision, "default");
}

char *machine_mesh_map(const char *revision)
{
    return is_revisioned(revision) ? xasprintf("istio-%s", revision) : xstrdup("istio");
}

static char *istiod_host(const struct machine_facts *f)
{
    const char *ns = str_or(f->istio_namespace, "istio-system");
    return is_revisioned(f->revision) ? xasprintf("istiod-%s.%s.svc", f->revision, ns)
                                      : xasprintf("istiod.%s.svc", ns);
}

/* --- are the facts fit to become files? --- */

/* A name that ends up in /etc/hosts and in a shell's environment: no byte that means anything there. */
static int check_name(const char *what, const char *s, struct err *err)
{
    size_t n = s ? strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") : 0;
    if (n > 0 && n <= NAME_LEN_MAX && !s[n])
        return 0;
    return err_set(err, ERR_INVALID, 0, "%s is no name that Kubernetes takes: '%.64s'", what,
                   str_or(s, ""));
}

static int check_address(const char *what, const char *s, struct err *err)
{
    if (!s || cidr_address_family(s))
        return 0;
    return err_set(err, ERR_INVALID, 0, "%s wants an IP address, not '%.64s'", what, s);
}

static int check_token(const char *token, struct err *err)
{
    static const char *const letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
    size_t n = token ? strspn(token, letters) : 0;
    if (n > 0 && n <= TOKEN_MAX && !token[n])
        return 0;
    return err_set(err, ERR_INVALID, 0,
                   "the API server's answer holds no token: ask for one again");
}

static int check_names(const struct machine_facts *f, struct err *err)
{
    if (check_name("the WorkloadGroup's name", jx_str(f->group, "metadata.name"), err) < 0 ||
        check_name("the WorkloadGroup's namespace", jx_str(f->group, "metadata.namespace"), err) <
            0 ||
        check_name("the service account", machine_service_account(f->group), err) < 0 ||
        check_name("the name of the cluster", f->cluster, err) < 0)
        return -1;
    if (f->istio_namespace && check_name("Istio's namespace", f->istio_namespace, err) < 0)
        return -1;
    return is_revisioned(f->revision) ? check_name("the revision", f->revision, err) : 0;
}

static int check(const struct machine_facts *f, struct err *err)
{
    if (check_names(f, err) < 0 || check_token(f->token, err) < 0 ||
        check_address("the machine's internal address", f->internal_ip, err) < 0 ||
        check_address("the machine's external address", f->external_ip, err) < 0)
        return -1;
    if (f->internal_ip && f->external_ip)
        return err_set(err, ERR_INVALID, 0,
                       "a machine has an internal or an external address here, not both");
    if (pki_check_bundle(str_or(f->root_pem, ""), ROOTS_MAX, err) < 0)
        return err_wrap(err, "root-cert.pem of ConfigMap istio-ca-root-cert");
    return 0;
}

/* --- files --- */

/* A line for each address, the first one first: resolvers that take only one take that. */
static int put_hosts(const struct machine_facts *f, struct buf *b, struct err *err)
{
    auto_free char *host = istiod_host(f);
    const char *s = str_or(f->istiod_address, "");
    int count = 0;
    for (size_t n; *s; s += n) {
        s += strspn(s, " ");
        n = strcspn(s, " ");
        if (!n)
            break;
        auto_free char *address = xstrndup(s, n);
        if (check_address("the address of istiod", address, err) < 0)
            return -1;
        if (++count > MACHINE_ADDRESSES_MAX)
            return err_set(err, ERR_INVALID, 0, "istiod has more than %d addresses",
                           MACHINE_ADDRESSES_MAX);
        buf_printf(b, "%s %s\n", address, host);
    }
    return 0;
}

static int put_ports(const json_t *ports, struct buf *b)
{
    const char *comma = "";
    if (!json_array_size(ports))
        return buf_puts(b, "*");
    for (size_t i = 0; i < json_array_size(ports); i++, comma = ",")
        buf_printf(b, "%s%" JSON_INTEGER_FORMAT, comma,
                   json_integer_value(json_array_get(ports, i)));
    return 0;
}

/* SSH, so that nobody locks himself out, and the agent's own ports are not redirected. */
static char *excluded_ports(const json_t *config)
{
    int64_t status = jx_int(config, "statusPort", 0);
    if (status == 15090 || status == 15021)
        return xstrdup("22,15090,15021");
    return xasprintf("22,15090,15021,%d", status ? (int)status : 15020);
}

static void set_address(const struct machine_facts *f, json_t *env)
{
    jx_set_str(env, "ISTIO_SVC_IP", f->internal_ip ? f->internal_ip : f->external_ip);
    if (f->external_ip)
        jx_set_str(env, "REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION", "true");
}

static int put_env(const struct machine_facts *f, const json_t *config, struct buf *b,
                   struct err *err)
{
    const char *name = jx_str(f->group, "metadata.name"),
               *ns = jx_str(f->group, "metadata.namespace");
    auto_json *env = json_deep_copy(json_object_get(config, "proxyMetadata"));
    auto_json *numbers = machine_port_numbers(f->group);
    auto_buf ports = BUF_INIT(MACHINE_FILE_MAX);
    auto_free char *excluded = excluded_ports(config), *host = istiod_host(f);
    put_ports(numbers, &ports);
    jx_set_str(env, "ISTIO_INBOUND_PORTS", ports.data);
    jx_set_str(env, "ISTIO_LOCAL_EXCLUDE_PORTS", excluded);
    jx_set_str(env, "ISTIO_NAMESPACE", ns);
    json_object_set_new(env, "ISTIO_SERVICE", json_sprintf("%s.%s", name, ns));
    jx_set_str(env, "ISTIO_SERVICE_CIDR", "*");
    jx_set_str(env, "SERVICE_ACCOUNT", machine_service_account(f->group));
    if (is_revisioned(f->revision))
        json_object_set_new(env, "CA_ADDR", json_sprintf("%s:15012", host));
    set_address(f, env);
    return machine_env(env, b, err);
}

static void keep(struct machine_bundle *b, size_t at, const char *name, struct buf *data)
{
    size_t len = data->len;
    b->files[at] = (struct machine_file){
        .name = name,
        .data = buf_take(data),
        .len = len,
        .secret = str_eq(name, "istio-token"),
        .mode = str_eq(name, "install.sh") ? 0700 : 0600,
    };
}

static void keep_text(struct machine_bundle *b, size_t at, const char *name, const char *s)
{
    struct buf data = BUF_INIT(strlen(s));
    buf_puts(&data, s);
    keep(b, at, name, &data);
}

int machine_bundle(const struct machine_facts *f, struct machine_bundle *ret, struct err *err)
{
    auto_buf env = BUF_INIT(MACHINE_FILE_MAX), mesh = BUF_INIT(MACHINE_FILE_MAX),
             hosts = BUF_INIT(MACHINE_FILE_MAX);
    if (check(f, err) < 0)
        return -1;
    auto_free char *istiod = istiod_host(f);
    auto_json *config = machine_proxy_config(f, is_revisioned(f->revision) ? istiod : NULL, err);
    if (!config || put_env(f, config, &env, err) < 0 || put_hosts(f, &hosts, err) < 0 ||
        machine_mesh_yaml(config, &mesh, err) < 0)
        return -1;
    struct machine_bundle b = {0};
    keep_text(&b, 0, "root-cert.pem", f->root_pem);
    keep_text(&b, 1, "istio-token", f->token);
    keep(&b, 2, "cluster.env", &env);
    keep(&b, 3, "mesh.yaml", &mesh);
    keep(&b, 4, "hosts", &hosts);
    keep_text(&b, 5, "install.sh", machine_scripts[0].data);
    *ret = b;
    return 0;
}

void machine_bundle_done(struct machine_bundle *b)
{
    for (size_t i = 0; i < MACHINE_FILES; i++)
        if (b->files[i].secret)
            xfree_secret(b->files[i].data);
        else
            free(b->files[i].data);
    *b = (struct machine_bundle){0};
}

const struct machine_file *machine_bundle_file(const struct machine_bundle *b, const char *name)
{
    for (size_t i = 0; i < MACHINE_FILES; i++)
        if (str_eq(b->files[i].name, name))
            return &b->files[i];
    return NULL;
}
