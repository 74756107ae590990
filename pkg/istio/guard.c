/* SPDX-License-Identifier: Apache-2.0 */
/* What identities of other meshes may reach. Their roots are trusted, so without this they could reach everything. */
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

/* "bank.mesh": every identity of it. Istio takes an alias of the mesh for a prefix as little as any other domain. */
static json_t *identities(const char *trust_domain)
{
    return json_sprintf("%s/*", trust_domain);
}

static bool admits_anything(const struct istio_admitted *a)
{
    return a->n_snis || a->n_addresses;
}

/* Our own, under former names too, and those to whom anything at all is exported. */
static json_t *known(const struct render *r)
{
    const struct istio_target *t = r->t;
    json_t *out = json_array();
    json_array_append_new(out, identities(t->trust_domain));
    size_t i;
    json_t *alias;
    json_array_foreach (jx_get(r->mesh_config, "trustDomainAliases"), i, alias) {
        if (json_is_string(alias))
            json_array_append_new(out, identities(json_string_value(alias)));
    }
    for (i = 0; i < t->n_admitted; i++)
        if (admits_anything(&t->admitted[i]))
            json_array_append_new(out, identities(t->admitted[i].trust_domain));
    return out;
}

/* Whoever has proved an identity ("*" is any), but none of these. Of who has proved none see nameless(): whether plain
 * text is taken from elsewhere is for PeerAuthentication to say. */
static json_t *strangers(const struct render *r)
{
    return json_pack("{s:[{s:{s:[s], s:o}}]}", "from", "source", "principals", "*", "notPrincipals",
                     known(r));
}

static json_t *strings(const char *const *list, size_t n)
{
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(out, json_string(list[i]));
    return out;
}

/* Plain text from pods of other meshes. */
static json_t *nameless(const struct istio_target *t)
{
    return json_pack("{s:[{s:{s:[s], s:o}}]}", "from", "source", "notPrincipals", "*", "ipBlocks",
                     strings(t->nameless, t->n_nameless));
}

/* A peer, except to what is exported to it. One condition decides, never both:
 *
 * - Without addresses, none of the peer's workloads is on this network, so all of them come through an east-west
 *   gateway. There the SNI is what the gateway routed by, so it is the service that was reached, whatever the pod.
 * - With addresses, some of them reach pods directly. To these the SNI is the client's own word: it could name an
 *   exported service and go to any pod. The address it connected to is a fact, and it is one of an exported service's
 *   pods also when the gateway chose it. So the addresses alone decide; a rule that took a listed SNI instead would
 *   let direct callers in everywhere. */
static json_t *peer_rule(const struct istio_admitted *a)
{
    json_t *condition = a->n_addresses
                            ? json_pack("{s:s, s:o}", "key", "destination.ip", "notValues",
                                        strings(a->addresses, a->n_addresses))
                            : json_pack("{s:s, s:o}", "key", "connection.sni", "notValues",
                                        strings(a->snis, a->n_snis));
    return json_pack("{s:[{s:{s:[o]}}], s:[o]}", "from", "source", "principals",
                     identities(a->trust_domain), "when", condition);
}

static int check_admitted(struct render *r, const struct istio_admitted *a)
{
    if (!a->trust_domain || !*a->trust_domain || str_eq(a->trust_domain, r->t->trust_domain))
        return err_set(r->err, ERR_INVALID, 0,
                       "trust domain \"%s\" of another mesh is this mesh's own",
                       str_or(a->trust_domain, ""));
    for (size_t i = 0; i < a->n_addresses; i++)
        if (!render_family(a->addresses[i]))
            return err_set(r->err, ERR_INVALID, 0, "exported address \"%s\" is no IP address",
                           a->addresses[i]);
    return 0;
}

int render_guard(struct render *r)
{
    const struct istio_target *t = r->t;
    if (!t->guarded || render_is_remote(r))
        return 0;
    json_t *rules = json_pack("[o]", strangers(r));
    if (t->n_nameless)
        json_array_append_new(rules, nameless(t));
    for (size_t i = 0; i < t->n_admitted; i++) {
        if (check_admitted(r, &t->admitted[i]) < 0) {
            json_decref(rules);
            return -1;
        }
        if (admits_anything(&t->admitted[i]))
            json_array_append_new(rules, peer_rule(&t->admitted[i]));
    }
    return render_add(r, PLAN_GUARD, "guard", json_pack("{s:o}", "rules", rules));
}
