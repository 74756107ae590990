/* SPDX-License-Identifier: Apache-2.0 */
#include "api/validate.h"

#include <string.h>

#include "base/str.h"

/* A DNS label (RFC 1123): lower-case letters, digits and '-', which is not the first or the last. */
static bool is_label(const char *s, size_t max)
{
    size_t n = strlen(s);
    static const char inner[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    return n > 0 && n <= max && strspn(s, inner) == n && s[0] != '-' && s[n - 1] != '-';
}

static int check_name(const char *path, const char *name, struct err *err)
{
    if (is_label(name, API_NAME_MAX))
        return 0;
    return err_set(
        err, ERR_INVALID, 0,
        "%s: \"%.64s\" must be at most %d lower-case letters, digits and '-', which is not the "
        "first "
        "or the last: it becomes part of label values and Service names in member clusters",
        path, name, API_NAME_MAX);
}

int api_member_cluster_validate(const struct api_member_cluster *m, struct err *err)
{
    if (check_name("metadata.name", m->meta.name, err))
        return -1;
    if (!!m->spec.kubeconfig_secret_ref + !!m->spec.cluster_profile_ref + !!m->spec.in_cluster > 1)
        return err_set(
            err, ERR_INVALID, 0,
            "spec: set at most one of kubeconfigSecretRef, clusterProfileRef, inCluster");
    return 0;
}

static const struct api_mesh_clusters *find_cluster(const struct api_mesh_spec *s, const char *name)
{
    for (size_t i = 0; i < s->n_clusters; i++)
        if (str_eq(s->clusters[i].name, name))
            return &s->clusters[i];
    return NULL;
}

static size_t count_primaries(const struct api_mesh_spec *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_clusters; i++)
        n += s->clusters[i].role == API_MESH_CLUSTERS_ROLE_PRIMARY;
    return n;
}

/* Which Primary a Remote uses must be known; a Primary uses none. */
static int check_primary(const struct api_mesh_spec *s, const struct api_mesh_clusters *c,
                         struct err *err)
{
    if (c->role == API_MESH_CLUSTERS_ROLE_PRIMARY) {
        if (!c->primary)
            return 0;
        return err_set(err, ERR_INVALID, 0, "primary is only for role Remote");
    }
    if (!c->primary) {
        if (count_primaries(s) <= 1)
            return 0;
        return err_set(err, ERR_INVALID, 0,
                       "with several Primary clusters each Remote must say which: set primary");
    }
    const struct api_mesh_clusters *p = find_cluster(s, c->primary);
    if (p && p->role == API_MESH_CLUSTERS_ROLE_PRIMARY)
        return 0;
    return err_set(err, ERR_INVALID, 0, "primary \"%.64s\" is no Primary of this mesh", c->primary);
}

static int check_replicas(const char *path, const struct api_mesh_istiod *i, struct err *err)
{
    if (!i || !i->min_replicas || !i->max_replicas || i->min_replicas <= i->max_replicas)
        return 0;
    return err_set(err, ERR_INVALID, 0, "%s: minReplicas must not be greater than maxReplicas",
                   path);
}

static int check_mesh_config(const char *path, const json_t *config, struct err *err)
{
    if (json_object_get(config, "trustDomain"))
        return err_set(err, ERR_INVALID, 0,
                       "%s: trustDomain is not set here: set spec.trust.domain", path);
    if (json_object_get(json_object_get(config, "defaultConfig"), "meshId"))
        return err_set(err, ERR_INVALID, 0,
                       "%s: meshId is not set here: it is the name of the Mesh", path);
    return 0;
}

static int check_cluster(const struct api_mesh_spec *s, const struct api_mesh_clusters *c,
                         struct err *err)
{
    if (check_name("spec.clusters", c->name, err))
        return -1;
    if (find_cluster(s, c->name) != c)
        return err_set(err, ERR_INVALID, 0, "spec.clusters: %s is named twice", c->name);
    if (check_primary(s, c, err) || check_replicas("istiod", c->istiod, err) ||
        check_mesh_config("meshConfig", c->mesh_config, err))
        return err_wrap(err, "spec.clusters: %s", c->name);
    return 0;
}

static int check_clusters(const struct api_mesh_spec *s, struct err *err)
{
    if ((s->n_clusters > 0) == (s->cluster_selector != NULL))
        return err_set(err, ERR_INVALID, 0,
                       "spec: set exactly one of clusters and clusterSelector");
    for (size_t i = 0; i < s->n_clusters; i++)
        if (check_cluster(s, &s->clusters[i], err))
            return -1;
    if (s->n_clusters && count_primaries(s) == 0)
        return err_set(err, ERR_INVALID, 0,
                       "spec.clusters: at least one must have role Primary: it runs istiod");
    return 0;
}

static int check_dns_entries(const struct api_mesh_dns_entries *d, struct err *err)
{
    if (!d || (d->namespace_selector != NULL) == (d->mode == API_MESH_DNS_ENTRIES_MODE_SELECTED))
        return 0;
    return err_set(err, ERR_INVALID, 0,
                   "spec.dnsEntries: namespaceSelector goes with mode Selected, and only with it");
}

static int check_trust(const struct api_mesh_trust *t, struct err *err)
{
    if (!t || !t->ca_secret_ref || !t->issuer_ref)
        return 0;
    return err_set(err, ERR_INVALID, 0, "spec.trust: set at most one of caSecretRef and issuerRef");
}

int api_mesh_validate(const struct api_mesh *m, struct err *err)
{
    const struct api_mesh_spec *s = &m->spec;
    if (check_name("metadata.name", m->meta.name, err) || check_clusters(s, err) ||
        check_replicas("spec.istiod", s->istiod, err) ||
        check_mesh_config("spec.meshConfig", s->mesh_config, err) ||
        check_dns_entries(s->dns_entries, err) || check_trust(s->trust, err))
        return -1;
    if (s->revision && !is_label(s->revision, 32))
        return err_set(err, ERR_INVALID, 0,
                       "spec.revision: must be a DNS label of at most 32 characters");
    return 0;
}
