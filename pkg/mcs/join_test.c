/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mcs/mcs.h"
#include "json/jx.h"

static json_t *json(const char *text)
{
    json_t *v = json_loads(text, 0, NULL);
    assert_non_null(v);
    return v;
}

static json_t *service(const char *spec)
{
    auto_free char *text = xasprintf("{\"spec\":%s}", spec);
    return json(text);
}

#define HTTP  "{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\",\"targetPort\":8080}"
#define HTTP2 "{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}"
#define GRPC  "{\"name\":\"grpc\",\"port\":90}"
#define UDP   "{\"name\":\"quic\",\"port\":80,\"protocol\":\"UDP\"}"
#define TWIN  "{\"name\":\"web\",\"port\":80}"
#define BARE  "{\"port\":70}"

static struct mcs_export export_of(const char *cluster, int64_t created, const json_t *svc)
{
    return (struct mcs_export){.cluster = cluster,
                               .network = "n",
                               .ns = "shop",
                               .name = "cart",
                               .created = created,
                               .service = svc};
}

/* Two exports of one service with these specs, c1 the older one: the reasons and the ports. */
static void expect(const char *older, const char *younger, const char *reasons, const char *ports)
{
    auto_arena a = ARENA_INIT;
    auto_json *x = service(older), *y = service(younger);
    struct mcs_export e[] = {export_of("c2", 20, y), export_of("c1", 10, x)};
    struct mcs_set set = mcs_join(&a, e, 2);
    assert_int_equal(set.n_services, 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(set.verdicts[i].validity, MCS_VALID);
        assert_string_equal(mcs_conflict_reason(&a, set.verdicts[i].conflicts), reasons);
        assert_string_equal(set.verdicts[i].winner, "c1");
    }
    if (!ports)
        return;
    auto_json *want = json(ports);
    auto_free char *is = jx_dump(set.services[0].ports);
    auto_free char *should = jx_dump(want);
    assert_string_equal(is, should);
}

#define P_HTTP "{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}"
#define P_GRPC "{\"name\":\"grpc\",\"port\":90,\"protocol\":\"TCP\"}"
#define P_UDP  "{\"name\":\"quic\",\"port\":80,\"protocol\":\"UDP\"}"

static void conflicts_are_decided_by_the_oldest(void **state)
{
    (void)state;
    const char *const one = "{\"ports\":[" HTTP "]}";
    expect(one, one, "NoConflicts", "[" P_HTTP "]");
    expect("{\"ports\":[" HTTP "," GRPC "]}", "{\"ports\":[" GRPC "," HTTP "]}", "NoConflicts",
           "[" P_HTTP "," P_GRPC "]");
    expect(one, "{\"ports\":[" HTTP2 "]}", "PortConflict", "[" P_HTTP "]");
    expect(one, "{\"ports\":[" GRPC "," UDP "]}", "PortConflict",
           "[" P_HTTP "," P_GRPC "," P_UDP "]");
    expect(one, "{\"ports\":[" TWIN "]}", "PortConflict", "[" P_HTTP "]");
    expect(one, "{\"ports\":[" BARE "]}", "PortConflict", "[" P_HTTP "]");
    expect("{\"ports\":[" BARE "]}", one, "PortConflict", "[{\"port\":70,\"protocol\":\"TCP\"}]");
    expect(one, "{\"ports\":[" HTTP "],\"clusterIP\":\"None\"}", "TypeConflict", "[" P_HTTP "]");
    expect(one, "{\"ports\":[" HTTP "],\"sessionAffinity\":\"ClientIP\"}",
           "SessionAffinityConflict", NULL);
    expect("{\"ports\":[" HTTP "],\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":{"
           "\"clientIP\":{\"timeoutSeconds\":5}}}",
           "{\"ports\":[" HTTP "],\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":{"
           "\"clientIP\":{\"timeoutSeconds\":6}}}",
           "SessionAffinityConfigConflict", NULL);
    expect("{\"ports\":[" HTTP "],\"ipFamilies\":[\"IPv4\"]}",
           "{\"ports\":[" HTTP2 "],\"ipFamilies\":[\"IPv6\"],\"clusterIP\":\"None\"}",
           "PortConflict,TypeConflict,IPFamilyConflict", NULL);
}

static void type_and_affinity_are_those_of_the_oldest(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    auto_json *x = service("{\"clusterIP\":\"None\"}");
    auto_json *y = service("{\"clusterIP\":\"10.0.0.1\",\"sessionAffinity\":\"ClientIP\"}");
    struct mcs_export e[] = {export_of("c1", 5, x), export_of("c2", 5, y)};
    struct mcs_set set = mcs_join(&a, e, 2); /* of one age: the name decides */
    assert_true(set.services[0].headless);
    assert_string_equal(set.services[0].affinity, "None");
    e[0].created = 6;
    set = mcs_join(&a, e, 2);
    assert_false(set.services[0].headless);
    assert_string_equal(set.services[0].affinity, "ClientIP");
}

static void what_cannot_be_exported_is_said_and_left_out(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    auto_json *good = service("{\"ports\":[" HTTP "]}");
    auto_json *name = service("{\"type\":\"ExternalName\",\"externalName\":\"x.y\"}");
    struct mcs_export e[] = {export_of("c1", 1, NULL), export_of("c2", 2, name),
                             export_of("c3", 3, good), export_of("c4", 4, good)};
    e[3].name = "a-name-of-sixty-characters-that-leaves-no-room-for-a-prefix-";
    assert_int_equal(strlen(e[3].name), MCS_NAME_MAX + 1);
    struct mcs_set set = mcs_join(&a, e, 4);
    const char *const reasons[] = {"NoService", "InvalidServiceType", "Valid", "NameTooLong"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(mcs_validity_reason(set.verdicts[i].validity), reasons[i]);
    assert_int_equal(set.n_services, 1);
    assert_int_equal(set.services[0].n_exports, 1);
    assert_string_equal(set.services[0].exports[0]->cluster, "c3");
}

/* --- properties --- */

static const char *const specs[] = {
    "{\"ports\":[" HTTP "]}",
    "{\"ports\":[" HTTP2 "," GRPC "]}",
    "{\"ports\":[" UDP "," TWIN "]}",
    "{\"ports\":[" BARE "]}",
    "{\"ports\":[" HTTP "],\"clusterIP\":\"None\"}",
    "{\"ports\":[" GRPC "],\"sessionAffinity\":\"ClientIP\"}",
};

enum { CLUSTERS = 5, ROUNDS = 300, N_SPECS = sizeof specs / sizeof *specs };

static char *told(const struct mcs_set *set, struct arena *a)
{
    json_t *all = json_array();
    for (size_t i = 0; i < set->n_services; i++) {
        const struct mcs_service *s = &set->services[i];
        json_t *status = mcs_import_status(s);
        json_array_append_new(all, json_pack("{s:s, s:s, s:b, s:O, s:s, s:s, s:o}", "ns", s->ns,
                                             "name", s->name, "headless", s->headless, "ports",
                                             (json_t *)(uintptr_t)s->ports, "affinity", s->affinity,
                                             "conflict", mcs_conflict_reason(a, s->conflicts),
                                             "status", status));
    }
    char *text = jx_dump(all);
    json_decref(all);
    return text;
}

static void shuffle(struct mcs_export *e, size_t n, unsigned *seed)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)rand_r(seed) % i;
        struct mcs_export t = e[i - 1];
        e[i - 1] = e[k];
        e[k] = t;
    }
}

/* No two ports of what is joined are such as a Service can't have together, and those of the oldest are all there. */
static void check_ports(const struct mcs_service *s)
{
    size_t i, k;
    json_t *x, *y;
    json_array_foreach (s->ports, i, x) {
        json_array_foreach (s->ports, k, y) {
            if (i == k)
                continue;
            assert_non_null(jx_str(x, "name"));
            assert_false(str_eq(jx_str(x, "name"), jx_str(y, "name")));
            assert_false(jx_int(x, "port", 0) == jx_int(y, "port", 0) &&
                         str_eq(jx_str(x, "protocol"), jx_str(y, "protocol")));
        }
    }
    size_t first = json_array_size(jx_get(s->exports[0]->service, "spec.ports"));
    assert_true(json_array_size(s->ports) >= first);
    json_array_foreach (jx_get(s->exports[0]->service, "spec.ports"), i, x) {
        assert_int_equal(jx_int(x, "port", 0), jx_int(json_array_get(s->ports, i), "port", -1));
    }
}

static void the_order_of_exports_does_not_matter(void **state)
{
    (void)state;
    static const char *const clusters[CLUSTERS] = {"c1", "c2", "c3", "c4", "c5"};
    static const char *const names[] = {"cart", "pay"};
    json_t *services[N_SPECS];
    unsigned seed = 7;
    for (size_t i = 0; i < N_SPECS; i++)
        services[i] = service(specs[i]);
    for (int round = 0; round < ROUNDS; round++) {
        auto_arena a = ARENA_INIT;
        struct mcs_export e[CLUSTERS * 2];
        size_t n = 0;
        for (size_t c = 0; c < CLUSTERS; c++)
            for (size_t k = 0; k < 2; k++)
                if (rand_r(&seed) % 4) {
                    e[n] = export_of(clusters[c], rand_r(&seed) % 3,
                                     services[(size_t)rand_r(&seed) % N_SPECS]);
                    e[n++].name = names[k];
                }
        struct mcs_set before = mcs_join(&a, e, n);
        auto_free char *first = told(&before, &a);
        for (size_t i = 0; i < before.n_services; i++)
            check_ports(&before.services[i]);
        shuffle(e, n, &seed);
        struct mcs_set after = mcs_join(&a, e, n);
        auto_free char *second = told(&after, &a);
        assert_string_equal(first, second);
    }
    for (size_t i = 0; i < N_SPECS; i++)
        json_decref(services[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conflicts_are_decided_by_the_oldest),
        cmocka_unit_test(type_and_affinity_are_those_of_the_oldest),
        cmocka_unit_test(what_cannot_be_exported_is_said_and_left_out),
        cmocka_unit_test(the_order_of_exports_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
