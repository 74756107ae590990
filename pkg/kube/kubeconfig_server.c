/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_server.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

enum { URL_MAX = 2048, HOST_MAX = 253 };

static const char host_chars[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
static const char path_chars[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@%/";

struct authority {
    char host[HOST_MAX + 1]; /* without brackets */
    bool v6;
    const char *path; /* after host and port */
};

static const char *split_host(const char *s, struct authority *a)
{
    a->v6 = *s == '[';
    s += a->v6;
    size_t n = a->v6 ? strcspn(s, "]") : strcspn(s, ":/");
    if (!n || n > HOST_MAX || (a->v6 && s[n] != ']'))
        return NULL;
    memcpy(a->host, s, n);
    a->host[n] = '\0';
    struct in6_addr six;
    bool good = a->v6 ? inet_pton(AF_INET6, a->host, &six) == 1 : strspn(a->host, host_chars) == n;
    return good ? s + n + a->v6 : NULL;
}

static const char *split(const char *s, struct authority *a)
{
    s = split_host(s, a);
    if (!s)
        return "the host is not usable";
    if (*s == ':') {
        size_t n = strspn(++s, "0123456789");
        char digits[8] = "";
        int64_t port;
        if (n < sizeof digits)
            memcpy(digits, s, n);
        if (str_to_i64(digits, 1, 65535, &port) < 0)
            return "the port is not usable";
        s += n;
    }
    if (*s && *s != '/')
        return "the host is not usable";
    a->path = s;
    return NULL;
}

static bool is_dangerous_v4(uint32_t ip)
{
    return ip >> 24 == 0 || ip >> 24 == 127 || ip >> 16 == 0xa9fe /* 169.254/16 */ ||
           ip == 0xa83f8110 /* 168.63.129.16, Azure's host */ ||
           ip == 0x646464c8 /* 100.100.100.200, Alibaba's */;
}

static uint32_t v4_tail(const struct in6_addr *six)
{
    uint32_t net;
    memcpy(&net, six->s6_addr + 12, sizeof net);
    return ntohl(net);
}

static bool is_dangerous_v6(const struct in6_addr *six)
{
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b}; /* RFC 6052 */
    static const unsigned char zero[12];
    static const unsigned char ec2[16] = {0xfd, 0x00,        0x0e,
                                          0xc2, [14] = 0x02, 0x54}; /* Amazon's metadata */
    if (IN6_IS_ADDR_LINKLOCAL(six) || memcmp(six->s6_addr, ec2, sizeof ec2) == 0)
        return true;
    bool has_v4 =
        IN6_IS_ADDR_V4MAPPED(six) || memcmp(six->s6_addr, nat64, sizeof nat64) == 0 ||
        memcmp(six->s6_addr, zero, sizeof zero) == 0; /* the last: ::, ::1, and ::a.b.c.d of old */
    return has_v4 && is_dangerous_v4(v4_tail(six));
}

static bool is_name_of(const char *host, const char *name)
{
    size_t n = strlen(host), m = strlen(name);
    if (n && host[n - 1] == '.')
        n--;
    if (n < m || strncasecmp(host + n - m, name, m) != 0)
        return false;
    return n == m || host[n - m - 1] == '.';
}

static bool is_dangerous(const struct authority *a)
{
    struct in6_addr six;
    if (a->v6)
        return inet_pton(AF_INET6, a->host, &six) == 1 && is_dangerous_v6(&six);
    struct in_addr four;
    char host[HOST_MAX + 1];
    memcpy(host, a->host, sizeof host);
    size_t n = strlen(host);
    if (n && host[n - 1] == '.')
        host[n - 1] = '\0';
    if (inet_aton(host, &four)) /* 127.1, 0x7f000001 and 2130706433 are addresses too */
        return is_dangerous_v4(ntohl(four.s_addr));
    return is_name_of(a->host, "localhost") || is_name_of(a->host, "metadata.google.internal");
}

static bool is_loopback(const struct authority *a)
{
    struct in6_addr six;
    struct in_addr four;
    if (a->v6)
        return inet_pton(AF_INET6, a->host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
    if (inet_pton(AF_INET, a->host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return str_eq(a->host, "localhost");
}

const char *kubeconfig_server_problem(const char *url, enum kubeconfig_server_rule rule)
{
    bool untrusted = rule != KUBECONFIG_SERVER_OWN;
    bool https = strncasecmp(url, "https://", 8) == 0, http = strncasecmp(url, "http://", 7) == 0;
    if (strlen(url) > URL_MAX)
        return "the URL is too long";
    if (!https && !http)
        return "the URL must begin with https://";
    if (!https && untrusted)
        return "plain http is not allowed";
    const char *rest = url + (https ? 8 : 7);
    const char *at = strchr(rest, '@');
    if (at && strcspn(rest, "/?#") > (size_t)(at - rest))
        return "user info in the URL is not allowed";
    if (strpbrk(rest, "?#"))
        return "a query or fragment in the URL is not allowed";
    struct authority a = {0};
    const char *problem = split(rest, &a);
    if (problem)
        return problem;
    if (strspn(a.path, path_chars) != strlen(a.path) || strstr(a.path, "/.."))
        return "the path is not usable";
    if (rule == KUBECONFIG_SERVER_MEMBER_LOCAL && is_loopback(&a))
        return NULL;
    if (untrusted && is_dangerous(&a))
        return "a loopback, link-local or metadata address is not allowed";
    return NULL;
}

bool kubeconfig_is_host(const char *s)
{
    struct in6_addr six;
    size_t n = strlen(s);
    return n && n <= HOST_MAX && (strspn(s, host_chars) == n || inet_pton(AF_INET6, s, &six) == 1);
}
