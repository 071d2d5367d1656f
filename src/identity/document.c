/*
 * Files for named people, in pieces. Invariant: a reader gives out no byte of a head whose signature
 * does not hold, nor of a piece that is not the next one of that head; and a piece is the last one
 * only when the writer said so.
 */

#include "identity/document.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "identity/internal.h"
#include "knock/hpke.h"
#include "knock/spa.h"

#define FILE_KEY_LEN crypto_secretstream_xchacha20poly1305_KEYBYTES
#define STREAM_HEADER_LEN crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define STREAM_EXTRA crypto_secretstream_xchacha20poly1305_ABYTES
#define SIGNATURE_LEN 64
#define HINT_LEN 8
#define SEALED_LEN (FILE_KEY_LEN + HPKE_TAG_LEN)
#define RECIPIENT_LEN (HINT_LEN + HPKE_KEY_LEN + SEALED_LEN)

_Static_assert(FILE_KEY_LEN == 32 && STREAM_HEADER_LEN == 24 && STREAM_EXTRA == 17, "libsodium");

static const char head_label[] = "postern document v1";
static const char body_label[] = "postern document body v1";
static const char key_label[] = "postern document key v1";
static const uint8_t magic[20] = "postern document v1\n"; /* no NUL */

struct document_writer {
	crypto_secretstream_xchacha20poly1305_state stream;
	bool is_started;                /* the first piece is bound to the head */
	crypto_hash_sha256_state plain; /* of the head's hash and all plain text */
	uint8_t sk[64];
	uint8_t room[DOCUMENT_ROOM_MAX]; /* the last piece and its signature */
	size_t head_len;
	uint8_t head[DOCUMENT_HEAD_MAX];
};

struct document_reader {
	crypto_secretstream_xchacha20poly1305_state stream;
	bool is_started, is_ended;
	crypto_hash_sha256_state plain;
	uint8_t sender_pk[32];
	uint8_t head_hash[32];
};

/* ------------------------------------------------------------------ document keys */

static struct writer key_fields(const struct document_key *k, uint8_t to[DOCUMENT_KEY_LEN])
{
	struct writer w = writer_init(to, DOCUMENT_KEY_LEN);
	writer_put(&w, k->key_id, sizeof(k->key_id));
	writer_u64(&w, k->created_ms);
	writer_put(&w, k->x25519, sizeof(k->x25519));
	return w;
}

void document_key_encode(
	const struct document_key *k, const uint8_t sk[64], uint8_t to[DOCUMENT_KEY_LEN])
{
	uint8_t signature[SIGNATURE_LEN];
	struct writer w = key_fields(k, to);
	record_sign(key_label, writer_span(&w), sk, signature);
	writer_put(&w, signature, sizeof(signature));
}

bool document_key_decode(struct span s, const uint8_t pk[32], struct document_key *ret)
{
	struct document_key k;
	uint8_t own[32];
	struct reader r = reader_init(s);
	reader_copy(&r, k.key_id, sizeof(k.key_id));
	k.created_ms = reader_u64(&r);
	reader_copy(&r, k.x25519, sizeof(k.x25519));
	struct span signature = reader_take(&r, SIGNATURE_LEN);
	if (!reader_done(&r))
		return false;
	spa_key_id(pk, own);
	if (memcmp(own, k.key_id, sizeof(own)) != 0)
		return false;
	if (!record_verify(key_label, span_slice(s, 0, DOCUMENT_KEY_LEN - SIGNATURE_LEN), pk,
		    signature.data))
		return false;
	*ret = k;
	return true;
}

/* ------------------------------------------------------------------ the head, written */

/* The first bytes of the hash of a document key: whose piece of the head to try. */
static void make_hint(const uint8_t x25519[32], uint8_t ret[HINT_LEN])
{
	uint8_t hash[32];
	crypto_hash_sha256(hash, x25519, 32);
	memcpy(ret, hash, HINT_LEN);
}

static bool put_recipient(
	struct writer *w, const uint8_t x25519[32], const uint8_t file_key[FILE_KEY_LEN])
{
	uint8_t hint[HINT_LEN], enc[HPKE_KEY_LEN], sealed[SEALED_LEN];
	struct hpke_secret eph;
	struct hpke_context c;
	randombytes_buf(eph.b, sizeof(eph.b));
	bool is_good = hpke_sender(
		x25519, &eph, span_of(head_label, sizeof(head_label) - 1), NULL, enc, &c);
	sodium_memzero(&eph, sizeof(eph));
	if (!is_good)
		return false;
	hpke_seal(&c, span_of(NULL, 0), span_of(file_key, FILE_KEY_LEN), sealed);
	hpke_context_wipe(&c);
	make_hint(x25519, hint);
	writer_put(w, hint, sizeof(hint));
	writer_put(w, enc, sizeof(enc));
	writer_put(w, sealed, sizeof(sealed));
	return true;
}

static void sign_head(struct writer *w, const uint8_t sk[64])
{
	uint8_t hash[32], signature[SIGNATURE_LEN];
	crypto_hash_sha256(hash, w->start, w->len);
	record_sign(head_label, SPAN_OF(hash), sk, signature);
	writer_put(w, signature, sizeof(signature));
}

static int refuse(struct fault *f, int rc, const char *why)
{
	fault_set(f, "%s", why);
	return rc;
}

static int write_head(struct document_writer *d, const struct document_recipient *recipients,
	size_t count, const struct document_sender *sender, const uint8_t sk[64],
	const uint8_t file_key[FILE_KEY_LEN], struct fault *f)
{
	struct writer w = writer_init(d->head, sizeof(d->head));
	uint8_t stream_header[STREAM_HEADER_LEN];
	writer_put(&w, magic, sizeof(magic));
	writer_u8(&w, (uint8_t)count);
	for (size_t i = 0; i < count; i++)
		if (!put_recipient(&w, recipients[i].x25519, file_key)) {
			fault_set(f,
				"the document key of recipient %zu is of low order; get another",
				i + 1);
			return -EINVAL;
		}
	writer_put(&w, sender->pk, sizeof(sender->pk));
	if (!record_put_name(&w, sender->name))
		return refuse(f, -EINVAL, "the sender's name is no name");
	crypto_secretstream_xchacha20poly1305_init_push(&d->stream, stream_header, file_key);
	writer_put(&w, stream_header, sizeof(stream_header));
	sign_head(&w, sk);
	if (w.is_full)
		return refuse(f, -EINVAL, "the head would be too long; name fewer recipients");
	d->head_len = w.len;
	return 0;
}

int document_writer_new(const struct document_recipient *recipients, size_t count,
	const struct document_sender *sender, const uint8_t sk[64], struct document_writer **ret,
	struct span *ret_head, struct fault *f)
{
	uint8_t file_key[FILE_KEY_LEN];
	if (count == 0 || count > DOCUMENT_RECIPIENTS_MAX) {
		fault_set(f, "a file is for 1 to %d recipients, not for %zu",
			DOCUMENT_RECIPIENTS_MAX, count);
		return -EINVAL;
	}
	if (memcmp(sk + 32, sender->pk, 32) != 0)
		return refuse(f, -EINVAL, "the sender's key is not the one that signs");
	struct document_writer *d = calloc(1, sizeof(*d));
	if (d == NULL)
		return refuse(f, -ENOMEM, "no memory to encrypt a file; free some");
	crypto_secretstream_xchacha20poly1305_keygen(file_key);
	int rc = write_head(d, recipients, count, sender, sk, file_key, f);
	sodium_memzero(file_key, sizeof(file_key));
	if (rc < 0) {
		document_writer_free(d);
		return rc;
	}
	memcpy(d->sk, sk, sizeof(d->sk));
	*ret = d;
	*ret_head = span_of(d->head, d->head_len);
	return 0;
}

void document_writer_free(struct document_writer *w)
{
	if (w == NULL)
		return;
	sodium_memzero(w, sizeof(*w));
	free(w);
}

/* ------------------------------------------------------------------ the head, read */

/* What a head says, borrowed from its bytes. */
struct head {
	uint8_t count;
	struct span recipients; /* count times RECIPIENT_LEN bytes */
	struct document_sender sender;
	struct span stream_header, signature;
	size_t len;
};

static int decode_head(struct span s, struct head *h, struct fault *f)
{
	static const char malformed[] = "it is no file for named people, or was changed";
	struct reader r = reader_init(s);
	struct span begin = reader_take(&r, s.len < sizeof(magic) ? s.len : sizeof(magic));
	/* Another file is told from its first bytes, however short it is. */
	if (!span_equal(begin, span_of(magic, begin.len)))
		return refuse(f, -EINVAL, malformed);
	h->count = reader_u8(&r);
	if (!r.is_short && (h->count == 0 || h->count > DOCUMENT_RECIPIENTS_MAX))
		return refuse(f, -EINVAL, malformed);
	h->recipients = reader_take(&r, (size_t)h->count * RECIPIENT_LEN);
	reader_copy(&r, h->sender.pk, sizeof(h->sender.pk));
	bool is_name = record_take_name(&r, h->sender.name);
	h->stream_header = reader_take(&r, STREAM_HEADER_LEN);
	h->signature = reader_take(&r, SIGNATURE_LEN);
	if (r.is_short && s.len < DOCUMENT_HEAD_MAX)
		return refuse(f, -EAGAIN, "it is cut off; get the whole file");
	if (r.is_short || !is_name)
		return refuse(f, -EINVAL, malformed);
	h->len = s.len - r.left;
	return 0;
}

static bool is_signed(struct span s, const struct head *h)
{
	uint8_t hash[32];
	crypto_hash_sha256(hash, s.data, h->len - SIGNATURE_LEN);
	return record_verify(head_label, SPAN_OF(hash), h->sender.pk, h->signature.data);
}

/* One recipient's piece with one secret; false when it is not for it. */
static bool open_one(
	struct span piece, const uint8_t x25519_secret[32], uint8_t file_key[FILE_KEY_LEN])
{
	struct reader r = reader_init(piece);
	struct span hint = reader_take(&r, HINT_LEN), enc = reader_take(&r, HPKE_KEY_LEN),
		    sealed = reader_take(&r, SEALED_LEN);
	uint8_t pk[32], own[HINT_LEN];
	struct hpke_secret secret;
	struct hpke_context c;
	memcpy(secret.b, x25519_secret, sizeof(secret.b));
	hpke_public_key(&secret, pk);
	make_hint(pk, own);
	bool is_good = memcmp(hint.data, own, HINT_LEN) == 0 &&
		hpke_receiver(
			enc.data, &secret, span_of(head_label, sizeof(head_label) - 1), NULL, &c);
	sodium_memzero(&secret, sizeof(secret));
	if (!is_good)
		return false;
	is_good = hpke_open(&c, span_of(NULL, 0), sealed, file_key);
	hpke_context_wipe(&c);
	return is_good;
}

/* The newest document key first: that is the one most files are for. */
static bool open_file_key(
	const struct head *h, const struct idfile_secrets *secrets, uint8_t file_key[FILE_KEY_LEN])
{
	for (size_t k = secrets->document_count; k-- > 0;)
		for (size_t i = 0; i < h->count; i++)
			if (open_one(span_slice(h->recipients, i * RECIPIENT_LEN, RECIPIENT_LEN),
				    secrets->documents[k].seed, file_key))
				return true;
	return false;
}

int document_reader_new(struct span s, const struct idfile_secrets *secrets,
	struct document_reader **ret, struct document_sender *ret_sender, size_t *ret_head_len,
	struct fault *f)
{
	uint8_t file_key[FILE_KEY_LEN];
	struct head h;
	int rc = decode_head(s, &h, f);
	if (rc < 0)
		return rc;
	if (!is_signed(s, &h))
		return refuse(f, -EINVAL, "its head was changed after it was signed; get it again");
	struct document_reader *d = calloc(1, sizeof(*d));
	if (d == NULL)
		return refuse(f, -ENOMEM, "no memory to decrypt a file; free some");
	if (!open_file_key(&h, secrets, file_key))
		rc = refuse(f, -EACCES, "it is not for this ID; ask its sender for one that is");
	else if (crypto_secretstream_xchacha20poly1305_init_pull(
			 &d->stream, h.stream_header.data, file_key) != 0)
		rc = refuse(f, -EINVAL, "its head is not understood");
	sodium_memzero(file_key, sizeof(file_key));
	if (rc < 0) {
		document_reader_free(d);
		return rc;
	}
	crypto_hash_sha256(d->head_hash, s.data, h.len);
	crypto_hash_sha256_init(&d->plain);
	crypto_hash_sha256_update(&d->plain, d->head_hash, sizeof(d->head_hash));
	memcpy(d->sender_pk, h.sender.pk, sizeof(d->sender_pk));
	*ret = d;
	*ret_sender = h.sender;
	*ret_head_len = h.len;
	return 0;
}

void document_reader_free(struct document_reader *r)
{
	if (r == NULL)
		return;
	sodium_memzero(r, sizeof(*r));
	free(r);
}

/* ------------------------------------------------------------------ the body */

/* The signature goes inside the last piece, so that only recipients see who wrote what. */
static struct span add_signature(struct document_writer *w, struct span piece)
{
	uint8_t hash[32];
	struct writer room = writer_init(w->room, sizeof(w->room));
	crypto_hash_sha256_final(&w->plain, hash);
	writer_put(&room, piece.data, piece.len);
	record_sign(body_label, SPAN_OF(hash), w->sk, w->room + room.len);
	return span_of(w->room, room.len + SIGNATURE_LEN);
}

size_t document_write(struct document_writer *w, struct span piece, bool is_last, uint8_t *to)
{
	uint8_t hash[32];
	struct writer out = writer_init(to, DOCUMENT_WIRE_MAX);
	size_t hash_len = 0;
	if (!w->is_started) {
		crypto_hash_sha256(hash, w->head, w->head_len);
		hash_len = sizeof(hash);
		crypto_hash_sha256_init(&w->plain);
		crypto_hash_sha256_update(&w->plain, hash, sizeof(hash));
	}
	w->is_started = true;
	crypto_hash_sha256_update(&w->plain, piece.data, piece.len);
	if (is_last)
		piece = add_signature(w, piece);
	writer_u32(&out, (uint32_t)(piece.len + STREAM_EXTRA));
	crypto_secretstream_xchacha20poly1305_push(&w->stream, to + out.len, NULL, piece.data,
		piece.len, hash, hash_len,
		is_last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
			: crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
	return out.len + piece.len + STREAM_EXTRA;
}

/* The bytes of a piece, *len of them with what stands behind; false when they are not what was signed. */
static bool take_plain(struct document_reader *r, const uint8_t *plain, bool is_last, size_t *len)
{
	uint8_t hash[32];
	if (is_last && *len < SIGNATURE_LEN)
		return false;
	*len -= is_last ? SIGNATURE_LEN : 0;
	if (*len > DOCUMENT_PIECE_MAX)
		return false;
	crypto_hash_sha256_update(&r->plain, plain, *len);
	if (!is_last)
		return true;
	crypto_hash_sha256_final(&r->plain, hash);
	return record_verify(body_label, SPAN_OF(hash), r->sender_pk, plain + *len);
}

int document_read(struct document_reader *r, struct span s, size_t *ret_used, uint8_t *to,
	size_t *ret_len, bool *ret_is_last)
{
	struct reader in = reader_init(s);
	unsigned char tag;
	uint32_t len = reader_u32(&in);
	if (r->is_ended ||
		(!in.is_short && (len < STREAM_EXTRA || len > DOCUMENT_ROOM_MAX + STREAM_EXTRA)))
		return -EBADMSG;
	struct span cipher = reader_take(&in, len);
	if (in.is_short)
		return -EAGAIN;
	if (crypto_secretstream_xchacha20poly1305_pull(&r->stream, to, NULL, &tag, cipher.data,
		    cipher.len, r->head_hash, r->is_started ? 0 : sizeof(r->head_hash)) != 0)
		return -EBADMSG;
	/* The other tags of a stream have no meaning here, so nobody writes them. */
	if (tag != crypto_secretstream_xchacha20poly1305_TAG_MESSAGE &&
		tag != crypto_secretstream_xchacha20poly1305_TAG_FINAL)
		return -EBADMSG;
	size_t plain_len = cipher.len - STREAM_EXTRA;
	r->is_started = true;
	r->is_ended = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
	if (!take_plain(r, to, r->is_ended, &plain_len))
		return -EBADMSG;
	*ret_used = s.len - in.left;
	*ret_len = plain_len;
	*ret_is_last = r->is_ended;
	return 0;
}
