/* digest_header: hex as it is; of Content-Digest the member sha-256=:BASE64:, others are passed over. */
#include "server/digest_header.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int value_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* 43 digits and '=' are 32 bytes. */
static bool base64_to_hex(const char *text, char hex[SHA256_HEX])
{
    unsigned bits = 0;
    int have = 0, n = 0;
    for (int i = 0; i < 43; i++) {
        int value = value_of(text[i]);
        if (value < 0) return false;
        bits = (bits << 6 | (unsigned)value) & 0xffff;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        snprintf(hex + 2 * n++, 3, "%02x", bits >> have & 0xff);
    }
    return n == SHA256_BYTES && text[43] == '=';
}

static enum err read_content_digest(const char *value, char hex[SHA256_HEX], struct err_note *note)
{
    const char *member = strstr(value, "sha-256=:");
    if (!member) return err_set(note, ERR_BAD_REQUEST, "Content-Digest", "only sha-256=:BASE64: is understood");
    member += strlen("sha-256=:");
    if (strlen(member) < 45 || member[44] != ':' || !base64_to_hex(member, hex))
        return err_set(note, ERR_BAD_REQUEST, "Content-Digest", "sha-256 needs 44 characters of base64 between colons");
    return OK;
}

enum err digest_header_read(const char *tandem_sha256, const char *content_digest, char hex[SHA256_HEX], struct err_note *note)
{
    char other[SHA256_HEX];
    hex[0] = 0;
    if (content_digest) {
        enum err e = read_content_digest(content_digest, hex, note);
        if (e) return e;
    }
    if (!tandem_sha256) return OK;
    if (!sha256_is_hex(tandem_sha256)) return err_set(note, ERR_BAD_REQUEST, "Tandem-Sha256", "64 lower-case hex digits are expected");
    err_print(other, sizeof other, "%s", tandem_sha256);
    if (*hex && strcmp(hex, other)) return err_set(note, ERR_BAD_REQUEST, "Tandem-Sha256", "says something else than Content-Digest");
    memcpy(hex, other, SHA256_HEX);
    return OK;
}
