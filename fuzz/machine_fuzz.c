/* SPDX-License-Identifier: Apache-2.0 */
/* A member's objects, as YAML like testdata/machine's: whatever is in them, root's shell and /etc/hosts of a machine
 * get nothing that means more than a value. */
#include "machine/machine.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pki/pki.h"
#include "yaml/yaml.h"
#include "json/jx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *root_pem(void)
{
    static struct pki_pair root;
    if (!root.cert && pki_root_new("o", "root", 0, 4102444800, &root, NULL) < 0)
        abort();
    return root.cert;
}

/* Behind the value at s: bare characters and quoted pieces, as a shell reads them, until the line ends. */
static const char *skip_value(const char *s)
{
    while (*s && *s != '\n') {
        if (*s == '\'' || *s == '"') {
            const char *end = strchr(s + 1, *s);
            if (!end || (*s == '"' && end != s + 2)) /* of double quotes only "'" is ours */
                abort();
            s = end + 1;
        } else if (strchr("w@%+=:,./-", *s)) {
            s++;
        } else {
            abort();
        }
    }
    return s;
}

static void check_env(const char *s)
{
    while (*s) {
        size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
        if (n == 0 || s[n] != '=' || strncmp(s, "LD_", 3) == 0 || strncmp(s, "PATH=", 5) == 0)
            abort();
        s = skip_value(s + n + 1);
        if (*s++ != '\n')
            abort();
    }
}

static void check_hosts(const char *s)
{
    if (s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEF0123456789.:- \n")])
        abort();
}

static void check(const struct machine_bundle *b)
{
    const struct machine_file *mesh = machine_bundle_file(b, "mesh.yaml");
    auto_json *v = yaml_load(mesh->data, mesh->len, NULL);
    if (!v || !jx_str(v, "defaultConfig.proxyMetadata.SERVICE_ACCOUNT"))
        abort();
    check_env(machine_bundle_file(b, "cluster.env")->data);
    check_hosts(machine_bundle_file(b, "hosts")->data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_json *in = yaml_load((const char *)data, size, NULL);
    auto_machine_bundle b = {0};
    struct machine_facts f = {
        .group = jx_get(in, "group"),
        .mesh_yaml = jx_str(in, "mesh"),
        .root_pem = root_pem(),
        .token = "a.b.c",
        .cluster = jx_str(in, "cluster"),
        .revision = jx_str(in, "revision"),
        .istiod_address = jx_str(in, "address"),
        .internal_ip = jx_str(in, "internalIP"),
        .capture_dns = true,
    };
    if (machine_bundle(&f, &b, NULL) == 0)
        check(&b);
    return 0;
}
