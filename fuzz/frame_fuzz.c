/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/frame.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t hash, lines;
};

static int on_line(void *arg, const char *line, size_t len)
{
    struct seen *s = arg;
    if (memchr(line, '\n', len))
        abort();
    for (size_t i = 0; i < len; i++)
        s->hash = (s->hash ^ (unsigned char)line[i]) * 1099511628211ULL;
    s->hash = (s->hash ^ 256) * 1099511628211ULL;
    s->lines++;
    return 0;
}

static struct seen feed(const char *data, size_t size, size_t step)
{
    struct seen s = {0};
    struct kube_frame f = KUBE_FRAME_INIT;
    for (size_t i = 0; i < size; i += step)
        if (kube_frame_feed(&f, data + i, size - i < step ? size - i : step, on_line, &s, NULL) !=
            0)
            abort();
    kube_frame_done(&f);
    return s;
}

/* The same lines come out whatever the pieces: whole, byte by byte, and by the length that the first byte says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const char *text = (const char *)data + 1;
    struct seen whole = feed(text, size - 1, size);
    size_t steps[] = {1, 1 + (size_t)data[0]};
    for (size_t i = 0; i < 2; i++) {
        struct seen pieces = feed(text, size - 1, steps[i]);
        if (pieces.hash != whole.hash || pieces.lines != whole.lines)
            abort();
    }
    return 0;
}
