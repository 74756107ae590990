/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/kubeconfig_server.h"
#include "pki/pki.h"
#include "json/jx.h"

enum { T0 = 1767225600, DAY = 86400 }; /* 2026-01-01 */

/* Credentials made once; the text of a case names them as %CA%, %CERT%, %KEY% (base64) or %DIR% (a folder). */
struct fixture {
    struct pki_pair ca, other;
    char dir[32];
};

static void write_file(const char *dir, const char *name, const char *text)
{
    auto_free char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    *state = f;
    if (pki_root_new("o", "ca", T0, T0 + DAY, &f->ca, NULL) < 0 ||
        pki_root_new("o", "other", T0, T0 + DAY, &f->other, NULL) < 0)
        return -1;
    snprintf(f->dir, sizeof f->dir, "/tmp/kubeconfig-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    write_file(f->dir, "ca.crt", f->ca.cert);
    write_file(f->dir, "key", f->ca.key);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    static const char *const parts[] = {"ca.crt",
                                        "key",
                                        "var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
                                        "var/run/secrets/kubernetes.io/serviceaccount/token",
                                        "var/run/secrets/kubernetes.io/serviceaccount/namespace",
                                        "var/run/secrets/kubernetes.io/serviceaccount",
                                        "var/run/secrets/kubernetes.io",
                                        "var/run/secrets",
                                        "var/run",
                                        "var",
                                        ""};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        auto_free char *path = xasprintf("%s/%s", f->dir, parts[i]);
        remove(path);
    }
    pki_pair_done(&f->ca);
    pki_pair_done(&f->other);
    free(f);
    return 0;
}

static void put_placeholder(const struct fixture *f, struct buf *b, const char *name, size_t n)
{
    const struct {
        const char *name, *text;
    } known[] = {
        {"CA", f->ca.cert}, {"CERT", f->ca.cert}, {"KEY", f->ca.key}, {"OTHER", f->other.key}};
    if (strncmp(name, "DIR", n) == 0) {
        buf_puts(b, f->dir);
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == n && strncmp(known[i].name, name, n) == 0) {
            auto_free char *b64 = jx_b64(known[i].text, strlen(known[i].text));
            buf_puts(b, b64);
            return;
        }
    fail_msg("no placeholder %.*s", (int)n, name);
}

static char *fill(const struct fixture *f, const char *text)
{
    struct buf b = BUF_INIT(1 << 20);
    for (const char *p; (p = strchr(text, '%')); text = strchr(p + 1, '%') + 1) {
        buf_append(&b, text, (size_t)(p - text));
        put_placeholder(f, &b, p + 1, strcspn(p + 1, "%"));
    }
    buf_puts(&b, text);
    return buf_take(&b);
}

#define HEAD    "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
#define CONTEXT "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
#define CLUSTER                                                                                    \
    "clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443', certificate-authority-data: " \
    "%CA%}}]\n"
#define USER        "users: [{name: u, user: {token: abc}}]\n"
#define SERVER(url) HEAD CONTEXT USER "clusters: [{name: c, cluster: {server: '" url "'}}]\n"
#define WITH_CLUSTER(fields)                                                                       \
    HEAD CONTEXT USER "clusters: [{name: c, cluster: {server: 'https://h', " fields "}}]\n"
#define WITH_USER(fields) HEAD CONTEXT CLUSTER "users: [{name: u, user: {" fields "}}]\n"
#define BESIDE(fields)                                                                             \
    HEAD CONTEXT CLUSTER "users: [{name: u, user: {token: abc}}, {name: admin, user: {" fields     \
                         "}}]\n"

struct refused {
    const char *text, *field;
};

/* Refused wherever they come from. */
static const struct refused refused_always[] = {
    {"", ""},
    {"{", ""},
    {"[]", ""},
    {"a: &x 1\nb: *x\n", ""},
    {"--- {}\n--- {}\n", ""},
    {"kind: Secret\n", "kind"},
    {"apiVersion: v2\n", "apiVersion"},
    {"kind: [Config]\n", "kind"},
    {CONTEXT CLUSTER USER, "current-context"},
    {"current-context: 7\n" CONTEXT CLUSTER USER, "current-context"},
    {"current-context: y\n" CONTEXT CLUSTER USER, "current-context"},
    {HEAD CLUSTER USER, "current-context"},
    {HEAD "contexts: {}\n" CLUSTER USER, "contexts"},
    {HEAD "contexts: [7]\n" CLUSTER USER, "contexts[0]"},
    {HEAD "contexts: [{context: {}}]\n" CLUSTER USER, "contexts[0].name"},
    {HEAD "contexts: [{name: x, context: 7}]\n" CLUSTER USER, "contexts[x].context"},
    {HEAD "contexts: [{name: x}]\n" CLUSTER USER, "contexts[x].context.cluster"},
    {HEAD "contexts: [{name: x, context: {cluster: q, user: u}}]\n" CLUSTER USER,
     "contexts[x].context.cluster"},
    {HEAD "contexts: [{name: x, context: {cluster: c, user: q}}]\n" CLUSTER USER,
     "contexts[x].context.user"},
    {HEAD "contexts: [{name: x, context: {cluster: c, user: u, namespace: ../x}}]\n" CLUSTER USER,
     "contexts[x].context.namespace"},
    {HEAD "contexts: [{name: x, context: {cluster: c, user: u}}, {name: x}]\n" CLUSTER USER,
     "contexts[x].context"},
    {HEAD CONTEXT USER "clusters: [{name: c, cluster: {}}]\n", "clusters[c].cluster.server"},
    {HEAD CONTEXT USER "clusters: [{name: c, cluster: {server: [a]}}]\n",
     "clusters[c].cluster.server"},
    {SERVER("10.0.0.1:6443"), "clusters[c].cluster.server"},
    {SERVER("ftp://h"), "clusters[c].cluster.server"},
    {SERVER("https://"), "clusters[c].cluster.server"},
    {SERVER("https://u:p@h"), "clusters[c].cluster.server"},
    {SERVER("https://h?x=1"), "clusters[c].cluster.server"},
    {SERVER("https://h/#f"), "clusters[c].cluster.server"},
    {SERVER("https://h:0"), "clusters[c].cluster.server"},
    {WITH_CLUSTER("insecure-skip-tls-verify: true"),
     "clusters[c].cluster.insecure-skip-tls-verify"},
    {WITH_CLUSTER("insecure-skip-tls-verify: 'true'"),
     "clusters[c].cluster.insecure-skip-tls-verify"},
    {WITH_CLUSTER("proxy-url: 'http://p'"), "clusters[c].cluster.proxy-url"},
    {WITH_CLUSTER("tls-server-name: 'a b'"), "clusters[c].cluster.tls-server-name"},
    {WITH_CLUSTER("certificate-authority-data: '!'"),
     "clusters[c].cluster.certificate-authority-data"},
    {WITH_CLUSTER("certificate-authority-data: Zm9v"),
     "clusters[c].cluster.certificate-authority-data"},
    {WITH_CLUSTER("certificate-authority-data: YQBi"),
     "clusters[c].cluster.certificate-authority-data"},
    {WITH_CLUSTER("certificate-authority-data: %KEY%"),
     "clusters[c].cluster.certificate-authority-data"},
    {WITH_USER("exec: {command: sh}"), "users[u].user.exec"},
    {WITH_USER("auth-provider: {name: oidc}"), "users[u].user.auth-provider"},
    {WITH_USER("username: admin"), "users[u].user.username"},
    {WITH_USER("password: secret-word"), "users[u].user.password"},
    {WITH_USER("token: abc, as: admin"), "users[u].user.as"},
    {WITH_USER("token: abc, as-uid: '1'"), "users[u].user.as-uid"},
    {WITH_USER("token: abc, as-groups: ['system:masters']"), "users[u].user.as-groups"},
    {WITH_USER("token: abc, as-user-extra: {a: [b]}"), "users[u].user.as-user-extra"},
    {WITH_USER("token: 123"), "users[u].user.token"},
    {WITH_USER("token: \"secret-word\\r\\nX-Evil: 1\""), "users[u].user.token"},
    {WITH_USER("token: \"a\\0b\""), "users[u].user.token"},
    {WITH_USER("client-certificate-data: %CERT%"), "users[u].user.client-key-data"},
    {WITH_USER("client-key-data: %KEY%"), "users[u].user.client-certificate-data"},
    {WITH_USER("client-certificate-data: %CERT%, client-key-data: %OTHER%"),
     "users[u].user.client-certificate-data"},
    {WITH_USER("client-certificate-data: %CERT%, client-key-data: '*'"),
     "users[u].user.client-key-data"},
    {HEAD CONTEXT CLUSTER "users: [{name: u, user: {token: a}}, {name: u, user: {token: b}}]\n",
     "users[u].user"},
    {HEAD CONTEXT CLUSTER "users: 7\n", "users"},
};

/* Refused from others; in our own file these are how things are done, or not looked at. */
static const struct refused refused_from_others[] = {
    {SERVER("http://10.0.0.1"), "clusters[c].cluster.server"},
    {SERVER("https://127.0.0.1:6443"), "clusters[c].cluster.server"},
    {SERVER("https://localhost"), "clusters[c].cluster.server"},
    {SERVER("https://169.254.169.254/latest"), "clusters[c].cluster.server"},
    {SERVER("https://[::1]:6443"), "clusters[c].cluster.server"},
    {WITH_CLUSTER("certificate-authority: %DIR%/ca.crt"),
     "clusters[c].cluster.certificate-authority"},
    {WITH_USER("tokenFile: /etc/token"), "users[u].user.tokenFile"},
    {WITH_USER("client-certificate: %DIR%/ca.crt, client-key: %DIR%/key"),
     "users[u].user.client-certificate"},
    {WITH_USER("client-certificate-data: %CERT%, client-key: %DIR%/key"),
     "users[u].user.client-key"},
    {WITH_USER(""), "users[u].user"},
    {HEAD "contexts: [{name: x, context: {cluster: c}}]\n" CLUSTER USER,
     "contexts[x].context.user"},
    {BESIDE("exec: {command: sh}"), "users[admin].user.exec"},
    {BESIDE("exec: 7"), "users[admin].user.exec"},
    {BESIDE("username: a"), "users[admin].user.username"},
    {HEAD CONTEXT USER "clusters: [{name: c, cluster: {server: 'https://h'}}, {name: d, cluster: "
                       "{server: 'http://h'}}]\n",
     "clusters[d].cluster.server"},
    {HEAD CONTEXT USER
     "clusters: [{name: c, cluster: {server: 'https://h'}}, {cluster: {server: 'http://h'}}]\n",
     "clusters[1].name"},
    {HEAD CONTEXT CLUSTER "users: [{name: u, user: {token: a}}, {name: \"e\\evil\\n\u263a\", user: "
                          "{exec: {}, as: x}}]\n",
     "users[e?vil????].user.as"},
};

static void assert_refused(const struct fixture *f, const struct refused *c,
                           enum kubeconfig_trust trust)
{
    auto_free char *text = fill(f, c->text);
    char field[KUBECONFIG_FIELD_MAX] = "stale";
    struct err err = {0};
    struct kube_config out = {.server = text};
    if (kubeconfig_load(text, strlen(text), trust, &out, field, &err) == 0)
        fail_msg("accepted (trust %d):\n%s", trust, text);
    if (strcmp(field, c->field) != 0)
        fail_msg("field %s instead of %s (%s):\n%s", field, c->field, err.msg, text);
    assert_int_equal(err.class, ERR_INVALID);
    assert_ptr_equal(out.server, text); /* not touched */
    assert_null(strstr(err.msg, "secret-word"));
    for (const char *p = err.msg; *p; p++)
        assert_true(*p >= 0x20 && *p < 0x7f);
}

static void test_refused(void **state)
{
    for (size_t i = 0; i < sizeof refused_always / sizeof *refused_always; i++) {
        assert_refused(*state, &refused_always[i], KUBECONFIG_OWN);
        assert_refused(*state, &refused_always[i], KUBECONFIG_MEMBER);
    }
    for (size_t i = 0; i < sizeof refused_from_others / sizeof *refused_from_others; i++)
        assert_refused(*state, &refused_from_others[i], KUBECONFIG_MEMBER);
}

static struct kube_config load(const struct fixture *f, const char *text,
                               enum kubeconfig_trust trust)
{
    auto_free char *filled = fill(f, text);
    struct kube_config c = {0};
    char field[KUBECONFIG_FIELD_MAX];
    struct err err = {0};
    if (kubeconfig_load(filled, strlen(filled), trust, &c, field, &err) < 0)
        fail_msg("%s (%s):\n%s", err.msg, field, filled);
    return c;
}

static void test_token(void **state)
{
    auto_kube_config c = load(*state, HEAD CONTEXT CLUSTER USER, KUBECONFIG_MEMBER);
    const struct fixture *f = *state;
    assert_string_equal(c.server, "https://10.0.0.1:6443");
    assert_string_equal(c.ca, f->ca.cert);
    assert_string_equal(c.token, "abc");
    assert_null(c.tls_server_name);
    assert_null(c.client_cert);
    assert_null(c.namespace);
}

static void test_client_certificate(void **state)
{
    auto_kube_config c =
        load(*state, WITH_USER("client-certificate-data: %CERT%, client-key-data: %KEY%"),
             KUBECONFIG_MEMBER);
    const struct fixture *f = *state;
    assert_string_equal(c.client_cert, f->ca.cert);
    assert_string_equal(c.client_key, f->ca.key);
    assert_null(c.token);
    assert_int_equal(kube_config_expiry(&c), T0 + DAY);
}

static void test_harmless(void **state)
{
    static const char text[] =
        "preferences: {}\nextensions: [{name: e}]\nfuture: true\ncurrent-context: b\n"
        "contexts:\n- {name: a, context: {cluster: gone, user: gone}}\n"
        "- {name: b, context: {cluster: c, user: u, namespace: team-1, extensions: []}}\n"
        "clusters:\n- name: c\n  cluster:\n    server: HTTPS://api.example.com/prefix//\n    "
        "insecure-skip-tls-verify: false\n"
        "    proxy-url: ''\n    certificate-authority: ''\n    tls-server-name: inner.example\n    "
        "disable-compression: true\n"
        "users:\n- name: u\n  user: {token: abc, exec: null, as: '', as-groups: [], username: '', "
        "tokenFile: ''}\n";
    auto_kube_config c = load(*state, text, KUBECONFIG_MEMBER);
    assert_string_equal(c.server, "HTTPS://api.example.com/prefix");
    assert_string_equal(c.tls_server_name, "inner.example");
    assert_string_equal(c.namespace, "team-1");
    assert_null(c.token_file);
    assert_null(c.ca);
}

static void test_json_with_tabs(void **state)
{
    static const char text[] =
        "\n{\n\t\"current-context\": \"x\",\n\t\"contexts\": [{\"name\": \"x\", \"context\": "
        "{\"cluster\": "
        "\"c\", \"user\": \"u\"}}],\n\t\"clusters\": [{\"name\": \"c\", \"cluster\": {\"server\": "
        "\"https://h\"}}],\n\t\"users\": [{\"name\": \"u\", \"user\": {\"token\": \"t\"}}]\n}\n";
    auto_kube_config c = load(*state, text, KUBECONFIG_MEMBER);
    assert_string_equal(c.token, "t");
}

static void test_own_files(void **state)
{
    const struct fixture *f = *state;
    auto_kube_config c =
        load(f,
             HEAD CONTEXT
             "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:6443', "
             "certificate-authority: %DIR%/ca.crt}}]\n"
             "users: [{name: u, user: {client-certificate: %DIR%/ca.crt, client-key: %DIR%/key, "
             "tokenFile: /run/token}}]\n",
             KUBECONFIG_OWN);
    assert_string_equal(c.ca, f->ca.cert);
    assert_string_equal(c.client_key, f->ca.key);
    assert_string_equal(c.token_file, "/run/token");
    auto_kube_config anonymous =
        load(f,
             HEAD "contexts: [{name: x, context: {cluster: c}}]\n"
                  "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:8001'}}]\n",
             KUBECONFIG_OWN);
    assert_null(anonymous.token);
    auto_kube_config beside = load(f, BESIDE("exec: {command: aws}"), KUBECONFIG_OWN);
    assert_string_equal(beside.token, "abc");
}

static void test_own_files_that_fail(void **state)
{
    static const struct refused cases[] = {
        {WITH_CLUSTER("certificate-authority: relative.crt"),
         "clusters[c].cluster.certificate-authority"},
        {WITH_CLUSTER("certificate-authority: %DIR%/missing"),
         "clusters[c].cluster.certificate-authority"},
        {WITH_CLUSTER("certificate-authority: %DIR%"), "clusters[c].cluster.certificate-authority"},
        {WITH_CLUSTER("certificate-authority: /dev/zero"),
         "clusters[c].cluster.certificate-authority"},
        {WITH_USER("tokenFile: relative"), "users[u].user.tokenFile"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(*state, &cases[i], KUBECONFIG_OWN);
}

static void test_too_large(void **state)
{
    (void)state;
    enum { BIG = 1048577 };
    auto_free char *big = xmalloc(BIG);
    memset(big, '#', BIG);
    struct kube_config c = {0};
    struct err err = {0};
    assert_int_equal(kubeconfig_load(big, BIG, KUBECONFIG_MEMBER, &c, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "too large"));
}

/* Every spelling of the addresses that a member's file must not reach. */
static void test_server_addresses(void **state)
{
    (void)state;
    static const char *const dangerous[] = {
        "https://127.0.0.1",
        "https://127.1",
        "https://0x7f000001",
        "https://2130706433",
        "https://017700000001",
        "https://0177.0.0.1:443",
        "https://127.0.0.1./",
        "https://0.0.0.0",
        "https://0",
        "https://LOCALHOST",
        "https://localhost.",
        "https://a.localhost",
        "https://169.254.169.254",
        "https://[::]",
        "https://[::1]",
        "https://[fe80::1]",
        "https://[febf::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:a9fe:a9fe]",
        "https://[64:ff9b::7f00:1]",
        "https://[::127.0.0.1]",
        "https://[fd00:ec2::254]",
        "https://100.100.100.200",
        "https://168.63.129.16",
        "https://metadata.google.internal",
        "http://10.0.0.1",
    };
    for (size_t i = 0; i < sizeof dangerous / sizeof *dangerous; i++) {
        if (!kubeconfig_server_problem(dangerous[i], KUBECONFIG_SERVER_MEMBER))
            fail_msg("accepted: %s", dangerous[i]);
        assert_null(kubeconfig_server_problem(dangerous[i], KUBECONFIG_SERVER_OWN));
    }
    static const char *const local[] = {"https://127.0.0.1:6443/clusters/a", "https://localhost:1",
                                        "https://[::1]", "https://127.9.9.9"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        assert_null(kubeconfig_server_problem(local[i], KUBECONFIG_SERVER_MEMBER_LOCAL));
    static const char *const not_local[] = {"https://169.254.169.254", "https://[fe80::1]",
                                            "http://127.0.0.1", "https://0.0.0.0",
                                            "https://metadata.google.internal"};
    for (size_t i = 0; i < sizeof not_local / sizeof *not_local; i++)
        assert_non_null(kubeconfig_server_problem(not_local[i], KUBECONFIG_SERVER_MEMBER_LOCAL));
    static const char *const fine[] = {
        "https://10.0.0.1",
        "https://10.0.0.1:6443/",
        "https://api.example.com/k8s/clusters/c-1",
        "https://[fd00::1]:6443",
        "https://h",
        "https://128.0.0.1",
        "https://169.253.0.1",
        "https://mylocalhost",
        "https://localhost.example.com",
        "https://h/a@b",
        "https://h:65535",
    };
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        if (kubeconfig_server_problem(fine[i], KUBECONFIG_SERVER_MEMBER))
            fail_msg("%s: %s", fine[i],
                     kubeconfig_server_problem(fine[i], KUBECONFIG_SERVER_MEMBER));
    static const char *const broken[] = {
        "https://h:65536",    "https://h:",   "https://h:1x",
        "https://h:00000443", "https://[::1", "https://[fe80::1%25eth0]",
        "https://[]",         "https://:443", "https://a b",
        "https://h\\x",       "https://h/\n", "https://h/../x",
        "https://\u00e9",     "https://%31",  "https://[::1]x",
        "https:/h",           "://h",         "https://@h",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        if (!kubeconfig_server_problem(broken[i], KUBECONFIG_SERVER_OWN))
            fail_msg("accepted: %s", broken[i]);
}

static void make_folders(const char *path)
{
    auto_free char *p = xstrdup(path);
    for (char *at = strchr(p + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(p, 0700);
        *at = '/';
    }
    mkdir(p, 0700);
}

static void test_in_cluster(void **state)
{
    const struct fixture *f = *state;
    struct kube_config c = {0};
    struct err err = {0};
    unsetenv("KUBERNETES_SERVICE_HOST");
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_int_equal(kube_config_in_cluster(f->dir, &c, &err), -1);
    assert_non_null(strstr(err.msg, "not in a pod"));
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    assert_int_equal(kube_config_in_cluster(f->dir, &c, &err), -1);
    assert_non_null(strstr(err.msg, "token"));
    auto_free char *folder = xasprintf("%s/var/run/secrets/kubernetes.io/serviceaccount", f->dir);
    make_folders(folder);
    write_file(folder, "token", "abc\n");
    assert_int_equal(kube_config_in_cluster(f->dir, &c, &err), -1);
    assert_non_null(strstr(err.msg, "ca.crt"));
    write_file(folder, "ca.crt", f->ca.cert);
    write_file(folder, "namespace", "meshwright\n");
    assert_int_equal(kube_config_in_cluster(f->dir, &c, &err), 0);
    assert_string_equal(c.server, "https://[fd00::1]:443");
    assert_string_equal(c.namespace, "meshwright");
    assert_string_equal(c.ca, f->ca.cert);
    assert_null(c.token);
    assert_true(str_ends(c.token_file, "serviceaccount/token"));
    assert_int_equal(kube_config_expiry(&c), 0);
    kube_config_done(&c);
    setenv("KUBERNETES_SERVICE_HOST", "a b", 1);
    assert_int_equal(kube_config_in_cluster(f->dir, &c, &err), -1);
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
}

static char *jwt(const char *claims)
{
    auto_free char *b64 = jx_b64(claims, strlen(claims));
    for (char *p = b64; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    b64[strcspn(b64, "=")] = '\0';
    return xasprintf("eyJhbGciOiJub25lIn0.%s.c2ln", b64);
}

static void test_expiry(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *claims;
        int64_t exp;
    } cases[] = {
        {"{\"exp\":1800000000}", 1800000000},
        {"{\"exp\":1800000000,\"sub\":\"a\"}", 1800000000},
        {"{\"sub\":\"\u00ff\u00fe?>~\",\"exp\":5}", 5},
        {"{}", 0},
        {"{\"exp\":\"1800000000\"}", 0},
        {"{\"exp\":-1}", 0},
        {"[1]", 0},
        {"junk", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_kube_config c = {.token = jwt(cases[i].claims)};
        assert_int_equal(kube_config_expiry(&c), cases[i].exp);
    }
    static const char *const opaque[] = {"", "abc", "a.b", "a.!!.c", "..", "a..c"};
    for (size_t i = 0; i < sizeof opaque / sizeof *opaque; i++) {
        auto_kube_config c = {.token = xstrdup(opaque[i])};
        assert_int_equal(kube_config_expiry(&c), 0);
    }
    auto_kube_config both = {.token = jwt("{\"exp\":1767225601}"),
                             .client_cert = xstrdup(f->ca.cert)};
    assert_int_equal(kube_config_expiry(&both), 1767225601);
    auto_kube_config later = {.token = jwt("{\"exp\":1900000000}"),
                              .client_cert = xstrdup(f->ca.cert)};
    assert_int_equal(kube_config_expiry(&later), T0 + DAY);
    const struct kube_config none = {0};
    assert_int_equal(kube_config_expiry(&none), 0);
}

static void test_from_secret(void **state)
{
    (void)state;
    static const char text[] =
        "{\"current-context\": \"c\", \"contexts\": [{\"name\": \"c\", \"context\": {\"cluster\": "
        "\"k\", \"user\": \"u\"}}], \"clusters\": [{\"name\": \"k\", \"cluster\": {\"server\": "
        "\"https://k.example\"}}], \"users\": [{\"name\": \"u\", \"user\": {\"token\": \"t\"}}]}";
    auto_free char *good = jx_b64(text, strlen(text)), *bad = jx_b64("x: [", 4);
    auto_json *secret = json_pack("{s:{s:s, s:s, s:s}}", "data", "value.yaml", good, "kubeconfig",
                                  bad, "other", bad);
    char field[KUBECONFIG_FIELD_MAX];
    struct err err = {0};
    auto_kube_config c = {0};
    assert_int_equal(kubeconfig_from_secret(secret, NULL, KUBECONFIG_MEMBER, &c, field, &err), 0);
    assert_string_equal(c.server, "https://k.example");
    struct kube_config none = {0};
    assert_int_equal(kubeconfig_from_secret(secret, "other", KUBECONFIG_MEMBER, &none, field, &err),
                     -1);
    assert_int_equal(err.class, ERR_INVALID);
    assert_int_equal(kubeconfig_from_secret(secret, "value", KUBECONFIG_MEMBER, &none, NULL, &err),
                     -1);
    assert_int_equal(err.class, ERR_NOT_FOUND);
    assert_int_equal(kubeconfig_from_secret(NULL, NULL, KUBECONFIG_MEMBER, &none, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "value.yaml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_secret), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_token),       cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_harmless),    cmocka_unit_test(test_json_with_tabs),
        cmocka_unit_test(test_own_files),   cmocka_unit_test(test_own_files_that_fail),
        cmocka_unit_test(test_too_large),   cmocka_unit_test(test_server_addresses),
        cmocka_unit_test(test_in_cluster),  cmocka_unit_test(test_expiry),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
