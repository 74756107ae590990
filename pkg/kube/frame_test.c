/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct lines {
    struct buf text; /* the lines, each followed by '|' */
    int n, stop_at;
};

static int on_line(void *arg, const char *line, size_t len)
{
    struct lines *l = arg;
    buf_append(&l->text, line, len);
    buf_puts(&l->text, "|");
    return ++l->n == l->stop_at;
}

/* However the stream is cut, the lines are the same. */
static void test_pieces(void **state)
{
    static const char stream[] = "{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}\n";
    (void)state;
    for (size_t piece = 1; piece <= sizeof stream; piece++) {
        struct kube_frame f = KUBE_FRAME_INIT;
        struct lines l = {.text = BUF_INIT(1000)};
        for (size_t at = 0; at < sizeof stream - 1; at += piece) {
            size_t n = sizeof stream - 1 - at < piece ? sizeof stream - 1 - at : piece;
            auto_free char *copy = xstrndup(stream + at, n); /* exact, so that ASan sees its end */
            assert_int_equal(kube_frame_feed(&f, copy, n, on_line, &l, NULL), 0);
        }
        assert_string_equal(l.text.data, "{\"a\":1}|{\"b\":2}|{\"c\":3}|");
        buf_done(&l.text);
        kube_frame_done(&f);
    }
}

static void test_unfinished(void **state)
{
    struct kube_frame f = KUBE_FRAME_INIT;
    struct lines l = {.text = BUF_INIT(1000)};
    (void)state;
    assert_int_equal(kube_frame_feed(&f, "{\"a\"", 4, on_line, &l, NULL), 0);
    assert_int_equal(l.n, 0);
    kube_frame_done(&f);
    assert_int_equal(kube_frame_feed(&f, "x\n", 2, on_line, &l, NULL), 0);
    assert_string_equal(l.text.data, "x|");
    kube_frame_done(&f);
    buf_done(&l.text);
}

static void test_too_long(void **state)
{
    struct kube_frame f = {BUF_INIT(8)};
    struct lines l = {.text = BUF_INIT(1000)};
    struct err err = {0};
    (void)state;
    assert_int_equal(kube_frame_feed(&f, "12345678\n", 9, on_line, &l, &err), 0);
    assert_int_equal(kube_frame_feed(&f, "1234", 4, on_line, &l, &err), 0);
    assert_int_equal(kube_frame_feed(&f, "56789", 5, on_line, &l, &err), -1);
    assert_int_equal(err.class, ERR_TRANSIENT);
    kube_frame_done(&f);
    assert_int_equal(kube_frame_feed(&f, "123456789\n", 10, on_line, &l, &err), -1);
    kube_frame_done(&f);
    buf_done(&l.text);
}

static void test_stop(void **state)
{
    struct kube_frame f = KUBE_FRAME_INIT;
    struct lines l = {.text = BUF_INIT(1000), .stop_at = 2};
    (void)state;
    assert_int_equal(kube_frame_feed(&f, "a\nb\nc\n", 6, on_line, &l, NULL), 1);
    assert_string_equal(l.text.data, "a|b|");
    kube_frame_done(&f);
    buf_done(&l.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
