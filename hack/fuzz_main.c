/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target without a fuzzer: every file named, as it is and in mutants that are the same on every run. More
 * of them: FUZZ_MUTANTS=100000. With clang the targets link with -fsanitize=fuzzer instead. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_MAX = 4 * 1048576, MUTANTS = 40, MUTANTS_MAX = 100000000 };

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13; /* xorshift */
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* In memory of exactly this size, so that a sanitizer sees the first byte too far. */
static void run(const char *data, size_t n)
{
    auto_free uint8_t *exact = xmalloc(n);
    if (n)
        memcpy(exact, data, n);
    LLVMFuzzerTestOneInput(exact, n);
}

/* One edit: a byte set, a bit flipped, a piece dropped, doubled or moved. n is the length, room is larger than 2 n. */
static size_t mutate(char *s, size_t n, uint64_t *seed)
{
    static const char spice[] = "{}[]\"'\\:,-#&*!|>%@`~\n\r\t \0\xff\x7f\x80=.0e";
    size_t at = random_next(seed) % n, len = 1 + random_next(seed) % (n - at);
    switch (random_next(seed) % 5) {
    case 0:
        s[at] = spice[random_next(seed) % (sizeof spice - 1)];
        return n;
    case 1:
        s[at] = (char)(s[at] ^ (1 << random_next(seed) % 8));
        return n;
    case 2:
        memmove(s + at, s + at + len, n - at - len);
        return n - len;
    case 3:
        memmove(s + at + len, s + at, n - at);
        return n + len;
    default:
        memmove(s + at, s + random_next(seed) % (n - len + 1), len);
        return n;
    }
}

static void run_mutants(const struct buf *b, int64_t mutants, uint64_t *seed)
{
    enum { EDITS = 4, ROOM = 1 << EDITS };
    auto_free char *copy = xmalloc(b->len * ROOM + 1);
    while (mutants-- > 0) {
        size_t n = b->len;
        memcpy(copy, b->data, n);
        for (uint64_t edits = 1 + random_next(seed) % EDITS; edits && n; edits--)
            n = mutate(copy, n, seed);
        run(copy, n);
    }
}

static int read_file(const char *path, struct buf *b)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    char chunk[8192];
    int r = 0;
    for (size_t n; r == 0 && (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        r = buf_append(b, chunk, n);
    fclose(f);
    return r;
}

int main(int argc, char **argv)
{
    int64_t mutants = MUTANTS;
    const char *wanted = getenv("FUZZ_MUTANTS");
    if (wanted && str_to_i64(wanted, 0, MUTANTS_MAX, &mutants) < 0)
        return fputs("FUZZ_MUTANTS is not a number\n", stderr), 2;
    uint64_t seed = 88172645463325252ULL;
    run("", 0);
    for (int i = 1; i < argc; i++) {
        auto_buf b = BUF_INIT(FILE_MAX);
        if (read_file(argv[i], &b) < 0)
            return fprintf(stderr, "%s can't be read\n", argv[i]), 2;
        run(b.data, b.len);
        if (b.len)
            run_mutants(&b, mutants, &seed);
    }
    printf("%d files\n", argc - 1);
    return argc > 1 ? 0 : 2;
}
