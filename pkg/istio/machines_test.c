/* SPDX-License-Identifier: Apache-2.0 */
/* Golden plans of machines: testdata/istio/machines-<case>/in.yaml -> out.yaml; UPDATE_GOLDEN=1 writes them anew. */
#include "istio/machines.h"

#include "istio/golden_test.h"
#include "yaml/yaml.h"

enum { PORTS_MAX = 8, BYTES_MAX = 65536 };

struct input {
    json_t *doc;
    struct istio_machine_port ports[PORTS_MAX];
    struct istio_machine_probe probe;
    struct istio_machines m;
};

static void load_ports(struct input *in)
{
    size_t i;
    json_t *p;
    json_array_foreach (json_object_get(in->doc, "ports"), i, p) {
        assert_true(i < PORTS_MAX);
        in->ports[i] =
            (struct istio_machine_port){jx_str(p, "name"), (int)jx_int(p, "port", 0),
                                        (int)jx_int(p, "target", 0), jx_str(p, "protocol")};
        in->m.n_ports = i + 1;
    }
    in->m.ports = in->ports;
}

static void load(struct input *in, const char *name)
{
    size_t len;
    struct err err = {0};
    auto_free char *path = xasprintf("testdata/istio/%s/in.yaml", name);
    auto_free char *text = file_read(path, BYTES_MAX, &len, &err);
    assert_non_null(text);
    *in = (struct input){.doc = yaml_load(text, len, &err)};
    assert_non_null(in->doc);
    const json_t *d = in->doc, *probe = json_object_get(d, "probe");
    in->m = (struct istio_machines){
        .owner = {jx_str(d, "name"), "uid-of-group", PLAN_LABEL_GROUP},
        .mesh = jx_str(d, "mesh"),
        .revision = jx_str(d, "revision"),
        .name = jx_str(d, "name"),
        .ns = jx_str(d, "namespace"),
        .account = jx_str(d, "account"),
        .network = jx_str(d, "network"),
        .locality = jx_str(d, "locality"),
        .weight = (int)jx_int(d, "weight", 0),
        .labels = json_object_get(d, "labels"),
        .proxy_config = json_object_get(d, "proxyConfig"),
        .service = jx_str(d, "service"),
        .makes_namespace = jx_bool(d, "makesNamespace", false),
    };
    load_ports(in);
    in->probe = (struct istio_machine_probe){jx_str(probe, "path"), (int)jx_int(probe, "port", 0),
                                             (int)jx_int(probe, "period", 0)};
    in->m.probe = probe ? &in->probe : NULL;
}

static void check_golden(const char *name)
{
    struct input in;
    struct err err = {0};
    load(&in, name);
    auto_plan p;
    plan_init(&p, "c1");
    if (istio_render_machines(&in.m, &p, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    golden_check(name, &p);
    json_decref(in.doc);
}

static void test_golden(void **state)
{
    (void)state;
    check_golden("machines-full");
    check_golden("machines-least");
    check_golden("machines-revision");
}

static const struct plan_object *find(const struct plan *p, const char *kind)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->objects[i].gvr->kind, kind))
            return &p->objects[i];
    return NULL;
}

/* An account that somebody else made serves as well; everything else is refused when it is not ours. */
static void test_only_the_account_yields(void **state)
{
    (void)state;
    struct input in;
    struct err err = {0};
    load(&in, "machines-full");
    auto_plan p;
    plan_init(&p, "c1");
    assert_int_equal(istio_render_machines(&in.m, &p, &err), 0);
    for (size_t i = 0; i < p.n; i++)
        assert_int_equal(p.objects[i].yields, str_eq(p.objects[i].gvr->kind, "ServiceAccount"));
    /* registration ends before the identity goes */
    assert_true(find(&p, "WorkloadGroup")->wave > find(&p, "Service")->wave);
    assert_true(find(&p, "WorkloadGroup")->wave > find(&p, "ServiceAccount")->wave);
    /* one with a selector in that wave is taken for a user's when it is deleted */
    assert_true(find(&p, "Service")->wave != PLAN_DNS);
    json_decref(in.doc);
}

/* Whatever machines copy of the group's labels must not make their entries look like objects of ours. */
static void test_entries_do_not_look_like_ours(void **state)
{
    (void)state;
    struct input in;
    struct err err = {0};
    load(&in, "machines-full");
    auto_plan p;
    plan_init(&p, "c1");
    assert_int_equal(istio_render_machines(&in.m, &p, &err), 0);
    const json_t *group = find(&p, "WorkloadGroup")->body;
    assert_non_null(jx_str2(group, "metadata.labels", PLAN_LABEL_OWNER_UID));
    assert_true(json_equal(jx_get(group, "spec.metadata.labels"), in.m.labels));
    assert_true(json_equal(jx_get(group, "spec.template.labels"), in.m.labels));
    json_decref(in.doc);
}

static void refuse(void (*change)(struct istio_machines *m), const char *words)
{
    struct input in;
    struct err err = {0};
    load(&in, "machines-full");
    change(&in.m);
    auto_plan p;
    plan_init(&p, "c1");
    assert_int_equal(istio_render_machines(&in.m, &p, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    assert_non_null(strstr(err.msg, words));
    json_decref(in.doc);
}

static void no_labels(struct istio_machines *m)
{
    m->labels = NULL;
}

static void no_ports(struct istio_machines *m)
{
    m->n_ports = 0;
}

static void no_network(struct istio_machines *m)
{
    m->network = "";
}

static void test_what_is_missing_is_said(void **state)
{
    (void)state;
    refuse(no_labels, "without labels");
    refuse(no_ports, "has no ports");
    refuse(no_network, "a network");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_only_the_account_yields),
        cmocka_unit_test(test_entries_do_not_look_like_ours),
        cmocka_unit_test(test_what_is_missing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
