/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as the API server forms them: k8s.io/apimachinery (pkg/api/errors/errors.go) has the words of the Status
 * objects. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

enum { ANSWER_MAX = 64 * 1024 * 1024 };

/* --- bodies --- */

void sim_answer(struct sim_call *c, int status, json_t *body)
{
    auto_json *held = body;
    auto_free char *text = jx_dump(held);
    sim_respond(c->x, status, SIM_JSON, text, strlen(text));
}

void sim_answer_text(struct sim_call *c, int status, const char *text)
{
    sim_header(c->x, "X-Content-Type-Options", "nosniff");
    sim_respond(c->x, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void answer_proto(struct sim_call *c, int status, const char *api_version, const char *kind,
                         const struct buf *raw)
{
    auto_buf out = BUF_INIT(ANSWER_MAX);
    if (sim_proto_envelope(api_version, kind, raw->data ? raw->data : "", raw->len, &out) < 0)
        sim_respond(c->x, 500, "text/plain", "too large", 9);
    else
        sim_respond(c->x, status, SIM_PROTO, out.data, out.len);
}

static void answer_table(struct sim_call *c, int status, struct sim_object *o, uint64_t version)
{
    json_t *table = sim_table_new(c->kind, version, NULL, true);
    sim_table_add(table, c->kind, o, version);
    sim_answer(c, status, table);
}

void sim_answer_object(struct sim_call *c, int status, struct sim_object *o, uint64_t version)
{
    if (c->accept.as == SIM_AS_TABLE) {
        answer_table(c, status, o, version);
        return;
    }
    bool partial = c->accept.as == SIM_AS_PARTIAL;
    enum sim_view view = partial ? SIM_VIEW_PARTIAL : SIM_VIEW_WHOLE;
    auto_buf b = BUF_INIT(ANSWER_MAX);
    if (c->accept.proto && sim_object_proto(o, c->kind, c->api_version, view, version, &b) == 0) {
        answer_proto(c, status, partial ? "meta.k8s.io/v1" : c->api_version,
                     partial ? "PartialObjectMetadata" : c->kind->kind, &b);
        return;
    }
    buf_reset(&b);
    sim_object_json(o, c->kind, c->api_version, view, version, &b);
    sim_respond(c->x, status, SIM_JSON, b.data, b.len);
}

void sim_answer_list(struct sim_call *c, const char *kind, const char *api_version,
                     struct buf *body)
{
    struct buf out = BUF_INIT(body->max + 4096);
    if (c->accept.proto) {
        sim_proto_envelope(api_version, kind, body->data ? body->data : "", body->len, &out);
        buf_done(body);
    } else {
        out = *body;
        *body = BUF_INIT(0);
    }
    size_t len = out.len;
    char *bytes = buf_take(&out);
    sim_respond_ref(c->x, 200, c->accept.proto ? SIM_PROTO : SIM_JSON, bytes, len, free, bytes);
}

/* --- Status --- */

json_t *sim_details(const char *name, const char *group, const char *kind)
{
    json_t *d = json_object();
    if (name && *name)
        json_object_set_new(d, "name", json_string(name));
    if (group && *group)
        json_object_set_new(d, "group", json_string(group));
    if (kind && *kind)
        json_object_set_new(d, "kind", json_string(kind));
    return d;
}

json_t *sim_status(int code, const char *reason, json_t *details, const char *message)
{
    json_t *s = json_pack("{s:s, s:s, s:{}, s:s}", "kind", "Status", "apiVersion", "v1", "metadata",
                          "status", code < 400 ? "Success" : "Failure");
    if (message)
        json_object_set_new(s, "message", json_string(message));
    if (reason)
        json_object_set_new(s, "reason", json_string(reason));
    if (details)
        json_object_set_new(s, "details", details);
    if (code >= 400)
        json_object_set_new(s, "code", json_integer(code));
    return s;
}

static void answer_status(struct sim_call *c, int code, json_t *status)
{
    auto_buf b = BUF_INIT(ANSWER_MAX);
    if (c->accept.proto && sim_proto_has("", "Status") &&
        sim_proto_object("", "Status", status, &b) == 0) {
        answer_proto(c, code, "v1", "Status", &b);
        json_decref(status);
        return;
    }
    sim_answer(c, code, status);
}

void sim_fail(struct sim_call *c, int code, const char *reason, json_t *details, const char *fmt,
              ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    auto_free char *text = xcalloc((size_t)n + 1, 1);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    answer_status(c, code, sim_status(code, reason, details, text));
}

void sim_fail_err(struct sim_call *c, const struct err *err)
{
    int code = err->code >= 400 ? err->code : 422;
    sim_fail(c, code, sim_status_reason(code), NULL, "%s", err->msg);
}

void sim_fail_route(struct sim_call *c)
{
    sim_fail(c, 404, "NotFound", json_object(), "the server could not find the requested resource");
}

void sim_fail_method(struct sim_call *c)
{
    sim_fail(c, 405, "MethodNotAllowed", json_object(),
             "the server does not allow this method on the requested resource");
}

void sim_fail_name(struct sim_call *c, const struct sim_kind *k, const char *name)
{
    auto_free char *resource = sim_kind_qualified(k);
    sim_fail(c, 404, "NotFound", sim_details(name, k->group, k->plural), "%s \"%s\" not found",
             resource, name);
}

void sim_fail_conflict(struct sim_call *c, const char *why)
{
    auto_free char *resource = sim_kind_qualified(c->kind);
    sim_fail(c, 409, "Conflict", sim_details(c->name, c->kind->group, c->kind->plural),
             "Operation cannot be fulfilled on %s \"%s\": %s", resource, c->name,
             str_or(why, "the object has been modified; please apply your changes to the latest "
                         "version and try again"));
}

void sim_fail_too_large(struct sim_call *c, const char *version)
{
    json_t *details =
        json_pack("{s:[{s:s, s:s}], s:i}", "causes", "reason", "ResourceVersionTooLarge", "message",
                  "Too large resource version", "retryAfterSeconds", 1);
    sim_header(c->x, "Retry-After", "1");
    sim_fail(c, 504, "Timeout", details, "Timeout: Too large resource version: %s, current: %llu",
             version, (unsigned long long)c->cluster->version);
}

void sim_fail_expired(struct sim_call *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sim_fail(c, 410, "Expired", NULL, "%s", text);
}

static void fail_invalid(struct sim_call *c, json_t *details, const char *title, const char *name,
                         const char *field, const char *reason, const char *message)
{
    json_object_set_new(
        details, "causes",
        json_pack("[{s:s, s:s, s:s}]", "reason", reason, "message", message, "field", field));
    sim_fail(c, 422, "Invalid", details, "%s \"%s\" is invalid: %s: %s", title, name, field,
             message);
}

void sim_fail_field(struct sim_call *c, const char *name, const char *field, const char *reason,
                    const char *message)
{
    auto_free char *title = sim_kind_title(c->kind);
    fail_invalid(c, sim_details(name, c->kind->group, c->kind->kind), title, name, field, reason,
                 message);
}

void sim_fail_options(struct sim_call *c, const char *kind, const char *field, const char *reason,
                      const char *message)
{
    auto_free char *title = xasprintf("%s.meta.k8s.io", kind);
    fail_invalid(c, sim_details(NULL, "meta.k8s.io", kind), title, "", field, reason, message);
}
