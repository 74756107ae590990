/* SPDX-License-Identifier: Apache-2.0 */
/* Events that come in quick succession are read together. */
#include "http/h2_fixture_test.h"

enum { LONG_MS = 3600000, TURNS = 50 };

static void say(struct fixture *f, const char *text)
{
    h2_chunk(f->held[0], text, strlen(text), false);
    h2_flush(f->held[0]->conn);
}

/* What is on its way over loopback has arrived after a few turns, if anybody reads it. */
static void turn(struct fixture *f)
{
    for (int i = 0; i < TURNS; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void until(struct fixture *f, const struct result *r, const char *text)
{
    uint64_t end = uv_hrtime() + 20000000000u;
    while (strcmp(r->text, text) != 0 && uv_hrtime() < end)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_string_equal(r->text, text);
}

/* A watch that is open, and not in a lull any more. */
static void begin(struct fixture *f, struct result *r)
{
    http_pool_set_lull(f->pool, 1);
    watch(f, r);
    until(f, r, "one");
    for (uint64_t end = uv_hrtime() + 20000000u; uv_hrtime() < end;)
        turn(f);
}

/* The second of three events is read, and the third is not: a lull that does not end by itself. */
static void lull(struct fixture *f, struct result *r)
{
    begin(f, r);
    http_pool_set_lull(f->pool, LONG_MS);
    say(f, ",two");
    until(f, r, "one,two");
    say(f, ",three");
    turn(f);
    say(f, ",four");
    turn(f);
    assert_string_equal(r->text, "one,two");
}

static void test_a_request_ends_it(void **state)
{
    struct fixture *f = *state;
    struct result r = {0}, plain = {0};
    lull(f, &r);
    get(f, &plain, "/plain");
    assert_int_equal(plain.status, 200);
    assert_string_equal(r.text, "one,two,three,four");
    assert_int_equal(f->server.accepted, 1);
}

static void test_another_watch_ends_it(void **state)
{
    struct fixture *f = *state;
    struct result r = {0}, other = {0};
    lull(f, &r);
    watch(f, &other);
    until(f, &other, "one");
    assert_string_equal(r.text, "one,two,three,four");
}

static void test_hurry_ends_it(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    lull(f, &r);
    http_pool_hurry(f->pool);
    until(f, &r, "one,two,three,four");
    say(f, ",five");
    until(f, &r, "one,two,three,four,five");
    say(f, ",six");
    until(f, &r, "one,two,three,four,five,six");
}

static void test_it_ends(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    http_pool_set_lull(f->pool, 2);
    watch(f, &r);
    until(f, &r, "one");
    for (int i = 0; i < 5; i++) {
        say(f, ".");
        turn(f);
    }
    until(f, &r, "one.....");
    say(f, "!");
    until(f, &r, "one.....!");
}

static void test_who_is_not_patient(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    http_pool_set_lull(f->pool, LONG_MS);
    start(f, &r, "/hold");
    until(f, &r, "one");
    say(f, ",two");
    until(f, &r, "one,two");
    say(f, ",three");
    until(f, &r, "one,two,three");
}

static void test_the_server_is_gone(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    http_pool_set_lull(f->pool, 2);
    watch(f, &r);
    until(f, &r, "one");
    h2_drop(f->held[0]->conn);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_LOST);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    lull(f, &r);
    http_cancel(r.transfer);
    turn(f);
    assert_string_equal(r.text, "one,two");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_request_ends_it),
        T(test_another_watch_ends_it),
        T(test_hurry_ends_it),
        T(test_it_ends),
        T(test_who_is_not_patient),
        T(test_the_server_is_gone),
        T(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
