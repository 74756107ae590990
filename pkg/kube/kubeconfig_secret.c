/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "kube/kubeconfig.h"
#include "json/jx.h"

static const char *const usual_keys[] = {"value", "value.yaml", "kubeconfig"};

/* The base64 text, borrowed. */
static const char *pick(const json_t *secret, const char *key)
{
    const json_t *data = json_object_get(secret, "data");
    if (key)
        return json_string_value(json_object_get(data, key));
    for (size_t i = 0; i < sizeof usual_keys / sizeof *usual_keys; i++) {
        const char *v = json_string_value(json_object_get(data, usual_keys[i]));
        if (v)
            return v;
    }
    return NULL;
}

int kubeconfig_from_secret(const json_t *secret, const char *key, enum kubeconfig_trust trust,
                           struct kube_config *ret, char field[KUBECONFIG_FIELD_MAX],
                           struct err *err)
{
    const char *b64 = pick(secret, key);
    size_t len = 0;
    char *text = b64 ? jx_unb64(b64, &len) : NULL;
    if (field)
        field[0] = '\0';
    if (!text)
        return err_set(err, ERR_NOT_FOUND, 0, "the Secret has no key %s with a kubeconfig",
                       str_or(key, "value, value.yaml or kubeconfig"));
    int rc = kubeconfig_load(text, len, trust, ret, field, err);
    explicit_bzero(text, len);
    free(text);
    return rc;
}
