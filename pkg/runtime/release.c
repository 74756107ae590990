/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/release.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/client.h"
#include "plan/plan.h"
#include "json/jx.h"

static void add_removals(json_t *patch, const json_t *map, const char *pointer)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
        if (!str_starts(key, "meshwright.dev/") &&
            !(str_eq(key, PLAN_LABEL_MANAGED_BY) &&
              str_eq(json_string_value(value), PLAN_MANAGED_BY)))
            continue;
        const char *slash = strchr(key, '/');
        auto_free char *path =
            xasprintf("%s/%.*s~1%s", pointer, (int)(slash - key), key, slash + 1); /* RFC 6901 */
        json_array_append_new(patch, json_pack("{s:s, s:s}", "op", "remove", "path", path));
    }
}

json_t *release_patch(const json_t *obj)
{
    json_t *patch = json_array();
    json_array_append_new(patch, json_pack("{s:s, s:s, s:O}", "op", "test", "path",
                                           "/metadata/resourceVersion", "value",
                                           jx_get(obj, "metadata.resourceVersion")));
    add_removals(patch, jx_get(obj, "metadata.labels"), "/metadata/labels");
    add_removals(patch, jx_get(obj, "metadata.annotations"), "/metadata/annotations");
    const json_t *fields = jx_get(obj, "metadata.managedFields");
    for (size_t i = json_array_size(fields); i-- > 0;) {
        if (!str_eq(jx_str(json_array_get(fields, i), "manager"), KUBE_FIELD_MANAGER))
            continue;
        auto_free char *path = xasprintf("/metadata/managedFields/%zu", i);
        json_array_append_new(patch, json_pack("{s:s, s:s}", "op", "remove", "path", path));
    }
    return patch;
}
