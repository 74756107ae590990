/* SPDX-License-Identifier: Apache-2.0 */
/* What we need of JSON beyond jansson. Values are jansson's json_t; ownership is in the verb, as in jansson:
 * get borrows, set_new steals, copy and load return a new reference. */
#ifndef JSON_JX_H
#define JSON_JX_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    JX_DEPTH_MAX = 64,           /* deepest nesting accepted from outside */
    JX_BYTES_MAX = 64 * 1048576, /* largest document accepted from outside */
};

/* Parses one document from outside: size and depth capped BEFORE jansson recurses, duplicate keys: the last one counts
 * (as in the API server), "\u0000" accepted. NULL with *err (ERR_INVALID) set when it is not JSON. */
json_t *jx_load(const char *data, size_t len, struct err *err);

/* Compact, keys sorted: equal values give equal bytes. Free with free(). */
char *jx_dump(const json_t *v);

/* The value at a dotted path of object keys ("status.conditions"); borrowed, NULL when absent or not objects. A key
 * that itself has dots is reached with jx_get2. */
json_t *jx_get(const json_t *v, const char *path);
json_t *jx_get2(const json_t *v, const char *path, const char *last_key);
/* The same as a string (borrowed), or NULL when absent or another type; as a number or truth with a fallback. */
const char *jx_str(const json_t *v, const char *path);
const char *jx_str2(const json_t *v, const char *path, const char *last_key);
int64_t jx_int(const json_t *v, const char *path, int64_t fallback);
bool jx_bool(const json_t *v, const char *path, bool fallback);

/* Sets the value at a dotted path, making the objects on the way; steals v. */
void jx_set_new(json_t *obj, const char *path, json_t *v);
void jx_set_str(json_t *obj, const char *path, const char *s); /* s NULL: nothing is set */

/* Lays overlay over base, in place, by RFC 7396 (JSON Merge Patch): objects merge, null removes, the rest replaces. */
void jx_merge(json_t *base, const json_t *overlay);

/* Lower-case hex SHA-256 of jx_dump(v), 64 characters and NUL. */
enum { JX_SHA256_HEX = 65 };
void jx_sha256(const json_t *v, char out[JX_SHA256_HEX]);
void jx_sha256_bytes(const void *data, size_t len, char out[JX_SHA256_HEX]);

/* Standard base64 with padding. jx_b64 returns an owned string; jx_unb64 owned bytes (NUL added), or NULL when it is
 * not base64; line ends are skipped. */
char *jx_b64(const void *data, size_t len);
void *jx_unb64(const char *s, size_t *ret_len);

#define auto_json __attribute__((cleanup(jx_decrefp))) json_t
static inline void jx_decrefp(json_t **v)
{
    json_decref(*v);
}

#endif
