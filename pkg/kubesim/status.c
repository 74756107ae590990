/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>

#include "kubesim/conn.h"
#include "json/jx.h"

/* RFC 9110's phrase, and apimachinery's metav1.StatusReason. */
static const struct word {
    int status;
    const char *phrase, *reason;
} words[] = {
    {200, "OK", ""},
    {201, "Created", ""},
    {202, "Accepted", ""},
    {204, "No Content", ""},
    {304, "Not Modified", ""},
    {400, "Bad Request", "BadRequest"},
    {401, "Unauthorized", "Unauthorized"},
    {403, "Forbidden", "Forbidden"},
    {404, "Not Found", "NotFound"},
    {405, "Method Not Allowed", "MethodNotAllowed"},
    {406, "Not Acceptable", "NotAcceptable"},
    {409, "Conflict", "Conflict"},
    {410, "Gone", "Expired"},
    {413, "Request Entity Too Large", "RequestEntityTooLarge"},
    {415, "Unsupported Media Type", "UnsupportedMediaType"},
    {422, "Unprocessable Entity", "Invalid"},
    {429, "Too Many Requests", "TooManyRequests"},
    {500, "Internal Server Error", "InternalError"},
    {503, "Service Unavailable", "ServiceUnavailable"},
    {504, "Gateway Timeout", "Timeout"},
};

static const struct word *word_of(int status)
{
    static const struct word none = {0, "Unknown", ""};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].status == status)
            return &words[i];
    return &none;
}

const char *sim_status_line(int status)
{
    return word_of(status)->phrase;
}

const char *sim_status_reason(int status)
{
    const char *reason = word_of(status)->reason;
    return *reason ? reason : NULL;
}

char *sim_status_text(int status, const char *message, int retry_after_s)
{
    json_t *details =
        retry_after_s > 0 ? json_pack("{s:i}", "retryAfterSeconds", retry_after_s) : NULL;
    auto_json *v =
        json_pack("{s:s, s:s, s:{}, s:s, s:s, s:s, s:o*, s:i}", "kind", "Status", "apiVersion",
                  "v1", "metadata", "status", "Failure", "message", message, "reason",
                  word_of(status)->reason, "details", details, "code", status);
    return jx_dump(v);
}
