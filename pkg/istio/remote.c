/* SPDX-License-Identifier: Apache-2.0 */
/* What ties a cluster to its peers: remote secrets and names of services that live only there. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

static int render_peer(struct render *r, const struct istio_peer *peer)
{
    char ca[JX_SHA256_HEX] = "";
    if (peer->ca)
        jx_sha256_bytes(peer->ca, strlen(peer->ca), ca);
    json_t *inputs = json_pack("{s:s*, s:s*, s:s, s:s}", "uid", peer->uid, "account", peer->account,
                               "server", peer->server, "ca", ca);
    struct plan_object *o = render_add_one(r, PLAN_REMOTE_ACCESS, "remote-secret",
                                           json_pack("{s:s}", "peer", peer->name), inputs);
    if (!o)
        return -1;
    o->content = PLAN_REMOTE_SECRET;
    o->peer = arena_strdup(&r->p->arena, peer->name);
    return 0;
}

int render_remote_access(struct render *r)
{
    for (size_t i = 0; i < r->t->n_peers; i++) {
        const struct istio_peer *peer = &r->t->peers[i];
        if (!peer->name || !peer->server)
            return err_set(r->err, ERR_BUG, 0, "a peer without name or server");
        if (!str_eq(peer->name, r->t->cluster) && render_peer(r, peer) < 0)
            return -1;
    }
    return 0;
}

/* The ports as the API server would store them: the protocol is a key of the list, so it is always said. */
static json_t *stub_ports(const json_t *ports)
{
    json_t *out = json_array();
    size_t i;
    json_t *port;
    json_array_foreach (ports, i, port) {
        json_t *copy = json_object();
        static const char *const fields[] = {"name", "port", "protocol", "appProtocol", NULL};
        json_object_set_new(copy, "protocol", json_string("TCP"));
        for (const char *const *f = fields; *f; f++) {
            json_t *v = json_object_get(port, *f);
            if (v && !json_is_null(v))
                json_object_set(copy, *f, v);
        }
        json_array_append_new(out, copy);
    }
    return out;
}

int render_dns(struct render *r)
{
    for (size_t i = 0; i < r->t->n_stubs; i++) {
        const struct istio_stub *s = &r->t->stubs[i];
        if (json_array_size(s->ports) == 0)
            return err_set(r->err, ERR_BUG, 0, "service %s/%s without ports", s->ns, s->name);
        if (render_add(r, PLAN_DNS, "dns-entry",
                       json_pack("{s:s, s:s, s:o}", "namespace", s->ns, "name", s->name, "ports",
                                 stub_ports(s->ports))) < 0)
            return -1;
    }
    return 0;
}

char *istio_remote_kubeconfig(const struct istio_peer *peer, const char *token)
{
    auto_free char *ca = peer->ca ? jx_b64(peer->ca, strlen(peer->ca)) : NULL;
    const char *c = peer->name;
    auto_json *config =
        json_pack("{s:s, s:s, s:{}, s:[{s:s, s:{s:s, s:s*}}], s:[{s:s, s:{s:s}}], s:[{s:s, s:{s:s, "
                  "s:s}}], s:s}",
                  "apiVersion", "v1", "kind", "Config", "preferences", "clusters", "name", c,
                  "cluster", "server", peer->server, "certificate-authority-data", ca, "users",
                  "name", c, "user", "token", token, "contexts", "name", c, "context", "cluster", c,
                  "user", c, "current-context", c);
    return jx_dump(config);
}
