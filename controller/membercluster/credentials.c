/* SPDX-License-Identifier: Apache-2.0 */
#include "membercluster/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

enum { AGAIN_MS = 5000 };

static void again(struct member *mb)
{
    manager_enqueue(mb->manager, API_KIND_MEMBER_CLUSTER, mb->key, 0);
}

static void refuse(struct member *mb, const char *reason, bool stalled, const char *message)
{
    snprintf(mb->reason, sizeof mb->reason, "%s", reason);
    snprintf(mb->problem, sizeof mb->problem, "%s", message);
    mb->stalled = stalled;
}

/* A digest of all that makes a connection, to see a change without keeping old secrets. */
static void digest(const struct kube_config *c, char out[JX_SHA256_HEX])
{
    const char *parts[] = {c->server,     c->tls_server_name, c->ca,        c->token,
                           c->token_file, c->client_cert,     c->client_key};
    struct buf b = BUF_INIT(4 * 1048576);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        buf_append(&b, str_or(parts[i], ""), strlen(str_or(parts[i], "")) + 1);
    jx_sha256_bytes(b.data, b.len, out);
    buf_done_secret(&b);
}

static const char *pinned_uid(const struct member *mb)
{
    const struct hub_object *o = hub_find(&mb->manager->hub, API_KIND_MEMBER_CLUSTER, mb->key);
    return o ? jx_str(o->obj, "status.clusterID") : NULL;
}

static void use(struct member *mb, const struct kube_config *config)
{
    struct cluster *c = manager_cluster(mb->manager, mb->ns, mb->name);
    char sum[JX_SHA256_HEX];
    struct err err = {0};
    digest(config, sum);
    if (!c)
        return;
    if (cluster_configure(c, config, sum, pinned_uid(mb), &err) < 0) {
        refuse(mb, "CredentialsInvalid", true, err.msg);
        return;
    }
    mb->reason[0] = mb->problem[0] = '\0';
    mb->expires = kube_config_expiry(config);
}

static void take(struct member *mb, const json_t *secret, const char *key)
{
    const char *name = str_or(jx_str(secret, "metadata.name"), "?");
    auto_kube_config config = {0};
    char field[KUBECONFIG_FIELD_MAX] = "";
    struct err err = {0};
    enum kubeconfig_trust trust =
        mb->manager->options->allow_local_members ? KUBECONFIG_MEMBER_LOCAL : KUBECONFIG_MEMBER;
    if (kubeconfig_from_secret(secret, key, trust, &config, field, &err) == 0) {
        use(mb, &config);
        return;
    }
    auto_free char *msg =
        err.class == ERR_NOT_FOUND
            ? xasprintf("Secret %s/%s has no key %s with a kubeconfig; next: kubectl create secret "
                        "generic %s -n %s "
                        "--from-file=value=KUBECONFIG",
                        mb->ns, name, str_or(key, "value, value.yaml or kubeconfig"), name, mb->ns)
            : xasprintf("Secret %s/%s: %s%s%s", mb->ns, name, field, *field ? ": " : "", err.msg);
    refuse(mb, strstr(field, ".exec") ? "ExecAuthUnsupported" : "CredentialsInvalid", true, msg);
}

static void on_secret(void *arg, const struct kube_response *r, const struct err *err)
{
    struct member *mb = arg;
    mb->call = NULL;
    if (!err) {
        const char *key = strchr(mb->wanted, '\n');
        take(mb, r->body, key && key[1] ? key + 1 : NULL);
    } else if (err->class == ERR_NOT_FOUND) {
        auto_free char *name = xstrndup(mb->wanted, strcspn(mb->wanted, "\n"));
        auto_free char *msg =
            xasprintf("Secret %s/%s does not exist; next: kubectl create secret generic %s -n %s "
                      "--from-file=value=KUBECONFIG",
                      mb->ns, name, name, mb->ns);
        refuse(mb, "CredentialsMissing", true, msg);
    } else if (!manager_cluster(mb->manager, mb->ns, mb->name)->client) {
        refuse(mb, "CredentialsUnreadable", false, err->msg);
    }
    again(mb);
}

static const struct gvr secrets = {"", "v1", "secrets", "Secret", true};

static void read_secret(struct member *mb, const char *name)
{
    auto_free char *path = gvr_path(&secrets, mb->ns, name);
    struct kube_request q = {
        .method = "GET", .path = path, .secret_body = true, .max_bytes = 1048576};
    mb->call = kube_call(mb->manager->hub_client, &q, on_secret, mb);
}

void credentials_refresh(struct member *mb, const struct api_member_cluster *cr)
{
    int64_t now = clock_ms(mb->manager->clock);
    const struct api_member_cluster_spec *s = &cr->spec;
    auto_free char *usual = xasprintf("%s-kubeconfig", mb->name);
    const char *name = s->kubeconfig_secret_ref ? s->kubeconfig_secret_ref->name : usual;
    const char *key = s->kubeconfig_secret_ref ? s->kubeconfig_secret_ref->key : NULL;
    char wanted[sizeof mb->wanted];
    snprintf(wanted, sizeof wanted, "%s\n%s", s->in_cluster ? "(in cluster)" : name,
             str_or(key, ""));
    int64_t fresh = mb->reason[0] ? AGAIN_MS : CREDENTIALS_REREAD_MS;
    if (mb->call || (mb->read_ms && now - mb->read_ms < fresh - 50 && str_eq(wanted, mb->wanted)))
        return;
    memcpy(mb->wanted, wanted, sizeof wanted);
    mb->read_ms = now;
    if (s->cluster_profile_ref)
        refuse(mb, "NotImplemented", true,
               "clusterProfileRef is not supported yet; use kubeconfigSecretRef");
    else if (s->in_cluster)
        use(mb, &mb->manager->hub_config);
    else
        read_secret(mb, name);
}
