/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <argp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cidr.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    KEY_NAMESPACE = 0x100,
    KEY_KUBECONFIG,
    KEY_LEADER_ELECT,
    KEY_LEASE_NAMESPACE,
    KEY_BIND,
    KEY_CLEANUP_GRACE,
    KEY_LOCAL,
    KEY_CRASH,
    KEY_CLUSTER,
    KEY_DATA,
    KEY_HUB,
    KEY_TAG,
    KEY_ENV,
    KEY_LOG_LEVEL,
    KEY_VERSION,
    KEY_CLUSTER_KUBECONFIG,
    KEY_TOKEN_TTL,
    KEY_ISTIOD_ADDRESS,
    KEY_INTERNAL_IP,
    KEY_EXTERNAL_IP,
    KEY_NO_DNS,
    KEY_NO_REGISTER,
    KEY_FILE = 'f',
    KEY_OUTPUT = 'o',
};

enum { NAMESPACE_MAX = 63, GRACE_MAX_S = 7 * 24 * 3600, TOKEN_MIN_S = 600, TOKEN_MAX_S = 86400 };

static const struct argp_option argp_options[] = {
    {NULL, 0, NULL, 0, "Running:", 1},
    {"kubeconfig", KEY_KUBECONFIG, "FILE", 0, "The hub cluster's kubeconfig (default: in cluster)",
     0},
    {"namespace", KEY_NAMESPACE, "NS", 0,
     "Where our resources live (default: $POD_NAMESPACE, else all namespaces)", 0},
    {"leader-elect", KEY_LEADER_ELECT, NULL, 0, "Work only while holding the Lease", 0},
    {"lease-namespace", KEY_LEASE_NAMESPACE, "NS", 0,
     "Where the Lease lives (default: $POD_NAMESPACE, else --namespace, else default)", 0},
    {"metrics-bind-address", KEY_BIND, "[HOST]:PORT", 0,
     "Where to serve /healthz, /readyz and /metrics (default :8081; 0 = nowhere)", 0},
    {"cleanup-grace", KEY_CLEANUP_GRACE, "SECONDS", 0,
     "How long a deletion waits for a cluster that is gone (default 300)", 0},
    {"allow-local-members", KEY_LOCAL, NULL, 0,
     "Accept members whose API server is on this machine (127.0.0.0/8, ::1, localhost)", 0},
    {"crash-after-writes", KEY_CRASH, "K", OPTION_HIDDEN, NULL, 0},
    {NULL, 0, NULL, 0, "Rendering:", 2},
    {"filename", KEY_FILE, "DIR", 0, "Folder with our resources as YAML", 0},
    {"cluster", KEY_CLUSTER, "NAME", 0, "Only the objects of this cluster (default: all)", 0},
    {NULL, 0, NULL, 0,
     "Bundles for machines (with --kubeconfig, --namespace, --allow-local-members):", 3},
    {"output", KEY_OUTPUT, "DIR|-", 0, "A folder to make, or - for a tar archive", 0},
    {"token-ttl", KEY_TOKEN_TTL, "SECONDS", 0,
     "Life of the token (default: the WorkloadGroup's tokenTTLSeconds)", 0},
    {"cluster-kubeconfig", KEY_CLUSTER_KUBECONFIG, "FILE", 0,
     "Your own access to the cluster the machines attach to (default: the MemberCluster's)", 0},
    {"istiod-address", KEY_ISTIOD_ADDRESS, "IP", 0,
     "Where the machines reach istiod (default: its cluster's east-west gateway)", 0},
    {"internal-ip", KEY_INTERNAL_IP, "IP", 0, "The machine's address (default: it finds out)", 0},
    {"external-ip", KEY_EXTERNAL_IP, "IP", 0,
     "The machine's address, where it is not one of its own (NAT)", 0},
    {"no-dns-capture", KEY_NO_DNS, NULL, 0, "The agent leaves the machine's DNS alone", 0},
    {"no-autoregister", KEY_NO_REGISTER, NULL, 0, "You make the WorkloadEntry yourself", 0},
    {NULL, 0, NULL, 0, "All:", 4},
    {"data", KEY_DATA, "DIR", 0, "Istio's CRDs (default /usr/share/meshwright/istio-data)", 0},
    {"istio-hub", KEY_HUB, "HUB", 0, "Registry of Istio's images (default docker.io/istio)", 0},
    {"istio-tag", KEY_TAG, "TAG", 0, "Tag of Istio's images (default: the mesh's version)", 0},
    {"istiod-env", KEY_ENV, "NAME=VALUE", 0, "A variable more for istiod; may be repeated", 0},
    {"log-level", KEY_LOG_LEVEL, "LEVEL", 0, "debug, info, warn or error (default info)", 0},
    {"version", KEY_VERSION, NULL, 0, "Print the version", -1},
    {0},
};

struct parsing {
    struct options *o;
    bool have_command, vm; /* vm: "vm" was read, "bundle" is next */
    /* An option given that only this command knows; of_live: run or vm. */
    const char *of_run, *of_render, *of_vm, *of_live;
};

static int number(struct argp_state *state, const char *name, const char *arg, int max)
{
    int64_t v = 0;
    if (str_to_i64(arg, 0, max, &v) < 0)
        argp_error(state, "--%s wants a number from 0 to %d, not '%s'", name, max, arg);
    return (int)v;
}

/* A DNS label, as the API server wants it: found here, the mistake is told before any request. */
static const char *namespace(struct argp_state *state, const char *name, const char *arg)
{
    size_t n = strspn(arg, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (n == 0 || n > NAMESPACE_MAX || arg[n] || *arg == '-' || arg[n - 1] == '-')
        argp_error(state,
                   "--%s wants the name of a namespace (lower-case letters, digits and '-'), "
                   "not '%s'",
                   name, arg);
    return arg;
}

static const char *bind_address(struct argp_state *state, const char *arg)
{
    const char *colon = strrchr(arg, ':');
    int64_t port;
    if (!str_eq(arg, "0") && (!colon || str_to_i64(colon + 1, 0, 65535, &port) < 0))
        argp_error(state,
                   "--metrics-bind-address wants [HOST]:PORT like :8081 or 127.0.0.1:8081, or 0 "
                   "to serve nothing, not '%s'",
                   arg);
    return arg;
}

static const char *log_level(struct argp_state *state, const char *arg)
{
    enum log_level level;
    if (log_level_parse(arg, &level) < 0)
        argp_error(state, "--log-level wants debug, info, warn or error, not '%s'", arg);
    return arg;
}

/* The value may be a secret by mistake: it is not repeated in the message. */
static void istiod_env(struct argp_state *state, json_t *env, const char *arg)
{
    size_t n = strspn(arg, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    if (n == 0 || arg[n] != '=' || (*arg >= '0' && *arg <= '9'))
        argp_error(state,
                   "--istiod-env wants NAME=VALUE, like --istiod-env PILOT_TRACE_SAMPLING=1");
    auto_free char *name = xstrndup(arg, n);
    if (json_object_set_new(env, name, json_string(arg + n + 1)) < 0)
        argp_error(state, "the value of --istiod-env %s is not UTF-8 text: set it anew", name);
}

static const char *ip_address(struct argp_state *state, const char *name, const char *arg)
{
    if (!cidr_address_family(arg))
        argp_error(state, "--%s wants an IP address, not '%s'", name, arg);
    return arg;
}

static void set_command(struct argp_state *state, struct parsing *p, const char *word)
{
    if (p->o->command == OPTIONS_VM_BUNDLE && !p->o->vm.name) {
        p->o->vm.name = namespace(state, "vm bundle", word);
        return;
    }
    if (p->vm && p->o->command != OPTIONS_VM_BUNDLE) {
        if (!str_eq(word, "bundle"))
            argp_error(state, "unknown command 'vm %s': use vm bundle NAME -o DIR", word);
        p->o->command = OPTIONS_VM_BUNDLE;
        return;
    }
    if (p->have_command)
        argp_error(state, "unexpected argument '%s': there is one command, and all else is options",
                   word);
    p->have_command = true;
    if (str_eq(word, "run"))
        p->o->command = OPTIONS_RUN;
    else if (str_eq(word, "render"))
        p->o->command = OPTIONS_RENDER;
    else if (str_eq(word, "version"))
        p->o->command = OPTIONS_VERSION;
    else if (str_eq(word, "vm"))
        p->vm = true;
    else
        argp_error(state, "unknown command '%s': use run (the default), render, vm or version",
                   word);
}

static void finish_vm(struct argp_state *state, const struct parsing *p)
{
    const struct options_vm *v = &p->o->vm;
    if (!v->name)
        argp_error(state, "vm wants: meshwright vm bundle NAME -o DIR");
    if (!v->output)
        argp_error(state, "vm bundle needs -o DIR, or -o - for a tar archive");
    if (p->of_run)
        argp_error(state, "--%s belongs to run: leave it out", p->of_run);
    if (v->internal_ip && v->external_ip)
        argp_error(state, "--internal-ip and --external-ip exclude each other");
}

static void finish(struct argp_state *state, const struct parsing *p)
{
    const struct options *o = p->o;
    if (o->command == OPTIONS_RENDER && !o->render_dir)
        argp_error(state, "render needs -f DIR, the folder with our resources as YAML");
    if (o->command == OPTIONS_RENDER && (p->of_run || p->of_live))
        argp_error(state, "--%s is of no use to render, which talks to no cluster: leave it out",
                   p->of_run ? p->of_run : p->of_live);
    if (o->command != OPTIONS_RENDER && o->command != OPTIONS_VERSION && p->of_render)
        argp_error(state, "--%s belongs to render: meshwright render -f DIR", p->of_render);
    if (o->command != OPTIONS_VM_BUNDLE && p->of_vm)
        argp_error(state, "--%s belongs to vm: meshwright vm bundle NAME -o DIR", p->of_vm);
    if (p->vm)
        finish_vm(state, p);
}

/* Of the commands that talk to the hub. */
static bool parse_live_option(int key, char *arg, struct argp_state *state, struct options *o)
{
    switch (key) {
    case KEY_KUBECONFIG:
        o->kubeconfig = arg;
        return true;
    case KEY_NAMESPACE:
        o->namespace = namespace(state, "namespace", arg);
        return true;
    case KEY_LOCAL:
        o->allow_local_members = true;
        return true;
    default:
        return false;
    }
}

static bool parse_vm_option(int key, char *arg, struct argp_state *state, struct options_vm *v)
{
    switch (key) {
    case KEY_OUTPUT:
        v->output = arg;
        return true;
    case KEY_TOKEN_TTL:
        v->token_s = number(state, "token-ttl", arg, TOKEN_MAX_S);
        if (v->token_s < TOKEN_MIN_S)
            argp_error(state, "--token-ttl wants at least %d seconds", TOKEN_MIN_S);
        return true;
    case KEY_CLUSTER_KUBECONFIG:
        v->cluster_kubeconfig = arg;
        return true;
    case KEY_ISTIOD_ADDRESS:
        v->istiod_address = ip_address(state, "istiod-address", arg);
        return true;
    case KEY_INTERNAL_IP:
        v->internal_ip = ip_address(state, "internal-ip", arg);
        return true;
    case KEY_EXTERNAL_IP:
        v->external_ip = ip_address(state, "external-ip", arg);
        return true;
    case KEY_NO_DNS:
        return v->no_dns_capture = true;
    case KEY_NO_REGISTER:
        return v->no_auto_register = true;
    default:
        return false;
    }
}

static bool parse_run_option(int key, char *arg, struct argp_state *state, struct options *o)
{
    switch (key) {
    case KEY_LEADER_ELECT:
        o->leader_elect = true;
        return true;
    case KEY_LEASE_NAMESPACE:
        o->lease_namespace = namespace(state, "lease-namespace", arg);
        return true;
    case KEY_BIND:
        o->bind = bind_address(state, arg);
        return true;
    case KEY_CLEANUP_GRACE:
        o->cleanup_grace_s = number(state, "cleanup-grace", arg, GRACE_MAX_S);
        return true;
    case KEY_CRASH:
        o->crash_after_writes = number(state, "crash-after-writes", arg, INT_MAX);
        return true;
    default:
        return false;
    }
}

static bool parse_render_option(int key, char *arg, struct options *o)
{
    switch (key) {
    case KEY_FILE:
        o->render_dir = arg;
        return true;
    case KEY_CLUSTER:
        o->render_cluster = arg;
        return true;
    default:
        return false;
    }
}

static bool parse_common_option(int key, char *arg, struct argp_state *state, struct options *o)
{
    switch (key) {
    case KEY_DATA:
        o->data_dir = arg;
        return true;
    case KEY_HUB:
        o->hub = arg;
        return true;
    case KEY_TAG:
        o->tag = arg;
        return true;
    case KEY_ENV:
        istiod_env(state, o->istiod_env, arg);
        return true;
    case KEY_LOG_LEVEL:
        o->log_level = log_level(state, arg);
        return true;
    default:
        return false;
    }
}

static const char *option_name(int key)
{
    const struct argp_option *a = argp_options;
    while (a->key != key)
        a++;
    return a->name;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *p = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        set_command(state, p, arg);
        return 0;
    case ARGP_KEY_END:
        finish(state, p);
        return 0;
    case KEY_VERSION:
        set_command(state, p, "version");
        return 0;
    default:
        break;
    }
    if (parse_common_option(key, arg, state, p->o))
        return 0;
    if (parse_run_option(key, arg, state, p->o))
        p->of_run = option_name(key);
    else if (parse_live_option(key, arg, state, p->o))
        p->of_live = option_name(key);
    else if (parse_vm_option(key, arg, state, &p->o->vm))
        p->of_vm = option_name(key);
    else if (parse_render_option(key, arg, p->o))
        p->of_render = option_name(key);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

void options_parse(struct options *o, int argc, char **argv)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse_option,
        .args_doc = "[run]\nrender -f DIR\nvm bundle NAME -o DIR|-\nversion",
        .doc = "Builds and keeps Istio meshes over several clusters, from custom resources in a "
               "hub cluster.\v"
               "run (the default) reconciles until SIGTERM. render writes what would be applied "
               "to standard output and talks to no cluster. vm bundle makes the files with which "
               "machines of a WorkloadGroup join its mesh, and the token among them.",
    };
    *o = (struct options){
        .bind = ":8081",
        .data_dir = "/usr/share/meshwright/istio-data",
        .hub = "docker.io/istio",
        .log_level = "info",
        .cleanup_grace_s = 300,
        .istiod_env = json_object(),
    };
    struct parsing p = {.o = o};
    argp_parse(&argp, argc, argv, 0, NULL, &p);
    const char *pod = getenv("POD_NAMESPACE");
    if (pod && !*pod)
        pod = NULL;
    if (!o->namespace)
        o->namespace = pod;
    if (!o->lease_namespace)
        o->lease_namespace = str_or(pod, str_or(o->namespace, "default"));
}

void options_done(struct options *o)
{
    json_decref(o->istiod_env);
    *o = (struct options){0};
}
