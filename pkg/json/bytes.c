/* SPDX-License-Identifier: Apache-2.0 */
#include "json/jx.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

void jx_sha256_bytes(const void *data, size_t len, char out[JX_SHA256_HEX])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!EVP_Digest(data, len, md, &n, EVP_sha256(), NULL) || 2 * n + 1 != JX_SHA256_HEX)
        abort(); /* a libcrypto without SHA-256 */
    str_hex(md, n, out);
}

void jx_sha256(const json_t *v, char out[JX_SHA256_HEX])
{
    auto_free char *s = jx_dump(v);
    jx_sha256_bytes(s, strlen(s), out);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *jx_b64(const void *data, size_t len)
{
    const unsigned char *in = data;
    char *out = xmalloc(len / 3 * 4 + 5), *p = out;
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        unsigned v = (unsigned)in[i] << 16;
        v |= have > 1 ? (unsigned)in[i + 1] << 8 : 0;
        v |= have > 2 ? (unsigned)in[i + 2] : 0;
        *p++ = alphabet[v >> 18];
        *p++ = alphabet[v >> 12 & 63];
        *p++ = '=';
        *p++ = '=';
        if (have > 1)
            p[-2] = alphabet[v >> 6 & 63];
        if (have > 2)
            p[-1] = alphabet[v & 63];
    }
    *p = '\0';
    return out;
}

static int b64_value(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

/* Counts the digits and the padding; false when there is anything else (line ends apart, which Go skips as well). */
static bool b64_measure(const char *s, size_t *ret_digits)
{
    size_t digits = 0, pad = 0;
    for (; *s; s++) {
        if (*s == '\n' || *s == '\r')
            continue;
        if (*s == '=')
            pad++;
        else if (pad || b64_value(*s) < 0)
            return false;
        else
            digits++;
    }
    *ret_digits = digits;
    return pad <= 2 && (digits + pad) % 4 == 0;
}

void *jx_unb64(const char *s, size_t *ret_len)
{
    size_t digits, n = 0;
    if (!s || !b64_measure(s, &digits))
        return NULL;
    unsigned char *out = xmalloc(digits / 4 * 3 + 3);
    unsigned v = 0, bits = 0;
    for (; *s && *s != '='; s++) {
        if (*s == '\n' || *s == '\r')
            continue;
        v = (v << 6 | (unsigned)b64_value(*s)) & 0xfff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (unsigned char)(v >> bits);
        }
    }
    out[n] = '\0';
    *ret_len = n;
    return out;
}
