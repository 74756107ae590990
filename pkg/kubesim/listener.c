/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/conn.h"

enum { BACKLOG = 4096, BUFFER_MAX = 64 * 1048576 };

void listener_handle_closed(struct sim_listener *l)
{
    if (--l->handles || !l->freed)
        return;
    exchange_free_orphans(l);
    SSL_CTX_free(l->tls);
    BIO_meth_free(l->bio);
    nghttp2_session_callbacks_del(l->h2);
    nghttp2_option_del(l->h2_option);
    sim_rules_done(&l->rules);
    buf_done(&l->out);
    buf_done(&l->stage);
    free(l);
}

static void closed(uv_handle_t *h)
{
    listener_handle_closed(h->data);
}

static void flush(struct sim_listener *l)
{
    while (l->touched) {
        struct sim_conn *c = l->touched;
        DL_DELETE2(l->touched, c, touched_prev, touched_next);
        c->touched = false;
        conn_pump(c);
    }
    exchange_tell_orphans(l);
}

static void on_prepare(uv_prepare_t *h)
{
    flush(h->data);
}

static void on_check(uv_check_t *h)
{
    flush(h->data);
}

static void on_connection(uv_stream_t *s, int status)
{
    if (status == 0)
        conn_new(s->data);
}

/* Handles are inited one after the other, so that the listener can be freed at any point. */
static void init_handles(struct sim_listener *l)
{
    uv_tcp_init(l->loop, &l->tcp);
    uv_prepare_init(l->loop, &l->prepare);
    uv_check_init(l->loop, &l->check);
    l->tcp.data = l->prepare.data = l->check.data = l;
    l->handles = 3;
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_start(&l->check, on_check);
    uv_unref((uv_handle_t *)&l->prepare);
    uv_unref((uv_handle_t *)&l->check);
}

static int listen_at(struct sim_listener *l, const char *address, int port, struct err *err)
{
    struct sockaddr_in a = {0};
    int len = sizeof a;
    int r = uv_ip4_addr(str_or(address, "127.0.0.1"), port, &a);
    if (r == 0)
        r = uv_tcp_bind(&l->tcp, (const struct sockaddr *)&a, 0);
    if (r == 0)
        r = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
    if (r == 0)
        r = uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&a, &len);
    if (r < 0)
        return err_set(err, ERR_INVALID, -r, "listen at %s:%d: %s", str_or(address, "127.0.0.1"),
                       port, uv_strerror(r));
    l->port = ntohs(a.sin_port);
    return 0;
}

struct sim_listener *sim_listener_new(uv_loop_t *loop, const struct sim_listener_opts *o,
                                      struct err *err)
{
    struct sim_listener *l = xcalloc(1, sizeof *l);
    signal(SIGPIPE, SIG_IGN);
    l->loop = loop;
    l->handler = o->handler;
    l->arg = o->arg;
    l->out = BUF_INIT(BUFFER_MAX);
    l->stage = BUF_INIT(BUFFER_MAX);
    l->bio = tls_bio();
    l->h2 = h2_callbacks();
    l->h2_option = h2_options();
    init_handles(l);
    l->tls = tls_context(o, err);
    if (!l->tls || listen_at(l, o->address, o->port, err) < 0) {
        sim_listener_free(l);
        return NULL;
    }
    return l;
}

int sim_listener_port(const struct sim_listener *l)
{
    return l->port;
}

unsigned sim_listener_add_rule(struct sim_listener *l, const struct sim_rule *r)
{
    return sim_rules_add(&l->rules, r);
}

void sim_listener_remove_rule(struct sim_listener *l, unsigned id)
{
    sim_rules_remove(&l->rules, id);
}

uint64_t sim_listener_requests(const struct sim_listener *l)
{
    return l->requests;
}

uint64_t sim_listener_open(const struct sim_listener *l)
{
    return l->open;
}

uint64_t sim_listener_accepted(const struct sim_listener *l)
{
    return l->accepted;
}

void sim_listener_free(struct sim_listener *l)
{
    if (!l || l->freed)
        return;
    l->freed = true;
    while (l->conns)
        conn_close(l->conns);
    exchange_free_orphans(l);
    uv_close((uv_handle_t *)&l->tcp, closed);
    uv_close((uv_handle_t *)&l->prepare, closed);
    uv_close((uv_handle_t *)&l->check, closed);
}
