/* SPDX-License-Identifier: Apache-2.0 */
/* Remote secrets: what lets this cluster's istiod read its peers. */
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
