/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/selector.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

/* --- which fields a kind can be selected by (registry/<group>/<resource>/strategy.go) --- */

static const struct {
    const char *group, *plural, *field;
    const char *otherwise; /* the value when it is absent */
} known[] = {
    {"", "secrets", "type", ""},
    {"", "services", "spec.clusterIP", ""},
    {"", "services", "spec.type", ""},
    {"", "namespaces", "status.phase", ""},
    {"", "nodes", "spec.unschedulable", "false"},
    {"", "pods", "spec.nodeName", ""},
    {"", "pods", "spec.restartPolicy", ""},
    {"", "pods", "spec.schedulerName", ""},
    {"", "pods", "spec.serviceAccountName", ""},
    {"", "pods", "spec.hostNetwork", "false"},
    {"", "pods", "status.phase", ""},
    {"", "pods", "status.podIP", ""},
    {"", "pods", "status.nominatedNodeName", ""},
    {"", "events", "involvedObject.kind", ""},
    {"", "events", "involvedObject.namespace", ""},
    {"", "events", "involvedObject.name", ""},
    {"", "events", "involvedObject.uid", ""},
    {"", "events", "involvedObject.apiVersion", ""},
    {"", "events", "involvedObject.resourceVersion", ""},
    {"", "events", "involvedObject.fieldPath", ""},
    {"", "events", "reason", ""},
    {"", "events", "reportingComponent", ""},
    {"", "events", "source", ""},
    {"", "events", "type", ""},
    {"events.k8s.io", "events", "regarding.kind", ""},
    {"events.k8s.io", "events", "regarding.namespace", ""},
    {"events.k8s.io", "events", "regarding.name", ""},
    {"events.k8s.io", "events", "regarding.uid", ""},
    {"events.k8s.io", "events", "reason", ""},
    {"events.k8s.io", "events", "reportingController", ""},
    {"events.k8s.io", "events", "type", ""},
};

static const char *otherwise(const struct sim_kind *k, const char *field)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_eq(known[i].field, field) && str_eq(known[i].plural, k->plural) &&
            str_eq(known[i].group, k->group))
            return known[i].otherwise;
    return NULL;
}

static bool is_meta(const char *field)
{
    return str_eq(field, "metadata.name") || str_eq(field, "metadata.namespace");
}

/* --- terms --- */

static void terms_done(struct sim_term *terms, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t v = 0; v < terms[i].n; v++)
            free(terms[i].values[v]);
        free(terms[i].values);
        free(terms[i].key);
    }
    free(terms);
}

void sim_selector_done(struct sim_selector *s)
{
    terms_done(s->labels, s->nlabels);
    terms_done(s->fields, s->nfields);
    *s = (struct sim_selector){0};
}

static struct sim_term *add_term(struct sim_term **terms, size_t *n)
{
    *terms = xrealloc(*terms, (*n + 1) * sizeof **terms);
    (*terms)[*n] = (struct sim_term){0};
    return &(*terms)[(*n)++];
}

static void add_value(struct sim_term *t, char *value)
{
    t->values = xrealloc(t->values, (t->n + 1) * sizeof *t->values);
    t->values[t->n++] = value;
}

/* --- labels --- */

struct lexer {
    const char *at;
    char *token; /* the one being looked at; "" at the end */
    bool word;   /* it is an identifier (in, notin included) */
};

static bool is_special(char c)
{
    return c && strchr("=!(),<>", c);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void advance(struct lexer *l)
{
    static const char *const special[] = {"==", "!=", "=", "!", "(", ")", ",", "<", ">"};
    free(l->token);
    while (is_blank(*l->at))
        l->at++;
    l->word = *l->at && !is_special(*l->at);
    size_t n = 0;
    if (l->word)
        while (l->at[n] && !is_special(l->at[n]) && !is_blank(l->at[n]))
            n++;
    else
        for (size_t i = 0; n == 0 && i < sizeof special / sizeof *special; i++)
            if (str_starts(l->at, special[i]))
                n = strlen(special[i]);
    l->token = xstrndup(l->at, n);
    l->at += n;
}

static int refuse(struct lexer *l, struct err *err, const char *expected)
{
    return err_set(err, ERR_INVALID, 400, "unable to parse requirement: found '%s'%s expected: %s",
                   l->token, str_eq(expected, "'('") ? "" : ",", expected);
}

/* "(a,b,)", the opening parenthesis next. */
static int parse_set(struct lexer *l, struct sim_term *t, struct err *err)
{
    if (!str_eq(l->token, "("))
        return refuse(l, err, "'('");
    advance(l);
    const char *expected = "',', ')' or identifier";
    bool after_word = false;
    while (!str_eq(l->token, ")")) {
        bool comma = str_eq(l->token, ",");
        if (t->n >= SIM_VALUES_MAX)
            return err_set(err, ERR_INVALID, 400, "too many values in a selector");
        if (!comma && (!l->word || after_word))
            return refuse(l, err, expected);
        if (!comma || !after_word)
            add_value(t, xstrdup(comma ? "" : l->token));
        after_word = !comma;
        expected = comma ? "',', or identifier" : "',' or ')'";
        advance(l);
    }
    if (!after_word)
        add_value(t, xstrdup(""));
    advance(l);
    return 0;
}

static int parse_exact(struct lexer *l, struct sim_term *t, struct err *err)
{
    advance(l);
    if (l->word) {
        add_value(t, xstrdup(l->token));
        advance(l);
    } else if (!*l->token || str_eq(l->token, ",")) {
        add_value(t, xstrdup(""));
    } else {
        return refuse(l, err, "identifier");
    }
    return 0;
}

static int parse_term(struct lexer *l, struct sim_term *t, struct err *err)
{
    bool absent = str_eq(l->token, "!");
    if (absent)
        advance(l);
    if (!l->word)
        return refuse(l, err, "identifier");
    t->key = xstrdup(l->token);
    t->op = absent ? SIM_NOT_EXISTS : SIM_EXISTS;
    advance(l);
    if (absent || !*l->token || str_eq(l->token, ","))
        return 0;
    bool not_in = str_eq(l->token, "notin");
    t->op = not_in || str_eq(l->token, "!=") ? SIM_NOT_IN : SIM_IN;
    if (not_in || str_eq(l->token, "in")) {
        advance(l);
        return parse_set(l, t, err);
    }
    if (str_eq(l->token, "=") || str_eq(l->token, "==") || str_eq(l->token, "!="))
        return parse_exact(l, t, err);
    return refuse(l, err, "in, notin, =, ==, !=, gt, lt");
}

static int parse_all(struct lexer *l, struct sim_selector *s, struct err *err)
{
    while (*l->token) {
        if (s->nlabels >= SIM_TERMS_MAX)
            return err_set(err, ERR_INVALID, 400, "too many terms in a selector");
        if (!l->word && !str_eq(l->token, "!"))
            return err_set(err, ERR_INVALID, 400,
                           "found '%s', expected: !, identifier, or 'end of string'", l->token);
        if (parse_term(l, add_term(&s->labels, &s->nlabels), err) < 0)
            return -1;
        if (!*l->token)
            return 0;
        if (!str_eq(l->token, ","))
            return err_set(err, ERR_INVALID, 400, "found '%s', expected: ',' or 'end of string'",
                           l->token);
        advance(l);
        if (!l->word && !str_eq(l->token, "!"))
            return err_set(err, ERR_INVALID, 400, "found '%s', expected: identifier after ','",
                           l->token);
    }
    return 0;
}

static int parse_labels(const char *text, struct sim_selector *s, struct err *err)
{
    struct lexer l = {.at = text};
    advance(&l);
    int r = parse_all(&l, s, err);
    free(l.token);
    return r;
}

/* --- fields --- */

/* A copy without the backslashes before backslash, comma and equals sign. */
static char *unescape(const char *s, size_t n)
{
    char *out = xmalloc(n + 1);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\' && i + 1 < n)
            i++;
        out[m++] = s[i];
    }
    out[m] = '\0';
    return out;
}

static int parse_field(const struct sim_kind *k, const char *s, size_t n, struct sim_selector *to,
                       struct err *err)
{
    const char *eq = memchr(s, '=', n);
    if (!eq)
        return err_set(err, ERR_INVALID, 400, "invalid selector: '%.*s'; can't understand '%.*s'",
                       (int)n, s, (int)n, s);
    bool negated = eq > s && eq[-1] == '!', twice = !negated && (size_t)(eq - s) + 1 < n;
    const char *value = eq + 1 + (twice && eq[1] == '=');
    struct sim_term *t = add_term(&to->fields, &to->nfields);
    t->key = xstrndup(s, (size_t)(eq - s) - negated);
    t->op = negated ? SIM_NOT_IN : SIM_IN;
    add_value(t, unescape(value, n - (size_t)(value - s)));
    if (is_meta(t->key) || otherwise(k, t->key))
        return 0;
    if (k->traits & SIM_CUSTOM)
        return err_set(err, ERR_INVALID, 400, "field label not supported: %s", t->key);
    return err_set(err, ERR_INVALID, 400,
                   "\"%s\" is not a known field selector: only \"metadata.name\", "
                   "\"metadata.namespace\"",
                   t->key);
}

static int parse_fields(const struct sim_kind *k, const char *s, struct sim_selector *to,
                        struct err *err)
{
    while (*s) {
        size_t n = 0;
        while (s[n] && s[n] != ',')
            n += s[n] == '\\' && s[n + 1] ? 2 : 1;
        if (to->nfields >= SIM_TERMS_MAX)
            return err_set(err, ERR_INVALID, 400, "too many terms in a selector");
        if (n && parse_field(k, s, n, to, err) < 0)
            return -1;
        s += n + (s[n] == ',');
    }
    return 0;
}

int sim_selector_parse(const struct sim_kind *k, const char *labels, const char *fields,
                       struct sim_selector *ret, struct err *err)
{
    *ret = (struct sim_selector){0};
    if ((labels && parse_labels(labels, ret, err) < 0) ||
        (fields && parse_fields(k, fields, ret, err) < 0)) {
        sim_selector_done(ret);
        return -1;
    }
    return 0;
}

/* --- matching --- */

static bool holds(const struct sim_term *t, const char *value)
{
    bool in = false;
    for (size_t i = 0; value && i < t->n; i++)
        in = in || str_eq(t->values[i], value);
    switch (t->op) {
    case SIM_IN:
        return in;
    case SIM_NOT_IN:
        return !in;
    case SIM_EXISTS:
        return value != NULL;
    case SIM_NOT_EXISTS:
        break;
    }
    return value == NULL;
}

static bool labels_match(const struct sim_selector *s, const struct sim_object *o)
{
    size_t n;
    const char *text = sim_object_meta(o, "labels", &n);
    auto_json *labels = text ? jx_load(text, n, NULL) : NULL;
    for (size_t i = 0; i < s->nlabels; i++)
        if (!holds(&s->labels[i], json_string_value(json_object_get(labels, s->labels[i].key))))
            return false;
    return true;
}

/* The value of a field as text, owned; never NULL. */
static char *field_value(const json_t *tree, const struct sim_kind *k, const char *field)
{
    const json_t *v = jx_get(tree, field);
    if (str_eq(field, "source"))
        v = jx_get(tree, "source.component");
    if (json_is_string(v))
        return xstrdup(json_string_value(v));
    if (json_is_boolean(v))
        return xstrdup(json_is_true(v) ? "true" : "false");
    return xstrdup(str_or(otherwise(k, field), ""));
}

static bool fields_match(const struct sim_selector *s, const struct sim_kind *k,
                         const struct sim_object *o)
{
    auto_json *tree = NULL;
    for (size_t i = 0; i < s->nfields; i++) {
        const struct sim_term *t = &s->fields[i];
        auto_free char *value = NULL;
        if (str_eq(t->key, "metadata.name")) {
            value = xstrdup(sim_object_name(o));
        } else if (str_eq(t->key, "metadata.namespace")) {
            value = xstrndup(o->key, o->ns_len);
        } else {
            if (!tree)
                tree = sim_object_tree(o, k, k->version, SIM_VIEW_WHOLE, 0);
            value = field_value(tree, k, t->key);
        }
        if (!holds(t, value))
            return false;
    }
    return true;
}

bool sim_selector_matches(const struct sim_selector *s, const struct sim_kind *k,
                          const struct sim_object *o)
{
    return (s->nlabels == 0 || labels_match(s, o)) && (s->nfields == 0 || fields_match(s, k, o));
}
