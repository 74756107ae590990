/* SPDX-License-Identifier: Apache-2.0 */
/* Reading records. They are our own bytes, so nothing is checked here. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/intern.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/record_priv.h"

static uint32_t head(const struct kube_record *r)
{
    const unsigned char *b = r->bytes;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

size_t kube_record_size(const struct kube_record *r)
{
    return head(r) & ((1U << KUBE_SIZE_BITS) - 1);
}

static unsigned flags_of(const struct kube_record *r)
{
    return head(r) >> (KUBE_SIZE_BITS + KUBE_KIND_BITS);
}

bool kube_record_managed(const struct kube_record *r)
{
    return flags_of(r) & KUBE_FLAG_MANAGED;
}

const char *kube_record_name(const struct kube_record *r)
{
    return (const char *)r->bytes + KUBE_HEAD;
}

static uint64_t number(const unsigned char **at)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        unsigned char c = *(*at)++;
        v |= (uint64_t)(c & 127) << shift;
        if (c < 128)
            return v;
    }
}

static int64_t signed_of(uint64_t zigzag)
{
    return (int64_t)(zigzag >> 1 ^ -(zigzag & 1));
}

static uint16_t interned(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

/* One field on its way through a record. */
struct part {
    enum kube_record_field field;
    enum kube_record_form form;
    const unsigned char *data;
    size_t len;     /* of the data; of a text without its NUL */
    uint64_t value; /* NUMBER */
};

static struct part next(const unsigned char **at)
{
    struct part p = {.field = (enum kube_record_field)(**at >> 3),
                     .form = (enum kube_record_form)(**at & 7)};
    p.data = ++*at;
    switch (p.form) {
    case KUBE_FORM_TEXT:
        p.len = strlen((const char *)p.data);
        *at += p.len + 1;
        return p;
    case KUBE_FORM_INTERNED:
        p.len = 2;
        break;
    case KUBE_FORM_UUID:
        p.len = 16;
        break;
    case KUBE_FORM_HASH:
        p.len = 32;
        break;
    case KUBE_FORM_NUMBER:
        p.value = number(at);
        p.len = (size_t)(*at - p.data);
        return p;
    case KUBE_FORM_LIST:
        p.len = number(at);
        p.data = *at;
        break;
    }
    *at += p.len;
    return p;
}

static const unsigned char *first(const struct kube_record *r)
{
    return r->bytes + KUBE_HEAD + strlen(kube_record_name(r)) + 1;
}

/* False when it is absent. */
static bool find(const struct kube_record *r, enum kube_record_field field, struct part *ret)
{
    const unsigned char *at = first(r), *end = r->bytes + kube_record_size(r);
    while (at < end) {
        *ret = next(&at);
        if (ret->field == field)
            return true;
    }
    return false;
}

const char *kube_record_ns(const struct kube_record *r)
{
    const unsigned char *at = first(r);
    if (at == r->bytes + kube_record_size(r) || *at >> 3 != KUBE_FIELD_NS)
        return NULL;
    return (*at & 7) == KUBE_FORM_INTERNED ? intern_text(interned(at + 1)) : (const char *)at + 1;
}

static char *put_decimal(char *to, uint64_t v)
{
    char digits[24];
    unsigned n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n)
        *to++ = digits[--n];
    return to;
}

static char *put_uuid(char *to, const unsigned char *data)
{
    static const unsigned char groups[] = {4, 2, 2, 2, 6};
    for (size_t g = 0; g < sizeof groups; g++) {
        str_hex(data, groups[g], to); /* its NUL is the next group's dash */
        data += groups[g];
        to += 2 * groups[g];
        *to++ = '-';
    }
    return to - 1;
}

/* The text of a field; what is not text yet goes to *room, which moves on. */
static const char *text_of(const struct part *p, char **room)
{
    const char *text = *room;
    switch (p->form) {
    case KUBE_FORM_INTERNED:
        return intern_text(interned(p->data));
    case KUBE_FORM_UUID:
        *room = put_uuid(*room, p->data);
        break;
    case KUBE_FORM_HASH:
        str_hex(p->data, 32, *room);
        *room += 64;
        break;
    case KUBE_FORM_NUMBER:
        *room = put_decimal(*room, p->value);
        break;
    case KUBE_FORM_TEXT:
    case KUBE_FORM_LIST:
        return (const char *)p->data;
    }
    *(*room)++ = '\0';
    return text;
}

void kube_record_view(const struct kube_record *r, struct kube_view *ret)
{
    const char *field[KUBE_FIELDS] = {0};
    char *room = ret->text;
    const unsigned char *at = first(r), *end = r->bytes + kube_record_size(r);
    unsigned flags = flags_of(r);
    while (at < end) {
        struct part p = next(&at);
        field[p.field] = text_of(&p, &room);
    }
    ret->meta = (struct kube_meta){
        .ns = field[KUBE_FIELD_NS],
        .name = kube_record_name(r),
        .uid = field[KUBE_FIELD_UID],
        .rv = field[KUBE_FIELD_VERSION],
        .owner_uid = field[KUBE_FIELD_OWNER],
        .mesh = field[KUBE_FIELD_MESH],
        .wave = field[KUBE_FIELD_WAVE],
        .intent = field[KUBE_FIELD_INTENT],
        .issued = field[KUBE_FIELD_ISSUED],
        .expires = field[KUBE_FIELD_EXPIRES],
        .created = field[KUBE_FIELD_CREATED],
        .fields = field[KUBE_FIELD_FIELDS],
        .managed = flags & KUBE_FLAG_MANAGED,
        .deleting = flags & KUBE_FLAG_DELETING,
    };
    ret->kind = (enum kube_record_kind)(head(r) >> KUBE_SIZE_BITS & ((1U << KUBE_KIND_BITS) - 1));
    bool entry = ret->kind == KUBE_RECORD_WORKLOAD_ENTRY; /* some flags are others of it */
    ret->has_selector = !entry && flags & KUBE_FLAG_SELECTOR;
    ret->headless = !entry && flags & KUBE_FLAG_HEADLESS;
    ret->terminating = flags & KUBE_FLAG_TERMINATING;
    ret->available = !entry && flags & KUBE_FLAG_AVAILABLE;
    ret->excluded = flags & KUBE_FLAG_EXCLUDED;
    ret->selector = field[KUBE_FIELD_SELECTOR];
    ret->type = str_or(field[KUBE_FIELD_TYPE], "ClusterIP");
    ret->labels = str_or(field[KUBE_FIELD_LABELS], "{}");
    ret->service = field[KUBE_FIELD_SERVICE];
    ret->service_account = str_or(field[KUBE_FIELD_ACCOUNT], "default");
    ret->group = field[KUBE_FIELD_GROUP];
    ret->connected = field[KUBE_FIELD_CONNECTED];
    ret->disconnected = field[KUBE_FIELD_DISCONNECTED];
    ret->address = field[KUBE_FIELD_ADDRESS];
    ret->network = field[KUBE_FIELD_NETWORK];
    ret->probed = entry && flags & KUBE_FLAG_PROBED;
    ret->healthy = entry && flags & KUBE_FLAG_HEALTHY;
    ret->unhealthy = entry && flags & KUBE_FLAG_UNHEALTHY;
}

static const char *take_text(const unsigned char **at)
{
    const char *s = (const char *)*at;
    *at += strlen(s) + 1;
    return s;
}

void kube_json_string(struct buf *b, const char *s)
{
    buf_puts(b, "\"");
    for (const char *from = s;; s++) {
        unsigned char c = (unsigned char)*s;
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        buf_append(b, from, (size_t)(s - from));
        from = s + 1;
        if (!c)
            break;
        buf_printf(b, c < ' ' ? "\\u%04x" : "\\%c", c);
    }
    buf_puts(b, "\"");
}

static void put_string(struct buf *b, const char *key, const char *value)
{
    buf_printf(b, "\"%s\":", key);
    kube_json_string(b, value);
    buf_puts(b, ",");
}

static void put_port(struct buf *b, const unsigned char **at)
{
    unsigned char what = *(*at)++;
    uint64_t zigzag = what & KUBE_PORT_NUMBER ? number(at) : 0;
    const char *name = what & KUBE_PORT_NAME ? take_text(at) : NULL, *protocol = NULL;
    if ((what & KUBE_PORT_OTHER) == KUBE_PORT_OTHER)
        protocol = take_text(at);
    else if (what & KUBE_PORT_OTHER)
        protocol = what & KUBE_PORT_TCP ? "TCP" : "UDP";
    buf_puts(b, "{");
    if (what & KUBE_PORT_APP)
        put_string(b, "appProtocol", take_text(at));
    if (name)
        put_string(b, "name", name);
    if (what & KUBE_PORT_NUMBER)
        buf_printf(b, "\"port\":%lld,", (long long)signed_of(zigzag));
    if (protocol)
        put_string(b, "protocol", protocol);
    if (b->data[b->len - 1] == ',')
        b->len--;
    buf_puts(b, "},");
}

enum { TEXT_MAX = 8 * KUBE_RECORD_MAX }; /* six bytes at most for each of the record */

char *kube_record_ports(struct arena *a, const struct kube_record *r)
{
    struct part p;
    auto_buf b = BUF_INIT(TEXT_MAX);
    if (!find(r, KUBE_FIELD_PORTS, &p))
        return arena_strdup(a, "[]");
    buf_puts(&b, "[");
    const unsigned char *at = p.data;
    while (at < p.data + p.len)
        put_port(&b, &at);
    b.data[b.len - 1] = ']';
    return arena_strdup(a, b.data);
}

/* One element of a list of addresses. */
struct address {
    const char *text;           /* NULL: it only says whose the next ones are */
    const char *pod, *hostname; /* NULL: none */
    char room[INET6_ADDRSTRLEN];
};

/* NULL when it is empty. */
static const char *take_name(const unsigned char **at)
{
    const char *s = take_text(at);
    return *s ? s : NULL;
}

static void take_address(const unsigned char **at, struct address *ret)
{
    enum kube_record_address what = (enum kube_record_address) * (*at)++;
    ret->text = NULL;
    switch (what) {
    case KUBE_ADDRESS_4:
        ret->text = inet_ntop(AF_INET, *at, ret->room, sizeof ret->room);
        *at += 4;
        break;
    case KUBE_ADDRESS_6:
        ret->text = inet_ntop(AF_INET6, *at, ret->room, sizeof ret->room);
        *at += 16;
        break;
    case KUBE_ADDRESS_TEXT:
        ret->text = take_text(at);
        break;
    case KUBE_ADDRESS_NAMES:
        ret->pod = take_name(at);
        ret->hostname = take_name(at);
        break;
    }
}

/* Those of a field, with blanks between. */
static char *addresses_of(struct arena *a, const struct kube_record *r,
                          enum kube_record_field field)
{
    struct part p;
    struct address x = {0};
    auto_buf b = BUF_INIT(TEXT_MAX);
    if (!find(r, field, &p))
        return arena_strdup(a, "");
    for (const unsigned char *at = p.data; at < p.data + p.len;) {
        take_address(&at, &x);
        if (x.text)
            buf_printf(&b, "%s%s", b.len ? " " : "", x.text);
    }
    return arena_strdup(a, str_or(b.data, ""));
}

char *kube_record_addresses(struct arena *a, const struct kube_record *r)
{
    return addresses_of(a, r, KUBE_FIELD_ADDRESSES);
}

char *kube_record_reached_at(struct arena *a, const struct kube_record *r)
{
    return addresses_of(a, r, KUBE_FIELD_REACHED);
}

char *kube_record_cluster_ips(struct arena *a, const struct kube_record *r)
{
    return addresses_of(a, r, KUBE_FIELD_CLUSTER_IPS);
}

int kube_record_node_port(const struct kube_record *r, int port)
{
    struct part p;
    if (!find(r, KUBE_FIELD_NODE_PORTS, &p))
        return 0;
    for (const unsigned char *at = p.data; at < p.data + p.len;) {
        uint64_t own = number(&at), node = number(&at);
        if (own == (uint64_t)port)
            return (int)node;
    }
    return 0;
}

static const char *copied(struct arena *a, const char *s)
{
    return s ? arena_strdup(a, s) : NULL;
}

static size_t count_addresses(const struct part *p)
{
    struct address x = {0};
    size_t n = 0;
    for (const unsigned char *at = p->data; at < p->data + p->len; n += x.text != NULL)
        take_address(&at, &x);
    return n;
}

const struct kube_endpoint *kube_record_endpoints(struct arena *a, const struct kube_record *r,
                                                  size_t *n)
{
    struct part p;
    struct address x = {0};
    *n = 0;
    if (!find(r, KUBE_FIELD_ADDRESSES, &p))
        return NULL;
    struct kube_endpoint *all = arena_array(a, count_addresses(&p), sizeof *all);
    for (const unsigned char *at = p.data; at < p.data + p.len;) {
        take_address(&at, &x);
        if (x.text)
            all[(*n)++] = (struct kube_endpoint){arena_strdup(a, x.text), copied(a, x.hostname),
                                                 copied(a, x.pod)};
    }
    return all;
}

char *kube_record_pods(struct arena *a, const struct kube_record *r)
{
    struct part p;
    struct address x = {0};
    auto_buf b = BUF_INIT(TEXT_MAX);
    if (!find(r, KUBE_FIELD_ADDRESSES, &p))
        return arena_strdup(a, "");
    for (const unsigned char *at = p.data; at < p.data + p.len;) {
        take_address(&at, &x);
        if (!x.text && x.pod)
            buf_printf(&b, "%s%s", b.len ? " " : "", x.pod);
    }
    return arena_strdup(a, str_or(b.data, ""));
}

static bool same_part(const struct part *a, const struct part *b)
{
    return a->form == b->form && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* The next field but the version; false at the end. */
static bool next_content(const unsigned char **at, const unsigned char *end, struct part *ret)
{
    while (*at < end) {
        *ret = next(at);
        if (ret->field != KUBE_FIELD_VERSION)
            return true;
    }
    return false;
}

/* Fields are always packed in the same order. */
bool kube_record_same_content(const struct kube_record *a, const struct kube_record *b)
{
    const unsigned char *x = first(a), *y = first(b);
    const unsigned char *x_end = a->bytes + kube_record_size(a);
    const unsigned char *y_end = b->bytes + kube_record_size(b);
    struct part p, q;
    if (flags_of(a) != flags_of(b) || strcmp(kube_record_name(a), kube_record_name(b)) != 0)
        return false;
    for (;;) {
        bool more = next_content(&x, x_end, &p);
        if (more != next_content(&y, y_end, &q))
            return false;
        if (!more)
            return true;
        if (p.field != q.field || !same_part(&p, &q))
            return false;
    }
}

int kube_record_compare(const struct kube_record *a, const struct kube_record *b)
{
    struct part x, y;
    bool has_uid = find(a, KUBE_FIELD_UID, &x);
    if (has_uid != find(b, KUBE_FIELD_UID, &y) || (has_uid && !same_part(&x, &y)))
        return 1;
    if (!find(a, KUBE_FIELD_VERSION, &x) || !find(b, KUBE_FIELD_VERSION, &y))
        return 1;
    if (x.form == KUBE_FORM_NUMBER && y.form == KUBE_FORM_NUMBER)
        return (x.value > y.value) - (x.value < y.value);
    return same_part(&x, &y) ? 0 : 1;
}
