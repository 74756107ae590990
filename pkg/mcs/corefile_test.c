/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mcs/mcs.h"

#define STOCK                                                                                      \
    ".:53 {\n    errors\n    health {\n       lameduck 5s\n    }\n    ready\n"                     \
    "    kubernetes cluster.local in-addr.arpa ip6.arpa {\n       pods insecure\n    }\n"          \
    "    forward . /etc/resolv.conf\n    cache 30\n}\n"

/* Puts our lines in and takes them out again: what remains is what was there. Returns what was between. */
static char *there_and_back(const char *text)
{
    char *in = NULL, *out = NULL, *again = NULL;
    assert_int_equal(mcs_corefile_edit(text, true, &in), MCS_COREFILE_CHANGED);
    assert_int_equal(mcs_corefile_edit(in, true, &again), MCS_COREFILE_SAME);
    assert_int_equal(mcs_corefile_edit(in, false, &out), MCS_COREFILE_CHANGED);
    assert_string_equal(out, text);
    assert_int_equal(mcs_corefile_edit(out, false, &again), MCS_COREFILE_SAME);
    free(out);
    return in;
}

static void goes_in_before_kubernetes_and_out_again(void **state)
{
    (void)state;
    auto_free char *in = there_and_back(STOCK);
    auto_free char *block = mcs_corefile_block("cluster.local", "    ");
    auto_free char *next = xasprintf("%s    kubernetes cluster.local", block);
    assert_non_null(strstr(in, next));
    assert_non_null(strstr(block, "    rewrite stop name regex "
                                  "^([^.]+)\\.([^.]+)\\.svc\\.clusterset\\.local\\.?$ "
                                  "mcs-{1}.{2}.svc.cluster.local answer auto\n"));
}

static void keeps_the_users_text_byte_for_byte(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "# .:53 {\n#  kubernetes x\n.:53 {\n\tkubernetes\n}",
        ". {\r\n  kubernetes k8s.example  {\r\n  }\r\n}\r\n# end",
        "lab.test:53 {\n kubernetes other.test\n}\n\n dns://.:1053 {\n log # {\n kubernetes a.b "
        "{\n }\n}\n",
        "(snip) {\n  cache 5\n}\n.:53, x.org {\n  import snip\n  template ANY ANY x {\n    "
        "kubernetes no\n  }\n"
        "  kubernetes yes.local in-addr.arpa\n}\n",
    };
    static const char *const domains[] = {"svc.cluster.local ", "svc.k8s.example ", "svc.a.b ",
                                          "svc.yes.local "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        auto_free char *in = there_and_back(texts[i]);
        assert_non_null(strstr(in, domains[i]));
    }
}

static void a_change_of_ours_replaces_the_old_lines(void **state)
{
    (void)state;
    auto_free char *in = there_and_back(STOCK);
    auto_free char *old = xstrdup(in);
    memcpy(strstr(old, "answer auto"), "answer anto", 11); /* of another version */
    char *now = NULL;
    assert_int_equal(mcs_corefile_edit(old, true, &now), MCS_COREFILE_CHANGED);
    assert_string_equal(now, in);
    free(now);
}

static void what_is_not_for_us_is_left(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "not a Corefile",
        "cluster.local:53 {\n kubernetes cluster.local\n}\n", /* not asked for our domain */
        ".:53 {\n forward . 1.2.3.4\n}\n",                    /* knows no Services */
        ".:53 {\n # BEGIN meshwright clusterset.local\n kubernetes\n}\n", /* half of ours */
        ".:53 {\n # END meshwright clusterset.local\n kubernetes\n}\n",
    };
    char *ret = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(mcs_corefile_edit(texts[i], true, &ret), MCS_COREFILE_UNKNOWN);
    assert_null(ret);
}

static void somebody_who_does_it_already_is_left(void **state)
{
    (void)state;
    char *ret = NULL;
    assert_int_equal(mcs_corefile_edit(".:53 {\n kubernetes cluster.local clusterset.local {\n  "
                                       "multicluster clusterset.local\n }\n}\n",
                                       true, &ret),
                     MCS_COREFILE_SAME);
    assert_int_equal(mcs_corefile_edit(".:53 {\n # clusterset.local\n kubernetes\n}\n", true, &ret),
                     MCS_COREFILE_CHANGED);
    free(ret);
}

/* Whatever is between: taken out again it is as before. */
static void any_text_survives(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        ".:53 {\n", "}\n", "  kubernetes a\n", "# x\n", "\n",  "  cache {\n",
        "{ ",       "}",   "y:53 {",           " \t",   "\r\n"};
    unsigned seed = 3;
    size_t changed = 0;
    for (int round = 0; round < 5000; round++) {
        char text[256] = "", *in = NULL, *out = NULL;
        for (int i = rand_r(&seed) % 12; i > 0; i--)
            strncat(text, pieces[(size_t)rand_r(&seed) % (sizeof pieces / sizeof *pieces)],
                    sizeof text - strlen(text) - 1);
        if (mcs_corefile_edit(text, true, &in) != MCS_COREFILE_CHANGED)
            continue;
        changed++;
        assert_int_equal(mcs_corefile_edit(in, false, &out), MCS_COREFILE_CHANGED);
        assert_string_equal(out, text);
        free(in);
        free(out);
    }
    assert_true(changed > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_in_before_kubernetes_and_out_again),
        cmocka_unit_test(keeps_the_users_text_byte_for_byte),
        cmocka_unit_test(a_change_of_ours_replaces_the_old_lines),
        cmocka_unit_test(what_is_not_for_us_is_left),
        cmocka_unit_test(somebody_who_does_it_already_is_left),
        cmocka_unit_test(any_text_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
