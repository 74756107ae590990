/* SPDX-License-Identifier: Apache-2.0 */
#include "vm_bundle.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/cidr.h"
#include "base/file.h"
#include "base/gvr.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/kubeconfig_file.h"
#include "workloadgroup/gather.h"
#include "json/jx.h"

enum { TOKEN_DEFAULT_S = 3600, ANSWER_MAX = 2 * 1048576 };

static const struct gvr secrets = {"", "v1", "secrets", "Secret", true};

/* One chain of requests: WorkloadGroup, Mesh, MemberCluster and its Secret (or the user's own file), the member. */
struct vm {
    uv_loop_t *loop;
    const struct options *o;
    const struct kube_config *hub_config;
    const char *ns;
    vm_bundle_cb *cb;
    void *arg;
    struct kube_client *hub, *member;
    json_t *group, *mesh, *cluster;
};

static void finish(struct vm *v, const struct machine_bundle *b, const char *what,
                   const struct err *err)
{
    v->cb(v->arg, b, what, err);
    kube_client_free(v->hub);
    if (v->member)
        kube_client_free(v->member);
    json_decref(v->group);
    json_decref(v->mesh);
    json_decref(v->cluster);
    free(v);
}

static void fail(struct vm *v, const struct err *err)
{
    finish(v, NULL, NULL, err);
}

static const char *status_of(const struct vm *v, const char *field)
{
    return jx_str2(v->group, "status", field);
}

/* --- the member --- */

static void on_facts(void *arg, const struct machine_facts *facts, const char *expires,
                     const struct err *err)
{
    struct vm *v = arg;
    struct err why = {0};
    auto_machine_bundle b = {0};
    if (err) {
        fail(v, err);
        return;
    }
    if (machine_bundle(facts, &b, &why) < 0) {
        err_wrap(&why, "what cluster %s holds", status_of(v, "cluster"));
        fail(v, &why);
        return;
    }
    auto_free char *what =
        xasprintf("machines of %s join mesh %s through cluster %s; the token ends at %s",
                  v->o->vm.name, jx_str(v->group, "spec.meshRef.name"), status_of(v, "cluster"),
                  str_or(expires, "an unknown time"));
    finish(v, &b, what, NULL);
}

/* What the user says, else what the status says, where that is an address and no name. */
static const char *istiod_address(const struct vm *v)
{
    const char *said = status_of(v, "istiodAddress");
    if (v->o->vm.istiod_address)
        return v->o->vm.istiod_address;
    return said && cidr_address_family(said) ? said : NULL;
}

static void gather(struct vm *v, const struct kube_config *config)
{
    const struct options_vm *o = &v->o->vm;
    struct err err = {0};
    v->member = kube_client_new(v->loop, &clock_system, config, &err);
    if (!v->member) {
        err_wrap(&err, "cluster %s", status_of(v, "cluster"));
        fail(v, &err);
        return;
    }
    struct gather_request q = {
        .client = v->member,
        .namespace = str_or(status_of(v, "namespace"), o->name),
        .name = o->name,
        .cluster = status_of(v, "cluster"),
        .revision = jx_str(v->mesh, "spec.revision"),
        .istiod_address = istiod_address(v),
        .internal_ip = o->internal_ip,
        .external_ip = o->external_ip,
        .no_dns_capture = o->no_dns_capture,
        .no_auto_register = o->no_auto_register,
        .token_s =
            o->token_s ? o->token_s : jx_int(v->group, "spec.tokenTTLSeconds", TOKEN_DEFAULT_S),
    };
    gather_start(&q, on_facts, v);
}

static void use_file(struct vm *v)
{
    const char *path = v->o->vm.cluster_kubeconfig;
    struct err err = {0};
    auto_kube_config config = {0};
    char *text = kubeconfig_read_file(path, &err);
    int rc = text ? kubeconfig_load(text, strlen(text), KUBECONFIG_OWN, &config, NULL, &err) : -1;
    xfree_secret(text);
    if (rc < 0) {
        err_wrap(&err, "--cluster-kubeconfig %s", path);
        fail(v, &err);
        return;
    }
    gather(v, &config);
}

/* --- the hub --- */

static void get(struct vm *v, const struct gvr *kind, const char *name, bool secret,
                kube_call_cb *cb)
{
    auto_free char *path = gvr_path(kind, v->ns, name);
    struct kube_request q = {
        .method = "GET", .path = path, .secret_body = secret, .max_bytes = ANSWER_MAX};
    kube_call(v->hub, &q, cb, v);
}

/* False after it has failed. */
static bool answered(struct vm *v, const struct err *err, const char *what, const char *name)
{
    if (!err)
        return true;
    struct err why = *err;
    if (err->class == ERR_NOT_FOUND)
        err_set(
            &why, ERR_NOT_FOUND, err->code,
            "the hub (%s) has no %s %s in namespace %s; next: create it, or name the hub and the "
            "namespace that have it with --kubeconfig and --namespace",
            kube_client_server(v->hub), what, name, v->ns);
    else
        err_wrap(&why, "reading %s %s of the hub", what, name);
    fail(v, &why);
    return false;
}

static const char *secret_name(const struct vm *v, char **ret_owned)
{
    const char *said = jx_str(v->cluster, "spec.kubeconfigSecretRef.name");
    *ret_owned = said ? NULL : xasprintf("%s-kubeconfig", status_of(v, "cluster"));
    return said ? said : *ret_owned;
}

static void on_secret(void *arg, const struct kube_response *r, const struct err *err)
{
    struct vm *v = arg;
    struct err why = {0};
    auto_kube_config config = {0};
    char field[KUBECONFIG_FIELD_MAX] = "";
    auto_free char *owned = NULL;
    const char *name = secret_name(v, &owned);
    enum kubeconfig_trust trust =
        v->o->allow_local_members ? KUBECONFIG_MEMBER_LOCAL : KUBECONFIG_MEMBER;
    if (!answered(v, err, "Secret", name))
        return;
    if (kubeconfig_from_secret(r->body, jx_str(v->cluster, "spec.kubeconfigSecretRef.key"), trust,
                               &config, field, &why) < 0) {
        err_wrap(&why, "Secret %s%s%s", name, *field ? ": " : "", field);
        fail(v, &why);
        return;
    }
    gather(v, &config);
}

static void on_cluster(void *arg, const struct kube_response *r, const struct err *err)
{
    struct vm *v = arg;
    auto_free char *owned = NULL;
    if (!answered(v, err, "MemberCluster", status_of(v, "cluster")))
        return;
    v->cluster = json_incref(r->body);
    if (jx_get(v->cluster, "spec.inCluster"))
        gather(v, v->hub_config);
    else
        get(v, &secrets, secret_name(v, &owned), true, on_secret);
}

static void on_mesh(void *arg, const struct kube_response *r, const struct err *err)
{
    struct vm *v = arg;
    if (!answered(v, err, "Mesh", jx_str(v->group, "spec.meshRef.name")))
        return;
    v->mesh = json_incref(r->body);
    if (v->o->vm.cluster_kubeconfig)
        use_file(v);
    else
        get(v, &api_gvrs[API_KIND_MEMBER_CLUSTER], status_of(v, "cluster"), false, on_cluster);
}

/* Why the group is of no use yet, in its own words. */
static const char *ready_message(const json_t *group)
{
    size_t i;
    json_t *c;
    json_array_foreach (jx_get(group, "status.conditions"), i, c) {
        if (str_eq(jx_str(c, "type"), "Ready"))
            return jx_str(c, "message");
    }
    return NULL;
}

static int check_group(const struct vm *v, struct err *err)
{
    const char *mesh = jx_str(v->group, "spec.meshRef.name");
    if (jx_get(v->group, "metadata.deletionTimestamp"))
        return err_set(err, ERR_INVALID, 0,
                       "WorkloadGroup %s/%s is being deleted: its machines may not join any more",
                       v->ns, v->o->vm.name);
    if (jx_int(v->group, "status.observedGeneration", 0) <
        jx_int(v->group, "metadata.generation", 0))
        return err_set(err, ERR_TRANSIENT, 0,
                       "WorkloadGroup %s/%s has changed and the controller has not looked at it "
                       "yet; next: run this again in a few seconds, or see whether it runs",
                       v->ns, v->o->vm.name);
    if (mesh && status_of(v, "cluster"))
        return 0;
    return err_set(err, ERR_NOT_FOUND, 0,
                   "WorkloadGroup %s/%s has no cluster yet (%s); next: kubectl describe mwg %s -n "
                   "%s",
                   v->ns, v->o->vm.name, str_or(ready_message(v->group), "no status"),
                   v->o->vm.name, v->ns);
}

static void on_group(void *arg, const struct kube_response *r, const struct err *err)
{
    struct vm *v = arg;
    struct err why = {0};
    if (!answered(v, err, "WorkloadGroup", v->o->vm.name))
        return;
    v->group = json_incref(r->body);
    if (check_group(v, &why) < 0)
        fail(v, &why);
    else
        get(v, &api_gvrs[API_KIND_MESH], jx_str(v->group, "spec.meshRef.name"), false, on_mesh);
}

int vm_bundle_start(uv_loop_t *loop, const struct options *o, const struct kube_config *hub,
                    const char *ns, vm_bundle_cb *cb, void *arg, struct err *err)
{
    struct kube_client *client = kube_client_new(loop, &clock_system, hub, err);
    if (!client)
        return err_wrap(err, "the hub");
    struct vm *v = xcalloc(1, sizeof *v);
    *v = (struct vm){
        .loop = loop, .o = o, .hub_config = hub, .ns = ns, .cb = cb, .arg = arg, .hub = client};
    get(v, &api_gvrs[API_KIND_WORKLOAD_GROUP], o->vm.name, false, on_group);
    return 0;
}
