/* SPDX-License-Identifier: Apache-2.0 */
/* Golden bundles: testdata/machine/<case>/in.yaml -> cluster.env, mesh.yaml, hosts; UPDATE_GOLDEN=1
 * writes them anew. */
#include "machine/machine.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "pki/pki.h"
#include "yaml/yaml.h"
#include "json/jx.h"

#define DATA "testdata/machine"

enum { TEXT_MAX = 1 << 20 };

struct input {
    json_t *in;
    struct pki_pair root;
    struct machine_facts facts;
};

static void input_parse(struct input *in, const char *text)
{
    struct err err = {0};
    *in = (struct input){.in = yaml_load(text, strlen(text), &err)};
    if (!in->in)
        fail_msg("%s", err.msg);
    assert_int_equal(pki_root_new("shop", "root", 0, 4102444800, &in->root, NULL), 0);
    in->facts = (struct machine_facts){
        .group = json_object_get(in->in, "group"),
        .mesh_yaml = jx_str(in->in, "mesh"),
        .root_pem = in->root.cert,
        .token = "eyJh.eyJi.c-_2",
        .cluster = jx_str(in->in, "cluster"),
        .revision = jx_str(in->in, "revision"),
        .istiod_address = jx_str(in->in, "address"),
        .internal_ip = jx_str(in->in, "internalIP"),
        .external_ip = jx_str(in->in, "externalIP"),
        .capture_dns = jx_bool(in->in, "captureDNS", false),
        .auto_register = jx_bool(in->in, "autoRegister", false),
    };
}

static void input_done(struct input *in)
{
    json_decref(in->in);
    pki_pair_done(&in->root);
}
#define auto_input __attribute__((cleanup(input_done))) struct input

static void check_file(const char *name, const struct machine_file *file)
{
    struct err err = {0};
    auto_free char *path = xasprintf(DATA "/%s/%s", name, file->name);
    if (getenv("UPDATE_GOLDEN")) {
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_int_equal(fwrite(file->data, 1, file->len, f), file->len);
        assert_int_equal(fclose(f), 0);
    }
    auto_free char *want = file_read(path, TEXT_MAX, NULL, &err);
    if (!want)
        fail_msg("%s", err.msg);
    assert_string_equal(file->data, want);
    assert_int_equal(file->len, strlen(want));
}

static void check_golden(const char *name)
{
    struct err err = {0};
    auto_free char *path = xasprintf(DATA "/%s/in.yaml", name);
    auto_free char *text = file_read(path, TEXT_MAX, NULL, &err);
    assert_non_null(text);
    auto_input in;
    auto_machine_bundle b = {0};
    input_parse(&in, text);
    if (machine_bundle(&in.facts, &b, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    check_file(name, machine_bundle_file(&b, "cluster.env"));
    check_file(name, machine_bundle_file(&b, "mesh.yaml"));
    check_file(name, machine_bundle_file(&b, "hosts"));
    assert_string_equal(machine_bundle_file(&b, "root-cert.pem")->data, in.root.cert);
    assert_string_equal(machine_bundle_file(&b, "istio-token")->data, in.facts.token);
}

static int is_case(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void test_golden(void **state)
{
    (void)state;
    struct dirent **names;
    int n = scandir(DATA, &names, is_case, alphasort);
    assert_true(n >= 10);
    for (int i = 0; i < n; i++) {
        check_golden(names[i]->d_name);
        free(names[i]);
    }
    free(names);
}

/* mesh.yaml means what was put into it, whatever its style. */
static void test_mesh_reads_back(void **state)
{
    (void)state;
    struct err err = {0};
    auto_input in;
    auto_machine_bundle b = {0};
    input_parse(&in, "{cluster: c1, mesh: 'defaultConfig: {configPath: \"a: b #c\"}', "
                     "group: {metadata: {name: g, namespace: ns}, spec: {template: {}}}}");
    assert_int_equal(machine_bundle(&in.facts, &b, &err), 0);
    const struct machine_file *f = machine_bundle_file(&b, "mesh.yaml");
    auto_json *v = yaml_load(f->data, f->len, &err);
    assert_string_equal(jx_str(v, "defaultConfig.configPath"), "a: b #c");
    assert_string_equal(jx_str(v, "defaultConfig.proxyMetadata.SERVICE_ACCOUNT"), "default");
}

static void test_files(void **state)
{
    (void)state;
    static const char *const names[] = {"root-cert.pem", "istio-token", "cluster.env",
                                        "mesh.yaml",     "hosts",       "install.sh"};
    auto_input in;
    struct machine_bundle b = {0};
    input_parse(&in, "{cluster: c1, mesh: '', group: {metadata: {name: g, namespace: ns}}}");
    assert_int_equal(machine_bundle(&in.facts, &b, NULL), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_string_equal(b.files[i].name, names[i]);
        assert_int_equal(b.files[i].len, strlen(b.files[i].data));
        assert_int_equal(b.files[i].secret, str_eq(names[i], "istio-token"));
        assert_int_equal(b.files[i].mode & 077, 0);
    }
    assert_true(str_starts(b.files[5].data, "#!/bin/bash\n"));
    assert_int_equal(b.files[5].mode, 0700);
    assert_null(machine_bundle_file(&b, "no"));
    machine_bundle_done(&b);
    machine_bundle_done(&b);
}

/* Each refusal names what is bad, and leaves the result alone. */
static void test_refused(void **state)
{
    (void)state;
#define OK_GROUP "group: {metadata: {name: g, namespace: ns}, spec: {template: {}}}"
    static const struct {
        const char *in, *says;
    } cases[] = {
        {"{cluster: c1, mesh: ''}", "the WorkloadGroup's name"},
        {"{cluster: c1, mesh: '', group: {metadata: {name: g, namespace: 'a b'}}}", "namespace"},
        {"{cluster: \"c\\n1\", mesh: '', " OK_GROUP "}", "the name of the cluster"},
        {"{cluster: c1, revision: 'x y', mesh: '', " OK_GROUP "}", "the revision"},
        {"{cluster: c1, mesh: '[]', " OK_GROUP "}", "key mesh"},
        {"{cluster: c1, mesh: 'a: [', " OK_GROUP "}", "key mesh"},
        {"{cluster: c1, mesh: 'defaultConfig: 7', " OK_GROUP "}", "defaultConfig"},
        {"{cluster: c1, mesh: 'defaultConfig: {statusPort: x}', " OK_GROUP "}", "statusPort"},
        {"{cluster: c1, mesh: 'defaultConfig: {statusPort: 3000000000}', " OK_GROUP "}",
         "statusPort"},
        {"{cluster: c1, mesh: 'defaultConfig: {proxyMetadata: {A: true}}', " OK_GROUP "}",
         "proxyMetadata"},
        {"{cluster: c1, mesh: 'defaultConfig: {proxyMetadata: {\"A;id\": x}}', " OK_GROUP "}",
         "A;id"},
        {"{cluster: c1, mesh: 'defaultConfig: {proxyMetadata: {LD_PRELOAD: x}}', " OK_GROUP "}",
         "LD_PRELOAD"},
        {"{cluster: c1, mesh: 'defaultConfig: {proxyMetadata: {PATH: x}}', " OK_GROUP "}", "PATH"},
        {"{cluster: c1, mesh: 'defaultConfig: {drainDuration: 10}', " OK_GROUP "}",
         "drainDuration"},
        {"{cluster: c1, mesh: 'defaultConfig: {drainDuration: 10 s}', " OK_GROUP "}",
         "drainDuration"},
        {"{cluster: c1, mesh: 'defaultConfig: {tracing: {zipkin: {address: 1}}}', " OK_GROUP "}",
         "tracing.zipkin.address"},
        {"{cluster: c1, mesh: 'defaultConfig: {interceptionMode: X}', " OK_GROUP "}",
         "interceptionMode"},
        {"{cluster: c1, mesh: '', address: here.example, " OK_GROUP "}", "here.example"},
        {"{cluster: c1, mesh: '', internalIP: 1.2.3, " OK_GROUP "}", "1.2.3"},
        {"{cluster: c1, mesh: '', internalIP: 1.2.3.4, externalIP: 1.2.3.4, " OK_GROUP "}",
         "not both"},
        {"{cluster: c1, mesh: '', group: {metadata: {name: g, namespace: m}, spec: {template: "
         "{ports: {a: 70000}}}}}",
         "ports"},
        {"{cluster: c1, mesh: '', group: {metadata: {name: g, namespace: m}, spec: {probe: "
         "{httpGet: {port: -1}}}}}",
         "spec.probe"},
        {"{cluster: c1, mesh: '', group: {metadata: {name: g, namespace: m, annotations: "
         "{proxy.istio.io/config: 'concurrency: many'}}}}",
         "annotation"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct machine_bundle b = {.files[0].len = 7};
        auto_input in;
        input_parse(&in, cases[i].in);
        assert_int_equal(machine_bundle(&in.facts, &b, &err), -1);
        assert_int_equal(err.class, ERR_INVALID);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, cases[i].says);
        assert_int_equal(b.files[0].len, 7);
    }
}

static void test_secret_is_not_told(void **state)
{
    (void)state;
    auto_input in;
    static const char *const tokens[] = {"", "secret token", "secret\n", NULL};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        struct err err = {0};
        struct machine_bundle b = {0};
        input_parse(&in, "{cluster: c1, mesh: '', " OK_GROUP "}");
        in.facts.token = tokens[i];
        assert_int_equal(machine_bundle(&in.facts, &b, &err), -1);
        assert_null(strstr(err.msg, "secret"));
        if (i + 1 < sizeof tokens / sizeof *tokens)
            input_done(&in);
    }
}

static void test_no_root(void **state)
{
    (void)state;
    static const char *const roots[] = {"", "no pem", NULL};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        struct err err = {0};
        struct machine_bundle b = {0};
        auto_input in;
        input_parse(&in, "{cluster: c1, mesh: '', " OK_GROUP "}");
        in.facts.root_pem = roots[i];
        assert_int_equal(machine_bundle(&in.facts, &b, &err), -1);
        assert_non_null(strstr(err.msg, "istio-ca-root-cert"));
    }
}

static void test_many_addresses(void **state)
{
    (void)state;
    auto_buf text = BUF_INIT(TEXT_MAX);
    auto_input in;
    struct err err = {0};
    struct machine_bundle b = {0};
    input_parse(&in, "{cluster: c1, mesh: '', " OK_GROUP "}");
    for (int i = 0; i <= MACHINE_ADDRESSES_MAX; i++)
        buf_printf(&text, " 10.0.0.%d", i);
    in.facts.istiod_address = text.data;
    assert_int_equal(machine_bundle(&in.facts, &b, &err), -1);
    assert_non_null(strstr(err.msg, "16 addresses"));
}

static void test_names(void **state)
{
    (void)state;
    auto_free char *plain = machine_mesh_map(NULL), *named = machine_mesh_map("v2"),
                   *fallback = machine_mesh_map("default");
    assert_string_equal(plain, "istio");
    assert_string_equal(named, "istio-v2");
    assert_string_equal(fallback, "istio");
    assert_string_equal(machine_service_account(NULL), "default");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_mesh_reads_back),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_secret_is_not_told),
        cmocka_unit_test(test_no_root),
        cmocka_unit_test(test_many_addresses),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
