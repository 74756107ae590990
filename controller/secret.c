/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "plan/plan.h"
#include "json/jx.h"

void secret_set_data(json_t *body, const char *key, const void *data, size_t len)
{
    json_t *all = json_object_get(body, "data");
    if (!all) {
        all = json_object();
        json_object_set_new(body, "data", all);
    }
    char *b64 = jx_b64(data, len);
    json_object_set_new(all, key, json_string(b64));
    xfree_secret(b64);
}

void secret_set_times(json_t *body, int64_t issued, int64_t expires)
{
    char text[CLOCK_RFC3339_MAX];
    json_t *notes = jx_get(body, "metadata.annotations");
    clock_format(issued, text);
    json_object_set_new(notes, PLAN_ANNOTATION_ISSUED, json_string(text));
    clock_format(expires, text);
    json_object_set_new(notes, PLAN_ANNOTATION_EXPIRES, json_string(text));
}

/* jansson gives no way to wipe a string in place by its interface; the values are overwritten through it. */
void secret_wipe(json_t *body)
{
    const char *key;
    json_t *v;
    json_object_foreach (json_object_get(body, "data"), key, v) {
        char *s = (char *)(uintptr_t)json_string_value(v);
        if (s)
            explicit_bzero(s, json_string_length(v));
    }
}
