#ifndef POSTERN_IDENTITY_KEYID_H
#define POSTERN_IDENTITY_KEYID_H

/*
 * Key ids, doc/protocol.md section 1: what the directory, the ID file and the knock know a key by.
 */

#include <stdint.h>

#include "base/span.h"

#define KEYID_LEN 32
#define KEYID_ED25519_LEN 32

/*
 * SHA-256 of the 44-byte SubjectPublicKeyInfo (RFC 8410 4) of an Ed25519 key, so that one key has
 * one id whether it came from a certificate, an ID file or an authorized_keys line.
 */
void keyid_ed25519(const uint8_t pk[KEYID_ED25519_LEN], uint8_t ret[KEYID_LEN]);

/*
 * SHA-256 of a whole SSH key blob: the id of a sk-ssh-ed25519@openssh.com key. Its application
 * string is part of what the token signs, so it is part of the id.
 */
void keyid_blob(struct span blob, uint8_t ret[KEYID_LEN]);

#endif
