/* SPDX-License-Identifier: Apache-2.0 */
/* Text exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). Each call
 * appends whole lines or, at the buffer's ceiling, nothing: a cut line would spoil the scrape. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "serve/serve.h"

enum { LINES_MAX = 16 * 1024 };

/* HELP texts escape backslash and line feed, label values the quote too. */
static void escaped(struct buf *b, const char *s, const char *special)
{
    while (*s) {
        size_t n = strcspn(s, special);
        buf_append(b, s, n);
        s += n;
        if (!*s)
            break;
        buf_printf(b, "\\%c", *s == '\n' ? 'n' : *s);
        s++;
    }
}

void metric_head(struct buf *b, const char *name, const char *type, const char *help)
{
    auto_buf lines = BUF_INIT(LINES_MAX);
    buf_printf(&lines, "# HELP %s ", name);
    escaped(&lines, help, "\\\n");
    if (buf_printf(&lines, "\n# TYPE %s %s\n", name, type) == 0)
        buf_append(b, lines.data, lines.len);
}

static void number(struct buf *b, double v)
{
    if (isnan(v))
        buf_puts(b, "NaN");
    else if (isinf(v))
        buf_puts(b, v > 0 ? "+Inf" : "-Inf");
    else if (fabs(v) < 1e15 && v == floor(v))
        buf_printf(b, "%.0f", v);
    else
        buf_printf(b, "%.17g", v);
}

void metric_value(struct buf *b, const char *name, double value, ...)
{
    auto_buf line = BUF_INIT(LINES_MAX);
    buf_puts(&line, name);
    va_list ap;
    va_start(ap, value);
    const char *label, *sep = "{";
    while ((label = va_arg(ap, const char *))) {
        const char *v = va_arg(ap, const char *);
        buf_printf(&line, "%s%s=\"", sep, label);
        escaped(&line, v ? v : "", "\\\n\"");
        buf_puts(&line, "\"");
        sep = ",";
    }
    va_end(ap);
    buf_puts(&line, *sep == ',' ? "} " : " ");
    number(&line, value);
    if (buf_puts(&line, "\n") == 0)
        buf_append(b, line.data, line.len);
}
