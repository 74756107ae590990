/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "mcs/mcs.h"
#include "json/jx.h"

/* --- one export --- */

static bool is_headless(const json_t *service)
{
    return str_eq(jx_str(service, "spec.clusterIP"), "None");
}

static enum mcs_validity validity_of(const struct mcs_export *e)
{
    if (!e->service)
        return MCS_NO_SERVICE;
    if (str_eq(jx_str(e->service, "spec.type"), "ExternalName"))
        return MCS_EXTERNAL_NAME;
    return strlen(e->name) > MCS_NAME_MAX ? MCS_NAME_TOO_LONG : MCS_VALID;
}

static const char *affinity_of(const struct mcs_export *e)
{
    return str_or(jx_str(e->service, "spec.sessionAffinity"), "None");
}

static const json_t *affinity_config_of(const struct mcs_export *e)
{
    return jx_get(e->service, "spec.sessionAffinityConfig");
}

static bool same(const json_t *a, const json_t *b)
{
    return a == b || (a && b && json_equal(a, b));
}

/* --- ports --- */

static const char *protocol_of(const json_t *port)
{
    return str_or(jx_str(port, "protocol"), "TCP");
}

/* What of a Service's port is its users' business: where it leads in the pods is not. */
static json_t *port_of(const json_t *p)
{
    return json_pack("{s:s*, s:I, s:s, s:s*}", "name", jx_str(p, "name"), "port",
                     (json_int_t)jx_int(p, "port", 0), "protocol", protocol_of(p), "appProtocol",
                     jx_str(p, "appProtocol"));
}

/* Two ports that no Service can have together. With more than one, each needs a name. */
static bool collide(const json_t *a, const json_t *b)
{
    const char *x = jx_str(a, "name"), *y = jx_str(b, "name");
    bool same_number =
        jx_int(a, "port", 0) == jx_int(b, "port", 0) && str_eq(protocol_of(a), protocol_of(b));
    return !x || !y || str_eq(x, y) || same_number;
}

static bool fits(const json_t *all, const json_t *port)
{
    size_t i;
    json_t *other;
    json_array_foreach (all, i, other) {
        if (collide(other, port))
            return false;
    }
    return true;
}

static bool holds(const json_t *all, const json_t *port)
{
    size_t i;
    json_t *other;
    json_array_foreach (all, i, other) {
        if (json_equal(other, port))
            return true;
    }
    return false;
}

static void add_ports(json_t *all, const struct mcs_export *e)
{
    size_t i;
    json_t *p;
    json_array_foreach (jx_get(e->service, "spec.ports"), i, p) {
        json_t *port = port_of(p);
        if (!holds(all, port) && fits(all, port))
            json_array_append(all, port);
        json_decref(port);
    }
}

/* As sets. */
static bool same_ports(const struct mcs_export *a, const struct mcs_export *b)
{
    const json_t *x = jx_get(a->service, "spec.ports"), *y = jx_get(b->service, "spec.ports");
    if (json_array_size(x) != json_array_size(y))
        return false;
    auto_json *mine = json_array();
    size_t i;
    json_t *p;
    json_array_foreach (x, i, p) {
        json_array_append_new(mine, port_of(p));
    }
    json_array_foreach (y, i, p) {
        auto_json *port = port_of(p);
        if (!holds(mine, port))
            return false;
    }
    return true;
}

/* --- a service --- */

static unsigned conflicts_of(const struct mcs_export *first, const struct mcs_export *e)
{
    unsigned found = 0;
    if (!same_ports(first, e))
        found |= MCS_PORT_CONFLICT;
    if (is_headless(first->service) != is_headless(e->service))
        found |= MCS_TYPE_CONFLICT;
    if (!str_eq(affinity_of(first), affinity_of(e)))
        found |= MCS_AFFINITY_CONFLICT;
    else if (!same(affinity_config_of(first), affinity_config_of(e)))
        found |= MCS_AFFINITY_CONFIG_CONFLICT;
    if (!same(jx_get(first->service, "spec.ipFamilies"), jx_get(e->service, "spec.ipFamilies")))
        found |= MCS_FAMILY_CONFLICT;
    return found;
}

static void release_json(void *v)
{
    json_decref(v);
}

static struct mcs_service service_of(struct arena *a, const struct mcs_export *const *exports,
                                     size_t n)
{
    const struct mcs_export *first = exports[0];
    json_t *ports = json_array();
    arena_hold(a, ports, release_json);
    struct mcs_service s = {
        .ns = first->ns,
        .name = first->name,
        .derived = arena_printf(a, MCS_PREFIX "%s", first->name),
        .headless = is_headless(first->service),
        .ports = ports,
        .affinity = affinity_of(first),
        .affinity_config = affinity_config_of(first),
        .exports = exports,
        .n_exports = n,
    };
    for (size_t i = 0; i < n; i++) {
        add_ports(ports, exports[i]);
        s.conflicts |= conflicts_of(first, exports[i]);
    }
    return s;
}

/* --- the set --- */

static int by_service(const void *a, const void *b)
{
    const struct mcs_export *x = *(const struct mcs_export *const *)a;
    const struct mcs_export *y = *(const struct mcs_export *const *)b;
    int c = str_cmp(x->ns, y->ns);
    return c ? c : str_cmp(x->name, y->name);
}

static int by_service_and_age(const void *a, const void *b)
{
    const struct mcs_export *x = *(const struct mcs_export *const *)a;
    const struct mcs_export *y = *(const struct mcs_export *const *)b;
    int c = by_service(a, b);
    c = c ? c : (x->created > y->created) - (x->created < y->created);
    return c ? c : str_cmp(x->cluster, y->cluster);
}

struct mcs_set mcs_join(struct arena *a, const struct mcs_export *exports, size_t n)
{
    const struct mcs_export **valid = arena_array(a, n + 1, sizeof *valid);
    struct mcs_verdict *verdicts = arena_array(a, n + 1, sizeof *verdicts);
    struct mcs_service *services = arena_array(a, n + 1, sizeof *services);
    struct mcs_set set = {.services = services, .verdicts = verdicts};
    size_t n_valid = 0;
    for (size_t i = 0; i < n; i++) {
        verdicts[i].validity = validity_of(&exports[i]);
        if (verdicts[i].validity == MCS_VALID)
            valid[n_valid++] = &exports[i];
    }
    qsort(valid, n_valid, sizeof *valid, by_service_and_age);
    for (size_t from = 0, to; from < n_valid; from = to) {
        for (to = from + 1; to < n_valid && by_service(&valid[from], &valid[to]) == 0;)
            to++;
        struct mcs_service *s = &services[set.n_services++];
        *s = service_of(a, valid + from, to - from);
        for (size_t i = from; i < to; i++) {
            struct mcs_verdict *v = &verdicts[valid[i] - exports];
            v->conflicts = s->conflicts;
            v->winner = valid[from]->cluster;
        }
    }
    return set;
}

/* --- what is said --- */

static const struct {
    const char *reason, *message;
} validities[] = {
    [MCS_VALID] = {"Valid", "the service can be exported"},
    [MCS_NO_SERVICE] = {"NoService",
                        "there is no Service of this name in the namespace; next: create it"},
    [MCS_EXTERNAL_NAME] = {"InvalidServiceType",
                           "a Service of type ExternalName can't be exported; next: export one "
                           "that has endpoints"},
    [MCS_NAME_TOO_LONG] = {"NameTooLong",
                           "the name has more than 59 characters: there is no room for the prefix "
                           "mcs- of the derived Service; next: export a Service with a shorter "
                           "name"},
};

const char *mcs_validity_reason(enum mcs_validity v)
{
    return validities[v].reason;
}

const char *mcs_validity_message(enum mcs_validity v)
{
    return validities[v].message;
}

static const struct {
    enum mcs_conflict conflict;
    const char *reason, *field;
} conflict_names[] = {
    {MCS_PORT_CONFLICT, "PortConflict", "ports"},
    {MCS_TYPE_CONFLICT, "TypeConflict", "type (headless or not)"},
    {MCS_AFFINITY_CONFLICT, "SessionAffinityConflict", "sessionAffinity"},
    {MCS_AFFINITY_CONFIG_CONFLICT, "SessionAffinityConfigConflict", "sessionAffinityConfig"},
    {MCS_FAMILY_CONFLICT, "IPFamilyConflict", "ipFamilies"},
};

const char *mcs_conflict_reason(struct arena *a, unsigned conflicts)
{
    const char *all = NULL;
    for (size_t i = 0; i < sizeof conflict_names / sizeof *conflict_names; i++)
        if (conflicts & conflict_names[i].conflict)
            all = arena_printf(a, "%s%s%s", str_or(all, ""), all ? "," : "",
                               conflict_names[i].reason);
    return str_or(all, "NoConflicts");
}

const char *mcs_conflict_message(struct arena *a, const struct mcs_verdict *v)
{
    const char *fields = NULL;
    if (!v->conflicts)
        return "the exports of this service agree";
    for (size_t i = 0; i < sizeof conflict_names / sizeof *conflict_names; i++)
        if (v->conflicts & conflict_names[i].conflict)
            fields = arena_printf(a, "%s%s%s", str_or(fields, ""), fields ? ", " : "",
                                  conflict_names[i].field);
    return arena_printf(a,
                        "the clusters that export this service differ in %s; the oldest export, of "
                        "cluster %s, counts (of ports, those of others are added where they fit)",
                        fields, v->winner);
}
