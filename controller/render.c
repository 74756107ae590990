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
#include "offline.h"
#include "yaml/yaml.h"
#include "json/jx.h"

enum { FILES_MAX = 1024, PRINT_BYTES_MAX = 64 * 1048576 };

/* --- reading --- */

static void sort_in(struct offline *in, json_t *doc)
{
    if (!str_starts(jx_str(doc, "apiVersion"), "meshwright.dev/"))
        return;
    if (str_eq(jx_str(doc, "kind"), "Mesh"))
        json_array_append(in->meshes, doc);
    else if (str_eq(jx_str(doc, "kind"), "MemberCluster"))
        json_array_append(in->members, doc);
    else if (str_eq(jx_str(doc, "kind"), "Gateway"))
        json_array_append(in->gateways, doc);
    else if (str_eq(jx_str(doc, "kind"), "TrustBundle"))
        json_array_append(in->bundles, doc);
    else if (str_eq(jx_str(doc, "kind"), "WorkloadGroup"))
        json_array_append(in->groups, doc);
}

static int read_documents(struct offline *in, const char *path, struct err *err)
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

static int read_folder(struct offline *in, const char *dir, struct err *err)
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

static int print_plan(const struct plan *plan, const char *title, const char *of, struct buf *out)
{
    buf_printf(out, "# %s, cluster %s\n", title, of);
    return plan_print(plan, out);
}

static int render_cluster(const struct options *o, struct offline_mesh *m, size_t at,
                          struct buf *out, struct err *err)
{
    struct istio_target t;
    auto_plan plan;
    plan_init(&plan, m->names[at]);
    if (offline_target(m, o, at, &t, err) < 0 || istio_render(&t, &plan, err) < 0)
        return err_wrap(err, "cluster %s", m->names[at]);
    auto_free char *title = xasprintf("mesh %s", m->cr->meta.name);
    int rc = print_plan(&plan, title, m->names[at], out);
    const char *unknown = offline_unknown(m);
    return unknown ? buf_printf(out, "# %s\n", unknown) : rc;
}

/* What the machines that attach to a cluster need there. */
static int render_groups(struct offline_mesh *m, size_t at, struct buf *out, struct err *err)
{
    size_t i;
    json_t *group;
    json_array_foreach (m->in->groups, i, group) {
        auto_plan plan;
        plan_init(&plan, m->names[at]);
        int is = offline_group(m, group, at, &plan, err);
        if (is < 0)
            return err_wrap(err, "WorkloadGroup %s", str_or(jx_str(group, "metadata.name"), "?"));
        auto_free char *title = xasprintf("machines %s", jx_str(group, "metadata.name"));
        if (is == 1 && print_plan(&plan, title, m->names[at], out) < 0)
            return -1;
        if (is == 1)
            buf_printf(out, "# %s\n", OFFLINE_GROUP_UNKNOWN);
    }
    return 0;
}

static int render_mesh(struct offline *in, const struct options *o, const json_t *obj,
                       struct buf *out, struct err *err)
{
    struct offline_mesh m;
    if (offline_mesh(in, obj, &m, err) < 0)
        return -1;
    m.data = istio_data_load(o->data_dir, m.cr->spec.version, err);
    if (!m.data)
        return -1;
    arena_hold(&in->arena, m.data, (void (*)(void *))istio_data_free);
    for (size_t i = 0; i < m.n; i++) {
        if (o->render_cluster && !str_eq(o->render_cluster, m.names[i]))
            continue;
        if (render_cluster(o, &m, i, out, err) < 0 || render_groups(&m, i, out, err) < 0)
            return -1;
    }
    return 0;
}

/* A Gateway without a mesh: in each of its clusters. */
static int render_plain(struct offline *in, const struct options *o, const json_t *obj,
                        struct buf *out, struct err *err)
{
    struct api_gateway *cr;
    if (api_gateway_decode(obj, &in->arena, &cr, err) < 0)
        return -1;
    for (size_t i = 0; !cr->spec.mesh_ref && i < cr->spec.n_clusters; i++) {
        const char *cluster = cr->spec.clusters[i];
        auto_plan plan;
        plan_init(&plan, cluster);
        if (o->render_cluster && !str_eq(o->render_cluster, cluster))
            continue;
        if (offline_plain(in, cr, &plan, err) < 0)
            return -1;
        auto_free char *title = xasprintf("gateway %s", cr->meta.name);
        if (print_plan(&plan, title, cluster, out) < 0)
            return -1;
        buf_printf(out, "# %s\n", OFFLINE_PLAIN_UNKNOWN);
    }
    return 0;
}

static int render_all(struct offline *in, const struct options *o, struct buf *out, struct err *err)
{
    size_t i;
    json_t *obj;
    if (read_folder(in, o->render_dir, err) < 0)
        return -1;
    if (json_array_size(in->meshes) + json_array_size(in->gateways) == 0)
        return err_set(err, ERR_INVALID, 0,
                       "%s: no file holds a Mesh or a Gateway of meshwright.dev", o->render_dir);
    json_array_foreach (in->meshes, i, obj) {
        if (render_mesh(in, o, obj, out, err) < 0)
            return err_wrap(err, "Mesh %s", str_or(jx_str(obj, "metadata.name"), "?"));
    }
    json_array_foreach (in->gateways, i, obj) {
        if (render_plain(in, o, obj, out, err) < 0)
            return err_wrap(err, "Gateway %s", str_or(jx_str(obj, "metadata.name"), "?"));
    }
    return 0;
}

int render_run(const struct options *o)
{
    struct offline in = {.arena = ARENA_INIT,
                         .meshes = json_array(),
                         .members = json_array(),
                         .gateways = json_array(),
                         .bundles = json_array(),
                         .groups = json_array()};
    auto_buf out = BUF_INIT(PRINT_BYTES_MAX);
    struct err err = {0};
    int rc = render_all(&in, o, &out, &err);
    if (rc < 0)
        fprintf(stderr, "meshwright render: %s\n", err.msg);
    else if (out.len)
        fwrite(out.data, 1, out.len, stdout);
    arena_done(&in.arena);
    json_decref(in.meshes);
    json_decref(in.members);
    json_decref(in.gateways);
    json_decref(in.bundles);
    json_decref(in.groups);
    return rc < 0 ? 1 : 0;
}
