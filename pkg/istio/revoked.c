/* SPDX-License-Identifier: Apache-2.0 */
/* Identities that no workload of the mesh takes any more, those of each account refused by an object of its own. In a
 * Remote none: its proxies are told by its Primary. */
#include <string.h>

#include "base/str.h"
#include "istio/render.h"
#include "topology/revoked.h"
#include "json/jx.h"

const char *istio_revoked_name(struct arena *a, const char *mesh, const char *ns,
                               const char *account)
{
    enum { NAME_LEN_MAX = 253 };
    const char *name = arena_printf(a, ISTIO_REVOKED "%s.%s.%s", mesh, ns, account);
    char hash[JX_SHA256_HEX];
    if (strlen(name) <= NAME_LEN_MAX)
        return name;
    jx_sha256_bytes(account, strlen(account), hash);
    return arena_printf(a, ISTIO_REVOKED "%s.%s.%s", mesh, ns, hash);
}

static int check(struct render *r, const struct istio_revoked *x)
{
    const struct topo_identity id = {x->trust_domain, x->ns, x->account};
    if (x->mesh && topo_identity_fine(&id))
        return 0;
    return err_set(r->err, ERR_INVALID, 0, "\"%s/ns/%s/sa/%s\" is no identity to refuse",
                   str_or(x->trust_domain, ""), str_or(x->ns, ""), str_or(x->account, ""));
}

static bool same_account(const struct istio_revoked *a, const struct istio_revoked *b)
{
    return str_eq(a->mesh, b->mesh) && str_eq(a->ns, b->ns) && str_eq(a->account, b->account);
}

/* All that are of one account: under the trust domains that its mesh has had. */
static int render_account(struct render *r, const struct istio_revoked *x, size_t n)
{
    json_t *principals = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(principals,
                              json_sprintf("%s/ns/%s/sa/%s", x[i].trust_domain, x->ns, x->account));
    return render_add(r, PLAN_GUARD, "revoked",
                      json_pack("{s:s, s:o}", "name",
                                istio_revoked_name(&r->p->arena, x->mesh, x->ns, x->account),
                                "principals", principals));
}

int render_revoked(struct render *r)
{
    const struct istio_target *t = r->t;
    size_t end;
    for (size_t i = 0; !render_is_remote(r) && i < t->n_revoked; i = end) {
        for (end = i; end < t->n_revoked && same_account(&t->revoked[i], &t->revoked[end]); end++)
            if (check(r, &t->revoked[end]) < 0)
                return -1;
        if (render_account(r, &t->revoked[i], end - i) < 0)
            return -1;
    }
    return 0;
}
