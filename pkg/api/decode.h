/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes JSON objects into structs by tables, which hack/crdgen makes from the CRDs' schemas. */
#ifndef API_DECODE_H
#define API_DECODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/gvr.h"

enum api_type {
    API_STRING,       /* const char * */
    API_BOOL,         /* bool */
    API_INT,          /* int64_t */
    API_ENUM,         /* an enum whose values are indexes of values->names */
    API_OBJECT,       /* pointer to a struct */
    API_JSON,         /* const json_t *, an object */
    API_MAP_STRING,   /* const json_t *, an object whose values are strings */
    API_MAP_QUANTITY, /* const json_t *, an object whose values are strings or integers */
    API_LIST_OBJECT,  /* pointer to an array of structs, and a size_t */
    API_LIST_STRING,  /* pointer to an array of const char *, and a size_t */
};

struct api_enum {
    const char *const *names; /* [0] is NULL: unset */
    int n;
};

struct api_struct;

struct api_field {
    const char *name; /* in JSON */
    enum api_type type;
    bool required;
    size_t offset, n_offset;       /* in the struct: of the value, of the list's size */
    const struct api_struct *sub;  /* API_OBJECT, API_LIST_OBJECT */
    const struct api_enum *values; /* API_ENUM */
    const char *def_string;        /* API_STRING: default, or NULL */
    int64_t def_number;            /* API_BOOL, API_INT, API_ENUM: default */
    /* Of the number, of the string's characters, of the list's or map's items. max 0: no bound. */
    int64_t min, max;
};

struct api_struct {
    const struct api_field *fields;
    size_t n_fields, size;
};

struct api_object {
    const struct gvr *gvr;
    size_t
        size; /* of the struct: {struct api_meta; struct api_<kind>_spec; const json_t *status} */
    size_t meta, spec, status; /* offsets in it */
    const struct api_struct *spec_table;
    bool spec_required;
};

/* A whole custom resource; NULL with *err set (ERR_INVALID) when it is not one. apiVersion and kind
 * must be right where they are given: items of a list may lack them. */
void *api_decode(const struct api_object *o, const json_t *obj, struct arena *a, struct err *err);

/* One object at `path` (for messages) into the zeroed struct dst. v NULL: only defaults. What is
 * decoded borrows from v. */
int api_decode_struct(const struct api_struct *s, const json_t *v, const char *path,
                      struct arena *a, void *dst, struct err *err);

/* NULL when v is 0 or out of range. */
const char *api_enum_name(const struct api_enum *e, int v);

#endif
