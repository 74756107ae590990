/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that keep to no protocol. Whatever they send, a transfer ends once, nothing is read or written where it must
 * not be, and the pool works as soon as the server does. */
#include "http/h2_fixture_test.h"

enum { ROUNDS = 150, FRAME_HEAD = 9 };

static uint64_t dice;

static size_t pick(size_t n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return n ? dice % n : 0;
}

static void put_head(unsigned char *to, size_t len, unsigned type, unsigned flags, uint32_t id)
{
    const unsigned char head[FRAME_HEAD] = {
        (unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len,
        (unsigned char)type,        (unsigned char)flags,      (unsigned char)(id >> 24),
        (unsigned char)(id >> 16),  (unsigned char)(id >> 8),  (unsigned char)id};
    memcpy(to, head, sizeof head);
}

/* A frame that may be anything; now and then its length is a lie. */
static void put_noise(struct buf *b)
{
    unsigned char frame[FRAME_HEAD + 64];
    size_t len = pick(65), said = pick(8) ? len : pick(1 << 24);
    for (size_t i = 0; i < len; i++)
        frame[FRAME_HEAD + i] = (unsigned char)pick(256);
    put_head(frame, said, (unsigned)pick(12), (unsigned)pick(64), (uint32_t)pick(6));
    buf_append(b, frame, FRAME_HEAD + len);
}

static void spoil(void *arg, struct buf *b)
{
    (void)arg;
    for (size_t n = pick(3); n; n--) {
        size_t at = pick(b->len), len = pick(b->len - at);
        switch (pick(4)) {
        case 0:
            b->data[at] = (char)(b->data[at] ^ (1 << pick(8)));
            break;
        case 1: /* less */
            memmove(b->data + at, b->data + at + len, b->len - at - len);
            b->len -= len;
            break;
        case 2: { /* the same again */
            auto_free char *again = xmalloc(len + 1);
            memcpy(again, b->data + at, len);
            buf_append(b, again, len);
            break;
        }
        default:
            put_noise(b);
        }
    }
}

/* The server comes back to its senses, with new connections. A first attempt may be lost with an old one. */
static void assert_works(struct fixture *f, struct http_pool *p)
{
    static struct result r;
    while (f->server.conns)
        h2_drop(f->server.conns);
    r = (struct result){0};
    for (int i = 0; i < 3 && r.status != 200; i++) {
        r = (struct result){0};
        start_in(p, f, &r, "GET", "/plain", NULL);
        assert_true(fake_run(&f->loop, &r.done));
    }
    assert_int_equal(r.status, 200);
    assert_string_equal(r.text, "hello");
}

static void play(struct fixture *f, struct http_pool *p)
{
    static const char *const paths[] = {"/plain", "/busy", "/gzip", "/huge", "/refuse", "/hold"};
    static struct result r[4];
    f->n_held = 0;
    f->server.spoil = spoil;
    for (int i = 0; i < 4; i++) {
        struct http_request q = {
            .method = "GET", .path = paths[pick(sizeof paths / sizeof *paths)], .timeout_ms = 20};
        r[i] = (struct result){.f = f};
        http_start(p, &q, &handler, &r[i]);
    }
    for (int i = 0; i < 4; i++)
        assert_true(fake_run(&f->loop, &r[i].done));
    f->server.spoil = NULL;
}

static void test_spoilt_frames(void **state)
{
    struct fixture *f = *state;
    f->gzip = "\x1f\x8b no gzip";
    f->gzip_len = strlen(f->gzip);
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        dice = seed * 0x9E3779B97F4A7C15ULL;
        struct http_pool *p =
            pool_new(f, (struct http_pool_opts){.gzip = seed % 2, .idle_ms = seed % 3 ? 0 : 5});
        play(f, p);
        while (seed % 3 == 0 && stats(p).open) /* whatever state it is in, it goes */
            uv_run(&f->loop, UV_RUN_ONCE);
        assert_works(f, p);
        http_pool_free(p);
    }
}

/* --- floods --- */

static const struct flood {
    unsigned type, flags, id;
    size_t len;
    const char *body;
    bool survives; /* allowed, however pointless */
} floods[] = {
    {6, 0, 0, 8, "\0\0\0\0\0\0\0\0", false}, /* PING */
    {4, 0, 0, 0, "", false},                 /* SETTINGS */
    {8, 0, 0, 4, "\0\0\0\1", true},          /* WINDOW_UPDATE */
    {0, 0, 1, 0, "", true},                  /* DATA without any */
    {2, 0, 1, 5, "\0\0\0\0\1", true},        /* PRIORITY */
    {11, 0, 1, 4, "none", true},             /* of no type that is known */
    {1, 0, 1, 1, "\x88", false},             /* HEADERS, without end */
    {9, 0, 1, 1, "\x88", false},             /* CONTINUATION of nothing */
    {5, 4, 1, 5, "\0\0\0\2\x88", false},     /* PUSH_PROMISE, which we have forbidden */
    {3, 0, 1, 4, "\0\0\0\x8", false},        /* RST_STREAM */
    {7, 0, 0, 8, "\0\0\0\0\0\0\0\0", false}, /* GOAWAY */
};
static const struct flood *flood;

static void pour(void *arg, struct buf *b)
{
    unsigned char frame[FRAME_HEAD + 8];
    (void)arg;
    put_head(frame, flood->len, flood->type, flood->flags, flood->id);
    memcpy(frame + FRAME_HEAD, flood->body, flood->len);
    for (int i = 0; i < 20000; i++)
        buf_append(b, frame, FRAME_HEAD + flood->len);
}

static void test_floods(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
        struct http_pool *p = pool_new(f, (struct http_pool_opts){0});
        static struct result r, next;
        r = next = (struct result){0};
        f->n_held = 0;
        flood = &floods[i];
        start_in(p, f, &r, "GET", "/hold", NULL);
        assert_true(fake_run(&f->loop, &r.has_data));
        f->server.spoil = pour;
        h2_chunk(f->held[0], "two", 3, false);
        h2_flush(f->held[0]->conn);
        f->server.spoil = NULL;
        if (flood->survives) {
            start_in(p, f, &next, "GET", "/plain", NULL);
            assert_true(fake_run(&f->loop, &next.done));
            assert_int_equal(next.status, 200);
            assert_false(r.done);
        } else {
            assert_true(fake_run(&f->loop, &r.done));
            assert_int_not_equal(r.fault, HTTP_OK);
        }
        assert_works(f, p);
        http_pool_free(p);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_spoilt_frames), T(test_floods)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
