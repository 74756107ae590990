/* SPDX-License-Identifier: Apache-2.0 */
/* The least Table (meta.k8s.io/v1): name and age. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kubesim/call.h"
#include "json/jx.h"

static json_t *column(const char *name, const char *format, const char *description)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:i}", "name", name, "type", "string", "format", format,
                     "description", description, "priority", 0);
}

json_t *sim_table_new(uint64_t version, const char *next_page, bool definitions)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, version);
    json_t *t =
        json_pack("{s:s, s:s, s:{s:s}, s:n, s:[]}", "kind", "Table", "apiVersion", "meta.k8s.io/v1",
                  "metadata", "resourceVersion", number, "columnDefinitions", "rows");
    if (next_page)
        jx_set_str(t, "metadata.continue", next_page);
    if (definitions)
        json_object_set_new(t, "columnDefinitions",
                            json_pack("[o, o]", column("Name", "name", "metadata.name"),
                                      column("Age", "", "metadata.creationTimestamp")));
    return t;
}

/* As kubectl words an age (k8s.io/apimachinery, util/duration). */
static char *age(int64_t s)
{
    if (s < 120)
        return xasprintf("%" PRId64 "s", s < 0 ? 0 : s);
    if (s < 600 && s % 60)
        return xasprintf("%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
    if (s < 3 * 3600)
        return xasprintf("%" PRId64 "m", s / 60);
    if (s < 8 * 3600 && s / 60 % 60)
        return xasprintf("%" PRId64 "h%" PRId64 "m", s / 3600, s / 60 % 60);
    if (s < 48 * 3600)
        return xasprintf("%" PRId64 "h", s / 3600);
    return xasprintf("%" PRId64 "d", s / 86400);
}

void sim_table_add(json_t *table, const struct sim_object *o, uint64_t version)
{
    auto_free char *created = sim_object_meta_str(o, "creationTimestamp");
    int64_t since = 0;
    auto_free char *text = created && clock_parse(created, &since) == 0
                               ? age(clock_s(&clock_system) - since)
                               : xstrdup("<unknown>");
    json_t *object = sim_object_tree(o, NULL, NULL, SIM_VIEW_PARTIAL, version);
    json_array_append_new(
        json_object_get(table, "rows"),
        json_pack("{s:[s, s], s:o}", "cells", sim_object_name(o), text, "object", object));
}
