/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP server of the controller: /healthz, /readyz, /metrics (text exposition format 0.0.4), plain
 * HTTP/1.1 on one port, libwebsockets on the caller's libuv loop. Read-only; anything else is 404;
 * caps on headers, connections and time. */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"

struct serve_hooks {
    bool (*healthy)(void *arg);
    bool (*ready)(void *arg);
    void (*metrics)(void *arg, struct buf *out); /* appends exposition text */
    void *arg;
};

struct serve;
/* address: ":8081" (every address, IPv6 too where the machine has it), "127.0.0.1:8081" or "[::1]:8081"; port 0 takes a
 * free one. NULL with *err set when it can't listen there. The hooks' arg must live until the loop has ended. */
struct serve *serve_start(uv_loop_t *loop, const char *address, const struct serve_hooks *hooks,
                          struct err *err);
int serve_port(const struct serve *s);
/* Stops listening and drops the connections. The rest is closed and freed by the loop, which must
 * run on for that, until uv_run() returns by itself; a process that ends at once may leave it out. NULL is fine. */
void serve_stop(struct serve *s);

/* --- writing the exposition format --- */
/* "# HELP name help\n# TYPE name type\n" */
void metric_head(struct buf *b, const char *name, const char *type, const char *help);
/* name{k1="v1",...} value ; labels: pairs ended by NULL; values are escaped. */
void metric_value(struct buf *b, const char *name, double value, ...) __attribute__((sentinel));

#endif
