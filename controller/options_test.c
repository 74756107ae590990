/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"

enum { ARGS_MAX = 24, EXIT_USAGE = 64 };

/* Parses a command line of words separated by spaces, after "meshwright". line is cut up. */
static void parse(struct options *o, char *line)
{
    char *argv[ARGS_MAX + 2] = {(char[]){"meshwright"}}, *word;
    int argc = 1;
    while (argc <= ARGS_MAX && (word = strsep(&line, " ")))
        if (*word)
            argv[argc++] = word;
    options_parse(o, argc, argv);
}

/* The exit status of a process that parses line, and what it wrote. */
static int exits_with(const char *line, struct buf *out)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char copy[512];
        snprintf(copy, sizeof copy, "%s", line);
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        struct options o;
        parse(&o, copy);
        options_done(&o);
        _exit(200);
    }
    close(fds[1]);
    char chunk[512];
    for (ssize_t n; (n = read(fds[0], chunk, sizeof chunk)) > 0;)
        buf_append(out, chunk, (size_t)n);
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void defaults(void **state)
{
    (void)state;
    struct options o;
    char line[] = "";
    unsetenv("POD_NAMESPACE");
    parse(&o, line);
    assert_int_equal(o.command, OPTIONS_RUN);
    assert_null(o.kubeconfig);
    assert_null(o.namespace);
    assert_false(o.leader_elect);
    assert_string_equal(o.lease_namespace, "default");
    assert_string_equal(o.bind, ":8081");
    assert_string_equal(o.data_dir, "/usr/share/meshwright/istio-data");
    assert_string_equal(o.hub, "docker.io/istio");
    assert_null(o.tag);
    assert_int_equal(json_object_size(o.istiod_env), 0);
    assert_string_equal(o.log_level, "info");
    assert_int_equal(o.crash_after_writes, 0);
    assert_int_equal(o.cleanup_grace_s, 300);
    options_done(&o);
    assert_null(o.istiod_env);
}

static void everything_for_run(void **state)
{
    (void)state;
    struct options o;
    char line[] =
        "run --kubeconfig=hub.yaml --namespace fleet --leader-elect --lease-namespace sys "
        "--allow-local-members "
        "--metrics-bind-address 127.0.0.1:0 --data d --istio-tag 1.2.3";
    parse(&o, line);
    assert_int_equal(o.command, OPTIONS_RUN);
    assert_string_equal(o.kubeconfig, "hub.yaml");
    assert_string_equal(o.namespace, "fleet");
    assert_true(o.leader_elect);
    assert_true(o.allow_local_members);
    assert_string_equal(o.lease_namespace, "sys");
    assert_string_equal(o.bind, "127.0.0.1:0");
    assert_string_equal(o.data_dir, "d");
    assert_string_equal(o.tag, "1.2.3");
    options_done(&o);
    char rest[] = "--istio-hub h/i --istiod-env A=1 --istiod-env B_2=x=y --istiod-env A=2 "
                  "--log-level debug --crash-after-writes 7 --cleanup-grace 0 run";
    parse(&o, rest);
    assert_string_equal(o.hub, "h/i");
    assert_int_equal(json_object_size(o.istiod_env), 2);
    assert_string_equal(json_string_value(json_object_get(o.istiod_env, "A")), "2");
    assert_string_equal(json_string_value(json_object_get(o.istiod_env, "B_2")), "x=y");
    assert_string_equal(o.log_level, "debug");
    assert_int_equal(o.crash_after_writes, 7);
    assert_int_equal(o.cleanup_grace_s, 0);
    options_done(&o);
}

static void namespaces_from_the_environment(void **state)
{
    (void)state;
    const struct {
        const char *pod, *line, *namespace, *lease;
    } rows[] = {
        {"", "", NULL, "default"},
        {"pods", "", "pods", "pods"},
        {"pods", "--namespace fleet", "fleet", "pods"},
        {"", "--namespace fleet", "fleet", "fleet"},
        {"pods", "--lease-namespace sys", "pods", "sys"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[64];
        snprintf(line, sizeof line, "%s", rows[i].line);
        setenv("POD_NAMESPACE", rows[i].pod, 1);
        struct options o;
        parse(&o, line);
        if (rows[i].namespace)
            assert_string_equal(o.namespace, rows[i].namespace);
        else
            assert_null(o.namespace);
        assert_string_equal(o.lease_namespace, rows[i].lease);
        options_done(&o);
    }
    unsetenv("POD_NAMESPACE");
}

static void render_and_version(void **state)
{
    (void)state;
    struct options o;
    char all[] = "render -f dir";
    parse(&o, all);
    assert_int_equal(o.command, OPTIONS_RENDER);
    assert_string_equal(o.render_dir, "dir");
    assert_null(o.render_cluster);
    options_done(&o);
    char one[] = "--cluster c1 --filename=dir --istio-hub h render";
    parse(&o, one);
    assert_int_equal(o.command, OPTIONS_RENDER);
    assert_string_equal(o.render_cluster, "c1");
    assert_string_equal(o.hub, "h");
    options_done(&o);
    static const char *const versions[] = {"version", "--version"};
    for (size_t i = 0; i < 2; i++) {
        char line[16];
        snprintf(line, sizeof line, "%s", versions[i]);
        parse(&o, line);
        assert_int_equal(o.command, OPTIONS_VERSION);
        options_done(&o);
    }
}

static void vm_bundle(void **state)
{
    (void)state;
    struct options o;
    char least[] = "vm bundle billing -o -";
    parse(&o, least);
    assert_int_equal(o.command, OPTIONS_VM_BUNDLE);
    assert_string_equal(o.vm.name, "billing");
    assert_string_equal(o.vm.output, "-");
    assert_int_equal(o.vm.token_s, 0);
    assert_null(o.vm.cluster_kubeconfig);
    assert_false(o.vm.no_dns_capture || o.vm.no_auto_register);
    options_done(&o);
    char all[] = "--kubeconfig k vm --namespace fleet bundle b --output=d --token-ttl 600 "
                 "--cluster-kubeconfig c --istiod-address ::1 --internal-ip=10.0.0.1 "
                 "--no-dns-capture --no-autoregister";
    parse(&o, all);
    assert_string_equal(o.kubeconfig, "k");
    assert_string_equal(o.namespace, "fleet");
    assert_string_equal(o.vm.name, "b");
    assert_string_equal(o.vm.output, "d");
    assert_int_equal(o.vm.token_s, 600);
    assert_string_equal(o.vm.cluster_kubeconfig, "c");
    assert_string_equal(o.vm.istiod_address, "::1");
    assert_string_equal(o.vm.internal_ip, "10.0.0.1");
    assert_true(o.vm.no_dns_capture && o.vm.no_auto_register);
    options_done(&o);
}

static void usage_errors_say_what_to_do(void **state)
{
    (void)state;
    const struct {
        const char *line, *says;
    } rows[] = {
        {"reander", "use run (the default), render, vm or version"},
        {"run render", "there is one command"},
        {"render", "render needs -f DIR"},
        {"render -f d --leader-elect", "--leader-elect is of no use to render"},
        {"-f d", "meshwright render -f DIR"},
        {"--cluster c1", "--cluster belongs to render"},
        {"--metrics-bind-address 8081", "like :8081"},
        {"--metrics-bind-address :99999", "like :8081"},
        {"--log-level loud", "debug, info, warn or error"},
        {"--cleanup-grace 5m", "a number from 0 to 604800"},
        {"--cleanup-grace -1", "a number from 0 to 604800"},
        {"--crash-after-writes 99999999999", "a number from 0"},
        {"--namespace Fleet", "lower-case letters"},
        {"--namespace a/b", "lower-case letters"},
        {"--namespace=", "lower-case letters"},
        {"--lease-namespace -a", "--lease-namespace wants"},
        {"--istiod-env FOO", "wants NAME=VALUE"},
        {"--istiod-env =x", "wants NAME=VALUE"},
        {"--istiod-env 1A=x", "wants NAME=VALUE"},
        {"--istiod-env A=\xFF", "is not UTF-8"},
        {"--no-such-option", "unrecognized option"},
        {"vm", "meshwright vm bundle NAME -o DIR"},
        {"vm bundle", "meshwright vm bundle NAME -o DIR"},
        {"vm list", "unknown command 'vm list'"},
        {"vm bundle a", "needs -o DIR"},
        {"vm bundle A_b -o d", "lower-case letters"},
        {"vm bundle a b -o d", "there is one command"},
        {"vm bundle a -o d -f x", "--filename belongs to render"},
        {"vm bundle a -o d --leader-elect", "--leader-elect belongs to run"},
        {"vm bundle a -o d --token-ttl 60", "at least 600 seconds"},
        {"vm bundle a -o d --token-ttl 1h", "a number from 0 to 86400"},
        {"vm bundle a -o d --internal-ip host", "--internal-ip wants an IP address"},
        {"vm bundle a -o d --internal-ip 1.1.1.1 --external-ip ::1", "exclude each other"},
        {"-o d", "--output belongs to vm"},
        {"render -f d --token-ttl 600", "--token-ttl belongs to vm"},
        {"render -f d --kubeconfig k", "--kubeconfig is of no use to render"},
        {"--kubeconfig", "requires an argument"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        auto_buf out = BUF_INIT(4000);
        int status = exits_with(rows[i].line, &out);
        if (status != EXIT_USAGE || !out.data || !strstr(out.data, rows[i].says))
            fail_msg("'%s': exit %d: %s", rows[i].line, status, out.data ? out.data : "");
    }
}

static void a_bad_variable_is_not_repeated(void **state)
{
    (void)state;
    auto_buf out = BUF_INIT(4000);
    assert_int_equal(exits_with("--istiod-env s3cr3t", &out), EXIT_USAGE);
    assert_null(strstr(out.data, "s3cr3t"));
}

static void help_names_the_options(void **state)
{
    (void)state;
    auto_buf out = BUF_INIT(8000);
    assert_int_equal(exits_with("--help", &out), 0);
    assert_non_null(strstr(out.data, "--metrics-bind-address"));
    assert_non_null(strstr(out.data, "render -f DIR"));
    assert_null(strstr(out.data, "crash-after-writes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(everything_for_run),
        cmocka_unit_test(namespaces_from_the_environment),
        cmocka_unit_test(render_and_version),
        cmocka_unit_test(vm_bundle),
        cmocka_unit_test(usage_errors_say_what_to_do),
        cmocka_unit_test(a_bad_variable_is_not_repeated),
        cmocka_unit_test(help_names_the_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
