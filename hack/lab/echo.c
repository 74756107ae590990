/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 server of the lab's workloads: answers each request with who answers and how the request came.
 *
 * The answer is plain text, one "key=value" a line: pod, cluster and mesh (environment POD_NAME, CLUSTER, MESH), then host, path and
 * xfcc (the header x-forwarded-client-cert, that is the caller as the sidecar saw it). What is not known is "-". Environment PORT is
 * the port, 8080 by default. One thread per connection, keep-alive; bodies of requests are not expected.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 65536 };

static const char *env(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value && *value ? value : fallback;
}

/* Copies the value of header NAME from the head of a request into OUT; "-" if it is absent. */
static void header(const char *head, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    snprintf(out, size, "-");
    for (const char *eol = strstr(head, "\r\n"); eol; eol = strstr(eol + 2, "\r\n")) {
        const char *line = eol + 2;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':')
            continue;
        line += n + 1;
        line += strspn(line, " \t");
        snprintf(out, size, "%.*s", (int)strcspn(line, "\r\n"), line);
        return;
    }
}

static int send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0)
            return -1;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int answer(int fd, const char *head)
{
    char xfcc[4096], host[256], path[256] = "-", body[8192], reply[8448];
    header(head, "x-forwarded-client-cert", xfcc, sizeof xfcc);
    header(head, "host", host, sizeof host);
    sscanf(head, "%*15s %255s", path);
    int b = snprintf(body, sizeof body, "pod=%s\ncluster=%s\nmesh=%s\nhost=%s\npath=%s\nxfcc=%s\n",
                     env("POD_NAME", "-"), env("CLUSTER", "-"), env("MESH", "-"), host, path, xfcc);
    int r = snprintf(reply, sizeof reply,
                     "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%s",
                     b, body);
    return b < (int)sizeof body && r < (int)sizeof reply ? send_all(fd, reply, (size_t)r) : -1;
}

/* Answers the requests of one connection until either side ends it. */
static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char *buf = malloc(REQUEST_MAX + 1);
    size_t have = 0;
    while (buf && have < REQUEST_MAX) {
        ssize_t got = recv(fd, buf + have, REQUEST_MAX - have, 0);
        if (got <= 0)
            break;
        have += (size_t)got;
        buf[have] = 0;
        for (char *end; (end = strstr(buf, "\r\n\r\n"));) {
            *end = 0;
            if (answer(fd, buf) < 0)
                goto done;
            have -= (size_t)(end + 4 - buf);
            memmove(buf, end + 4, have + 1);
        }
    }
done:
    free(buf);
    close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6,
                              .sin6_addr = in6addr_any,
                              .sin6_port = htons((uint16_t)atoi(env("PORT", "8080")))};
    int one = 1, zero = 0;
    int s = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* the first process of a container dies of no signal that it does not handle */
    signal(SIGTERM, _exit);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero); /* IPv4 too */
    if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof at) < 0 || listen(s, SOMAXCONN) < 0) {
        perror("echo");
        return 1;
    }
    for (;;) {
        pthread_t thread;
        int fd = accept(s, NULL, NULL);
        if (fd < 0)
            continue;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
            close(fd);
        else
            pthread_detach(thread);
    }
}
