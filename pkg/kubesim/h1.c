/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 (RFC 9112) by http_parser. One request at a time: what comes behind it waits until its answer is out. */
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/conn.h"

enum part { PART_TARGET, PART_NAME, PART_VALUE };

struct sim_h1 {
    http_parser parser;
    struct sim_conn *c;
    struct sim_exchange *x; /* that is read or answered */
    struct buf name, value; /* of the header that is read; the target is a value without name */
    struct buf waiting;     /* what came behind the request that is answered */
    size_t waiting_at;      /* of it is used */
    enum part part;
    bool busy; /* x is complete and its answer is not out */
    bool keep; /* the connection stays after it */
    bool head_sent;
    bool go_on; /* 100 Continue is to be sent */
    bool chunked;
    bool dead; /* nothing is read any more */
};

/* --- reading --- */

static int message_begin(http_parser *p)
{
    struct sim_h1 *h = p->data;
    h->x = exchange_new(h->c, 0);
    h->part = PART_TARGET;
    return 0;
}

static void end_part(struct sim_h1 *h)
{
    const char *value = str_or(h->value.data, "");
    if (h->part == PART_TARGET)
        exchange_text(h->x, SIM_TARGET, value, h->value.len);
    else
        exchange_header(h->x, str_or(h->name.data, ""), h->name.len, value, h->value.len);
    buf_reset(&h->name);
    buf_reset(&h->value);
}

static int more_value(http_parser *p, const char *s, size_t n)
{
    struct sim_h1 *h = p->data;
    if (h->part == PART_NAME)
        h->part = PART_VALUE;
    return buf_append(&h->value, s, n);
}

static int more_name(http_parser *p, const char *s, size_t n)
{
    struct sim_h1 *h = p->data;
    if (h->part != PART_NAME) {
        end_part(h);
        h->part = PART_NAME;
    }
    return buf_append(&h->name, s, n);
}

static int headers_complete(http_parser *p)
{
    struct sim_h1 *h = p->data;
    const char *method = http_method_str((enum http_method)p->method);
    end_part(h);
    buf_done(&h->name);
    buf_done(&h->value);
    exchange_text(h->x, SIM_METHOD, method, strlen(method));
    if (h->x->expect) {
        h->go_on = true;
        conn_touch(h->c);
    }
    return 0;
}

static int more_body(http_parser *p, const char *s, size_t n)
{
    struct sim_h1 *h = p->data;
    exchange_body(h->x, s, n);
    return 0;
}

static int message_complete(http_parser *p)
{
    struct sim_h1 *h = p->data;
    h->busy = true;
    h->keep = http_should_keep_alive(p) && !p->upgrade;
    http_parser_pause(p, 1);
    return 0;
}

static const http_parser_settings settings = {
    .on_message_begin = message_begin,
    .on_url = more_value,
    .on_header_field = more_name,
    .on_header_value = more_value,
    .on_headers_complete = headers_complete,
    .on_body = more_body,
    .on_message_complete = message_complete,
};

static void refuse(struct sim_h1 *h)
{
    if (!h->x)
        h->x = exchange_new(h->c, 0);
    h->busy = h->dead = true;
    h->keep = h->go_on = false;
    exchange_refuse(h->x, 400, "no HTTP request that is understood");
}

/* One request, or the beginning of one; how many bytes it took. */
static size_t feed_one(struct sim_h1 *h, const char *data, size_t len)
{
    size_t n = http_parser_execute(&h->parser, &settings, data, len);
    enum http_errno e = HTTP_PARSER_ERRNO(&h->parser);
    if (h->busy && (e == HPE_PAUSED || e == HPE_OK)) {
        http_parser_pause(&h->parser, 0);
        h->dead = !h->keep;
        exchange_complete(h->x);
    } else if (e != HPE_OK) {
        refuse(h);
    }
    return n;
}

void h1_feed(struct sim_conn *c, const char *data, size_t len)
{
    struct sim_h1 *h = c->h1;
    size_t n = h->busy || h->dead ? 0 : feed_one(h, data, len);
    if (h->dead || c->closing || n == len || buf_append(&h->waiting, data + n, len - n) == 0)
        return;
    c->reset = true;
    conn_touch(c);
}

/* --- writing --- */

static void add_headers(const struct sim_exchange *x, struct buf *head)
{
    const char *p = x->headers.data, *end = p ? p + x->headers.len : p;
    while (p < end) {
        const char *value = p + strlen(p) + 1;
        buf_printf(head, "%s: %s\r\n", p, value);
        p = value + strlen(value) + 1;
    }
}

static void send_head(struct sim_h1 *h)
{
    const struct sim_exchange *x = h->x;
    bool old = h->parser.http_major == 1 && h->parser.http_minor == 0;
    auto_buf head = BUF_INIT(SIM_HEADER_MAX);
    buf_printf(&head, "HTTP/1.1 %d %s\r\n", x->status, sim_status_line(x->status));
    if (x->content_type)
        buf_printf(&head, "Content-Type: %s\r\n", x->content_type);
    add_headers(x, &head);
    h->chunked = x->stream && !old;
    if (h->chunked)
        buf_puts(&head, "Transfer-Encoding: chunked\r\n");
    else if (x->stream)
        h->keep = false;
    else
        buf_printf(&head, "Content-Length: %zu\r\n", exchange_length(x));
    if (!h->keep)
        buf_puts(&head, "Connection: close\r\n");
    else if (old)
        buf_puts(&head, "Connection: keep-alive\r\n");
    buf_puts(&head, "\r\n");
    conn_write(h->c, head.data, head.len);
    h->head_sent = true;
}

static size_t send_piece(struct sim_h1 *h)
{
    const char *data;
    size_t n = exchange_ready(h->x, &data);
    n = n < SIM_ROUND ? n : SIM_ROUND;
    if (!n)
        return 0;
    char size[24];
    if (h->chunked) {
        snprintf(size, sizeof size, "%zx\r\n", n);
        conn_write(h->c, size, strlen(size));
    }
    conn_write(h->c, data, n);
    if (h->chunked)
        conn_write(h->c, "\r\n", 2);
    exchange_took(h->x, n);
    return n;
}

static void send_body(struct sim_h1 *h)
{
    bool none = str_eq(h->x->q.method, "HEAD") || h->x->status == 204 || h->x->status == 304;
    size_t total = 0, n = 1;
    while (total < SIM_ROUND && n) {
        const char *data;
        if (none)
            exchange_took(h->x, n = exchange_ready(h->x, &data));
        else
            n = send_piece(h);
        total += n;
    }
    if (exchange_is_sent(h->x) && !exchange_is_cut(h->x) && h->chunked && !none)
        conn_write(h->c, "0\r\n\r\n", 5);
}

/* The answer is out: the next request may be read, of which some may be here. */
static void next(struct sim_h1 *h)
{
    exchange_over(STEAL(h->x));
    h->busy = h->head_sent = false;
    if (!h->keep)
        h->c->finish = true;
    if (!h->keep || h->c->closing)
        return;
    if (h->waiting_at < h->waiting.len)
        h->waiting_at +=
            feed_one(h, h->waiting.data + h->waiting_at, h->waiting.len - h->waiting_at);
    if (h->waiting_at == h->waiting.len || h->dead) {
        buf_done(&h->waiting);
        h->waiting_at = 0;
    }
}

void h1_produce(struct sim_conn *c)
{
    struct sim_h1 *h = c->h1;
    if (h->go_on)
        conn_write(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    h->go_on = false;
    while (!c->closing && h->busy && h->x->answered && !c->reset && c->l->out.len < SIM_ROUND) {
        if (!h->head_sent)
            send_head(h);
        send_body(h);
        if (exchange_is_cut(h->x)) {
            c->cut = true;
            return;
        }
        if (!exchange_is_sent(h->x))
            return;
        next(h);
    }
}

void h1_start(struct sim_conn *c)
{
    struct sim_h1 *h = xcalloc(1, sizeof *h);
    h->c = c;
    http_parser_init(&h->parser, HTTP_REQUEST);
    h->parser.data = h;
    h->name = h->value = BUF_INIT(SIM_HEADER_MAX);
    h->waiting = BUF_INIT(SIM_PIPELINE_MAX);
    c->h1 = h;
}

void h1_free(struct sim_h1 *h)
{
    if (!h)
        return;
    buf_done(&h->name);
    buf_done(&h->value);
    buf_done(&h->waiting);
    free(h);
}
