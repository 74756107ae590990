/* SPDX-License-Identifier: Apache-2.0 */
#include "render.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "istio/istio.h"
#include "mesh/settings.h"
#include "topology/topology.h"
#include "yaml/yaml.h"
#include "json/jx.h"

enum { FILES_MAX = 1024, PRINT_BYTES_MAX = 64 * 1048576 };

struct input {
    struct arena arena;
    json_t *meshes, *members; /* arrays of objects */
};

/* --- reading --- */

static void sort_in(struct input *in, json_t *doc)
{
    if (!str_starts(jx_str(doc, "apiVersion"), "meshwright.dev/"))
        return;
    if (str_eq(jx_str(doc, "kind"), "Mesh"))
        json_array_append(in->meshes, doc);
    else if (str_eq(jx_str(doc, "kind"), "MemberCluster"))
        json_array_append(in->members, doc);
}

static int read_documents(struct input *in, const char *path, struct err *err)
{
    size_t len;
    auto_free char *text = file_read(path, YAML_BYTES_MAX, &len, err);
    if (!text)
        return -1;
    auto_json *docs = yaml_load_all(text, len, err);
    if (!docs)
        return err_wrap(err, "%s", path);
    size_t i;
    json_t *doc;
    json_array_foreach (docs, i, doc) {
        sort_in(in, doc);
    }
    return 0;
}

static bool manifest(const char *name)
{
    return str_ends(name, ".yaml") || str_ends(name, ".yml") || str_ends(name, ".json");
}

static int read_folder(struct input *in, const char *dir, struct err *err)
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort), rc = 0;
    if (n < 0)
        return err_set(err, ERR_INVALID, errno, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        auto_free char *path = xasprintf("%s/%s", dir, names[i]->d_name);
        if (rc == 0 && i < FILES_MAX && manifest(names[i]->d_name))
            rc = read_documents(in, path, err);
        free(names[i]);
    }
    free(names);
    return rc;
}

/* --- rendering --- */

static const struct api_member_cluster *find_member(struct input *in, const char *ns,
                                                    const char *name, struct err *err)
{
    size_t i;
    json_t *obj;
    json_array_foreach (in->members, i, obj) {
        if (!str_eq(jx_str(obj, "metadata.name"), name) ||
            !str_eq(jx_str(obj, "metadata.namespace"), ns))
            continue;
        struct api_member_cluster *cr;
        bool fine = api_member_cluster_decode(obj, &in->arena, &cr, err) == 0 &&
                    api_member_cluster_validate(cr, err) == 0;
        return fine ? cr : NULL;
    }
    err_set(err, ERR_INVALID, 0, "there is no MemberCluster %s in namespace %s among the files",
            name, str_or(ns, ""));
    return NULL;
}

/* Names of the members, in order; by selector: all that match. */
static size_t members_of(struct input *in, const struct api_mesh *cr, const char ***ret)
{
    size_t n = 0, i;
    json_t *obj;
    const char **names = arena_array(
        &in->arena, cr->spec.n_clusters + json_array_size(in->members) + 1, sizeof *names);
    for (size_t k = 0; k < cr->spec.n_clusters; k++)
        names[n++] = cr->spec.clusters[k].name;
    json_array_foreach (cr->spec.cluster_selector ? in->members : NULL, i, obj) {
        if (str_eq(jx_str(obj, "metadata.namespace"), cr->meta.ns) &&
            topo_labels_match(jx_get(obj, "metadata.labels"),
                              cr->spec.cluster_selector->match_labels))
            names[n++] = jx_str(obj, "metadata.name");
    }
    qsort(names, n, sizeof *names, str_cmp_ptr);
    *ret = names;
    return n;
}

static const struct api_mesh_clusters *entry_of(const struct api_mesh *cr, const char *name)
{
    for (size_t i = 0; i < cr->spec.n_clusters; i++)
        if (str_eq(cr->spec.clusters[i].name, name))
            return &cr->spec.clusters[i];
    return NULL;
}

static struct istio_peer *peers_of(struct input *in, const struct api_mesh *cr, const char **names,
                                   size_t n, const char *self, size_t *ret_n, struct err *err)
{
    struct istio_peer *peers = arena_array(&in->arena, n + 1, sizeof *peers);
    for (size_t i = 0; i < n; i++) {
        const struct api_member_cluster *mc = find_member(in, cr->meta.ns, names[i], err);
        if (!mc)
            return NULL;
        const char *server = mc->spec.advertised_server ? mc->spec.advertised_server
                                                        : "https://<from the kubeconfig>";
        if (!str_eq(names[i], self))
            peers[(*ret_n)++] = (struct istio_peer){
                .name = names[i], .uid = "<seen at run time>", .server = server};
    }
    return peers;
}

static int render_cluster(struct input *in, const struct options *o, const struct api_mesh *cr,
                          const struct istio_data *data, const char **names, size_t n,
                          const char *name, struct buf *out, struct err *err)
{
    const struct api_member_cluster *mc = find_member(in, cr->meta.ns, name, err);
    if (!mc)
        return -1;
    struct istio_target t = {
        .owner = {cr->meta.name, str_or(cr->meta.uid, "00000000-0000-0000-0000-000000000000")},
        .mesh_name = cr->meta.name,
        .trust_domain = cr->spec.trust && cr->spec.trust->domain
                            ? cr->spec.trust->domain
                            : arena_printf(&in->arena, "%s.mesh", cr->meta.name),
        .cluster = name,
        .network = mc->spec.network ? mc->spec.network : name,
        .root_sha256 = "<made at run time>",
        .created_namespace = true,
        .data = data,
    };
    if (settings_merge(&in->arena, o, cr, entry_of(cr, name), data, &t.settings, err) < 0)
        return -1;
    t.peers = peers_of(in, cr, names, n, name, &t.n_peers, err);
    auto_plan plan;
    plan_init(&plan, name);
    if (!t.peers || istio_render(&t, &plan, err) < 0 || plan_finish(&plan, err) < 0)
        return -1;
    buf_printf(out, "# mesh %s, cluster %s\n", cr->meta.name, name);
    return plan_print(&plan, out);
}

static int render_mesh(struct input *in, const struct options *o, const json_t *obj,
                       struct buf *out, struct err *err)
{
    struct api_mesh *cr;
    if (api_mesh_decode(obj, &in->arena, &cr, err) < 0 || api_mesh_validate(cr, err) < 0)
        return -1;
    struct istio_data *data = istio_data_load(o->data_dir, cr->spec.version, err);
    if (!data)
        return -1;
    arena_hold(&in->arena, data, (void (*)(void *))istio_data_free);
    const char **names;
    size_t n = members_of(in, cr, &names);
    for (size_t i = 0; i < n; i++) {
        if (o->render_cluster && !str_eq(o->render_cluster, names[i]))
            continue;
        if (render_cluster(in, o, cr, data, names, n, names[i], out, err) < 0)
            return -1;
    }
    return 0;
}

static int render_all(struct input *in, const struct options *o, struct buf *out, struct err *err)
{
    size_t i;
    json_t *obj;
    if (read_folder(in, o->render_dir, err) < 0)
        return -1;
    if (json_array_size(in->meshes) == 0)
        return err_set(err, ERR_INVALID, 0, "%s: no file holds a Mesh of meshwright.dev",
                       o->render_dir);
    json_array_foreach (in->meshes, i, obj) {
        if (render_mesh(in, o, obj, out, err) < 0)
            return err_wrap(err, "Mesh %s", str_or(jx_str(obj, "metadata.name"), "?"));
    }
    return 0;
}

int render_run(const struct options *o)
{
    struct input in = {.arena = ARENA_INIT, .meshes = json_array(), .members = json_array()};
    auto_buf out = BUF_INIT(PRINT_BYTES_MAX);
    struct err err = {0};
    int rc = render_all(&in, o, &out, &err);
    if (rc < 0)
        fprintf(stderr, "meshwright render: %s\n", err.msg);
    else
        fwrite(out.data, 1, out.len, stdout);
    arena_done(&in.arena);
    json_decref(in.meshes);
    json_decref(in.members);
    return rc < 0 ? 1 : 0;
}
