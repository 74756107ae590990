/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/diff.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

int64_t diff_renewal(int64_t issued, int64_t expires, const char *seed)
{
    int64_t life = expires > issued ? expires - issued : 0;
    int64_t permille = 700 + (int64_t)(str_hash(seed) % 101);
    return issued + life / 1000 * permille + life % 1000 * permille / 1000;
}

/* Content without readable times is as good as expired: it is made anew. */
static int64_t renewal_of(const struct plan_object *want, const struct kube_view *live)
{
    int64_t issued, expires;
    if (clock_parse(live->meta.issued, &issued) < 0 ||
        clock_parse(live->meta.expires, &expires) < 0)
        return 1;
    return diff_renewal(issued, expires, str_or(want->peer, want->name));
}

/* The keys of generated data, which the intent does not hold. */
static bool owns_content(const struct plan_object *want, const json_t *fields)
{
    static const char *const cacerts[] = {"f:ca-cert.pem", "f:ca-key.pem", "f:cert-chain.pem",
                                          "f:root-cert.pem"};
    const json_t *data = json_object_get(fields, "f:data");
    if (want->content == PLAN_TLS_SECRET)
        return json_object_get(data, "f:tls.crt") && json_object_get(data, "f:tls.key");
    if (want->content == PLAN_CACERTS)
        for (size_t i = 0; i < sizeof cacerts / sizeof *cacerts; i++)
            if (!json_object_get(data, cacerts[i]))
                return false;
    if (want->content != PLAN_REMOTE_SECRET)
        return true;
    auto_free char *key = xasprintf("f:%s", want->peer);
    return json_object_get(data, key) != NULL;
}

/* The live object has this intent: it can't have been verified for another. */
static bool owns(const struct plan_object *want, const struct kube_view *live, bool *verified)
{
    const char *text = live->meta.fields;
    if (*verified)
        return true;
    auto_json *fields = text ? jx_load(text, strlen(text), NULL) : NULL;
    if (!fields || !plan_owns(want->body, fields) || !owns_content(want, fields))
        return false;
    return *verified = true;
}

/* DNS entries never take over a Service that somebody else made; a Service of ours that got a
 * selector is the user's. */
static bool users_service(const struct plan_object *want, const struct kube_view *live)
{
    return want->wave == PLAN_DNS && (!live->meta.managed || live->has_selector);
}

enum diff_verdict diff_object(const struct plan_object *want, const struct kube_view *live,
                              bool *verified, const char *owner_uid, int64_t now_s,
                              int64_t *renew_at)
{
    *renew_at = 0;
    if (!live)
        return DIFF_APPLY;
    const struct kube_meta *m = &live->meta;
    if ((m->managed && m->owner_uid && !str_eq(m->owner_uid, owner_uid)) ||
        users_service(want, live))
        return DIFF_FOREIGN;
    if (!str_eq(m->intent, want->intent) || !str_eq(m->owner_uid, owner_uid) ||
        !owns(want, live, verified))
        return DIFF_APPLY;
    if (want->content == PLAN_CACERTS || want->content == PLAN_REMOTE_SECRET)
        *renew_at = renewal_of(want, live);
    return *renew_at && *renew_at <= now_s ? DIFF_APPLY : DIFF_SAME;
}
