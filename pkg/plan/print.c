/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

#include "plan/plan.h"
#include "yaml/yaml.h"
#include "json/jx.h"

#define REDACTED "<redacted>"

static const char *const cacerts_keys[] = {"ca-cert.pem", "ca-key.pem", "cert-chain.pem",
                                           "root-cert.pem", NULL};

/* jansson iterates over json_t *, also where nothing is changed. */
static json_t *unconst(const json_t *v)
{
    return (json_t *)(uintptr_t)v;
}

/* A copy of a Secret's map with the keys alone. */
static json_t *redact(const json_t *data)
{
    json_t *out = json_object();
    const char *key;
    json_t *v;
    json_object_foreach (unconst(data), key, v)
        json_object_set_new(out, key, json_string(REDACTED));
    return out;
}

static json_t *generated_data(const struct plan_object *o)
{
    json_t *out = json_object();
    if (o->content == PLAN_REMOTE_SECRET) {
        json_object_set_new(out, o->peer,
                            json_sprintf("<generated: kubeconfig for cluster %s>", o->peer));
        return out;
    }
    if (o->content == PLAN_TLS_SECRET) {
        json_object_set_new(out, "tls.crt", json_sprintf("<copy of the hub's Secret %s>", o->peer));
        json_object_set_new(out, "tls.key", json_sprintf("<copy of the hub's Secret %s>", o->peer));
        return out;
    }
    for (const char *const *k = cacerts_keys; *k; k++)
        json_object_set_new(out, *k, json_string("<generated: this cluster's intermediate>"));
    return out;
}

/* What may be seen of an object: a shallow copy, the body itself is not touched. */
static json_t *printable(const struct plan_object *o)
{
    json_t *out = json_copy(o->body);
    if (strcmp(o->gvr->kind, "Secret") == 0) {
        static const char *const maps[] = {"data", "stringData", NULL};
        for (const char *const *m = maps; *m; m++)
            if (json_object_get(out, *m))
                json_object_set_new(out, *m, redact(json_object_get(out, *m)));
    }
    if (o->content != PLAN_PLAIN && o->content != PLAN_FILE)
        json_object_set_new(out, "data", generated_data(o));
    if (o->content == PLAN_FILE)
        json_object_set_new(out, "spec", json_sprintf("<file: %s>", o->file));
    return out;
}

int plan_print(const struct plan *p, struct buf *out)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct plan_object *o = &p->objects[i];
        if (buf_puts(out, i ? "---\n" : "") < 0)
            return -1;
        if ((i == 0 || p->objects[i - 1].wave != o->wave) &&
            buf_printf(out, "# %s\n", plan_wave_name(o->wave)) < 0)
            return -1;
        auto_json *shown = printable(o);
        if (yaml_dump(shown, out) < 0)
            return -1;
    }
    return 0;
}
