/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of IP addresses, RFC 4632 and RFC 4291: "10.1.0.0/16", "fd00::/8". */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cidr {
    bool v6;
    uint8_t bits;
    uint8_t address[16]; /* an IPv4 one in the first four; bits of hosts are zero */
};

enum { CIDR_TEXT_MAX = 64 };

/* -1 when it is none. Bits behind the prefix are taken for zero, as Kubernetes takes them. */
int cidr_parse(const char *text, struct cidr *ret);
/* 4 or 6 when the text is an IP address alone, 0 when it is none. */
int cidr_address_family(const char *text);
void cidr_format(const struct cidr *c, char out[CIDR_TEXT_MAX]);
bool cidr_overlaps(const struct cidr *a, const struct cidr *b);
/* Sorts, drops what lies within another, and joins halves of one range. Returns how many are left. */
size_t cidr_merge(struct cidr *v, size_t n);

#endif
