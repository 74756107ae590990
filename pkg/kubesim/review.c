/* SPDX-License-Identifier: Apache-2.0 */
/* Who am I, and what may I: everything. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

static json_t *status_of(const char *resource)
{
    if (str_eq(resource, "selfsubjectaccessreviews"))
        return json_pack("{s:b}", "allowed", 1);
    if (str_eq(resource, "selfsubjectrulesreviews"))
        return json_pack("{s:[{s:[s], s:[s], s:[s]}], s:[{s:[s], s:[s]}], s:b}", "resourceRules",
                         "verbs", "*", "apiGroups", "*", "resources", "*", "nonResourceRules",
                         "verbs", "*", "nonResourceURLs", "*", "incomplete", 0);
    return json_pack("{s:{s:s, s:[s, s]}}", "userInfo", "username", "admin", "groups",
                     "system:masters", "system:authenticated");
}

static const char *kind_of(const char *group, const char *resource)
{
    if (str_eq(group, "authorization.k8s.io") && str_eq(resource, "selfsubjectaccessreviews"))
        return "SelfSubjectAccessReview";
    if (str_eq(group, "authorization.k8s.io") && str_eq(resource, "selfsubjectrulesreviews"))
        return "SelfSubjectRulesReview";
    if (str_eq(group, "authentication.k8s.io") && str_eq(resource, "selfsubjectreviews"))
        return "SelfSubjectReview";
    return NULL;
}

bool sim_review(struct sim_call *c, const char *group, const char *resource)
{
    const char *kind = str_eq(c->version, "v1") ? kind_of(group, resource) : NULL;
    if (!kind)
        return false;
    c->accept = (struct sim_accept){.ok = true};
    if (!str_eq(c->q->method, "POST")) {
        sim_fail_method(c);
        return true;
    }
    json_t *review = sim_body_or_empty(c);
    if (!review)
        return true;
    jx_set_str(review, "kind", kind);
    jx_set_str(review, "apiVersion", c->api_version);
    if (!jx_get(review, "metadata"))
        jx_set_new(review, "metadata", json_object());
    if (str_eq(kind, "SelfSubjectRulesReview"))
        jx_set_new(review, "spec", json_object());
    jx_set_new(review, "status", status_of(resource));
    sim_answer(c, 201, review);
    return true;
}
