/* SPDX-License-Identifier: Apache-2.0 */
#include "vm_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

static char top[64];

static struct machine_bundle bundle(const char *text)
{
    static const char *const names[] = {"root-cert.pem", "istio-token", "cluster.env",
                                        "mesh.yaml",     "hosts",       "install.sh"};
    struct machine_bundle b = {0};
    for (size_t i = 0; i < MACHINE_FILES; i++)
        b.files[i] = (struct machine_file){.name = names[i],
                                           .data = xasprintf("%s %s\n", names[i], text),
                                           .len = strlen(names[i]) + strlen(text) + 2,
                                           .secret = i == 1,
                                           .mode = i == 5 ? 0700 : 0600};
    return b;
}

static int setup(void **state)
{
    (void)state;
    snprintf(top, sizeof top, "/tmp/vm-write-XXXXXX");
    return mkdtemp(top) ? 0 : -1;
}

/* Runs a program with its output going nowhere, in top; whether it succeeded. */
static bool runs(const char *program, const char *a, const char *b, const char *c)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(top) < 0 || !freopen("/dev/null", "w", stdout))
            _exit(126);
        execlp(program, program, a, b, c, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int teardown(void **state)
{
    (void)state;
    return runs("rm", "-rf", top, NULL) ? 0 : -1;
}

static void check_mode(const char *path, unsigned mode)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void check_folder(const char *dir, const struct machine_bundle *b)
{
    for (size_t i = 0; i < MACHINE_FILES; i++) {
        auto_free char *path = xasprintf("%s/%s", dir, b->files[i].name);
        auto_free char *text = file_read(path, 4096, NULL, NULL);
        assert_non_null(text);
        assert_string_equal(text, b->files[i].data);
        check_mode(path, (unsigned)b->files[i].mode);
    }
    check_mode(dir, 0700);
}

/* Nothing but what is named is in the folder that holds the bundles. */
static void check_alone(const char *name)
{
    assert_true(runs("sh", "-c", "test \"$(ls -A)\" = \"$0\"", name));
}

static void test_new_folder(void **state)
{
    (void)state;
    auto_machine_bundle b = bundle("one");
    auto_free char *dir = xasprintf("%s/new/", top), *plain = xasprintf("%s/new", top);
    struct err err = {0};
    mode_t old = umask(077);
    assert_int_equal(vm_write_folder(&b, dir, &err), 0);
    umask(old);
    check_folder(plain, &b);
    check_alone("new");
}

static void test_again(void **state)
{
    (void)state;
    auto_machine_bundle a = bundle("one"), b = bundle("two");
    auto_free char *dir = xasprintf("%s/d", top);
    struct err err = {0};
    assert_int_equal(vm_write_folder(&a, dir, &err), 0);
    assert_int_equal(vm_write_folder(&b, dir, &err), 0);
    check_folder(dir, &b);
    check_alone("d");
}

static void test_empty_folder(void **state)
{
    (void)state;
    auto_machine_bundle b = bundle("one");
    auto_free char *dir = xasprintf("%s/d", top);
    struct err err = {0};
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(vm_write_folder(&b, dir, &err), 0);
    check_folder(dir, &b);
}

static void test_files_of_others(void **state)
{
    (void)state;
    auto_machine_bundle b = bundle("one");
    auto_free char *dir = xasprintf("%s/d", top), *mine = xasprintf("%s/d/notes", top);
    struct err err = {0};
    assert_int_equal(mkdir(dir, 0755), 0);
    fclose(fopen(mine, "we"));
    assert_int_equal(vm_write_folder(&b, dir, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    assert_non_null(strstr(err.msg, "notes"));
    assert_int_equal(access(mine, F_OK), 0);
    check_alone("d");
}

static void test_not_a_folder(void **state)
{
    (void)state;
    auto_machine_bundle b = bundle("one");
    auto_free char *file = xasprintf("%s/f", top), *deep = xasprintf("%s/no/such", top);
    struct err err = {0};
    fclose(fopen(file, "we"));
    assert_int_equal(vm_write_folder(&b, file, &err), -1);
    assert_int_equal(vm_write_folder(&b, deep, &err), -1);
    assert_non_null(strstr(err.msg, "no/such"));
    check_alone("f");
}

/* The system's own tar finds the same files. */
static void test_archive(void **state)
{
    (void)state;
    auto_machine_bundle b = bundle("one");
    auto_free char *path = xasprintf("%s/a.tar", top), *dir = xasprintf("%s/billing", top);
    struct err err = {0};
    FILE *f = fopen(path, "we");
    assert_int_equal(vm_write_tar(&b, "billing", 1700000000, fileno(f), &err), 0);
    fclose(f);
    assert_true(runs("tar", "-xpf", "a.tar", NULL));
    check_folder(dir, &b);
    struct stat st;
    auto_free char *token = xasprintf("%s/istio-token", dir);
    assert_int_equal(stat(token, &st), 0);
    assert_int_equal(st.st_mtime, 1700000000);
}

/* A file that fills its last block has no padding. */
static void test_archive_of_a_whole_block(void **state)
{
    (void)state;
    auto_free char *big = xmalloc(505);
    memset(big, 'x', 504);
    big[504] = 0;
    struct machine_bundle b = bundle(big); /* "hosts " + 505 and a line end: 512 */
    auto_free char *path = xasprintf("%s/a.tar", top), *dir = xasprintf("%s/b", top);
    FILE *f = fopen(path, "we");
    assert_int_equal(vm_write_tar(&b, "b", 0, fileno(f), NULL), 0);
    fclose(f);
    assert_true(runs("tar", "-xpf", "a.tar", NULL));
    check_folder(dir, &b);
    machine_bundle_done(&b);
}

static void test_archive_fails(void **state)
{
    (void)state;
    auto_machine_bundle b = bundle("one");
    struct err err = {0};
    FILE *full = fopen("/dev/full", "we");
    assert_int_equal(vm_write_tar(&b, "x", 0, fileno(full), &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    fclose(full);
    assert_int_equal(vm_write_tar(&b, "a/b", 0, 1, &err), -1);
    assert_int_equal(err.class, ERR_BUG);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_new_folder),    T(test_again),
        T(test_empty_folder),  T(test_files_of_others),
        T(test_not_a_folder),  T(test_archive),
        T(test_archive_fails), T(test_archive_of_a_whole_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
