/* digest_header: the sha256 that an upload's head promises: Tandem-Sha256 in hex, or Content-Digest (RFC 9530) in base64. */
#ifndef SERVER_DIGEST_HEADER_H
#define SERVER_DIGEST_HEADER_H
#include "schema/base/err.h"
#include "schema/base/sha256.h"

/* Either header's value may be NULL; `hex` is "" when neither is there. ERR_BAD_REQUEST when one is malformed or both differ. */
enum err digest_header_read(const char *tandem_sha256, const char *content_digest, char hex[SHA256_HEX], struct err_note *note) MUST_USE;
#endif
