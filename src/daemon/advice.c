/*
 * From a reason in the journal to what to do about it. Invariant: every reason for which a knock is refused
 * or a gate ends before its time has a sentence.
 */

#include "daemon/advice.h"

#include <stdio.h>
#include <string.h>

#include "daemon/report.h"

/* In a sentence %s is the service, %l the list that decided, %e its entry, %n the name. */
static const struct {
	enum store_event event; /* 0: any other */
	const char *reason, *text;
} sentences[] = {
	{ STORE_CLOSED, "revoked", "let the name in again: posternctl restore \"%n\"" },
	{ STORE_CLOSED, "administrator", "knock again; an administrator closed it" },
	{ STORE_KEY_MISMATCH, "key-check",
		"if the key is right, list it: postern directory add with the ID file of \"%n\"" },
	{ STORE_REVOKED, "administrator", "let the name in again: posternctl restore \"%n\"" },
	{ 0, "locked",
		"let the name in again with posternctl restore, or take locked out of its line in the "
		"directory" },
	{ 0, "disabled", "take disabled out of its line in the directory" },
	{ 0, "revoked", "a certificate of \"%n\" is on a revocation list: certify the name anew" },
	{ 0, "no-crl",
		"put a current revocation list of every certifier above the name into crl-files" },
	{ 0, "not-yet",
		"wait until the certificate is valid, or set the clocks of server and certifier" },
	{ 0, "expired", "renew the certificate, or set a later expires= in the directory" },
	{ 0, "key-check",
		"list the name with its key in the directory, or set key-check to listed or off" },
	{ 0, "superseded",
		"knock with the next key, which was used already; when it was not by its owner, revoke the "
		"name" },
	{ 0, "from", "add the address to from= of its line in the directory" },
	{ 0, "unknown-service", "name a service that the configuration has, or add %s to it" },
	{ 0, "deny-service",
		"take \"%e\" out of deny of service %s, or the name out of what it covers" },
	{ 0, "deny-server", "take \"%e\" out of %l, or the name out of what it covers" },
	{ 0, "deny-door", "take \"%e\" out of %l, or the name out of what it covers" },
	{ 0, "not-allowed-service", "add the name or a group of it to allow of service %s" },
	{ 0, "not-allowed-server", "add the name or a group of it to %l" },
	{ 0, "not-allowed-door", "add the name or a group of it to %l, or knock at another door" },
	{ 0, "no-list", "give service %s an allow list" },
	{ 0, "not-authenticated",
		"list the key in the directory, or trust the certifier of the certificate" },
	{ 0, "limit-gates", "wait until gates end, or raise gates-max of the server" },
	{ 0, "limit-service", "wait until gates end, or raise gates-max of service %s" },
	{ 0, "limit-identity", "wait until gates of this name end, or raise identity-gates-max" },
	{ 0, "message-missing", "send it with a message: postern send --message" },
	{ 0, "message-unwanted", "send it without a message, or set message of action %s" },
	{ 0, "message-utf8", "send text in UTF-8" },
	{ 0, "message-control", "send text without control characters" },
	{ 0, "prefix",
		"ask for one address, or for no wider network than prefix-v4 and prefix-v6 of service %s" },
	{ 0, "source-port", "knock without a source port: a script opens to none" },
	{ 0, "bind", "knock with --address: service %s takes only what is signed" },
	{ 0, "address", "knock with --address observed, or the address that the server sees" },
	{ 0, "token",
		"knock with the token itself, or list another name, with a plain key, for such knocks" },
	{ 0, "fido-touch", "touch the token when it blinks" },
	{ 0, "fido-pin", "use a key of the token that asks for its PIN" },
	{ 0, "fido-counter",
		"find out whether the token was copied; a new token needs a new key in the directory" },
	{ STORE_RELAY_ENDED, "relay-lost",
		"connect again: the relay process died and was started anew; the log has more" },
	{ 0, "relay-handshake",
		"connect with TLS 1.3 and the certificate of an ID file: postern connect --through, or "
		"postern tunnel" },
	{ 0, "relay-certificate",
		"show a certificate that a trusted certifier issued, with those of the units above it" },
	{ 0, "relay-gate",
		"knock for %s first, from the same address: nothing but the gate proves who comes there" },
	{ 0, "relay-protocol",
		"speak what speaks of passthru %s promises, or correct speaks in the configuration" },
	{ 0, "relay-inner",
		"see whether the machine behind passthru %s runs, and whether this one reaches it" },
	{ 0, "relay-limit",
		"end a connection, or raise the limits of passthru %s or relay-connections-max" },
	{ 0, "relay-destination",
		"ask for the host and port that passthru %s leads to, or for none" },
	{ 0, "relay-busy", "connect again a little later: too many came at once" },
	{ 0, "store",
		"make room on the disk, or mend it: the store could not be written, see the log" },
	{ 0, "gate", "knock again; when it stays so, the log has what the kernel said" },
	{ 0, "service-changed", "knock again: the service is another since the reload" },
	{ 0, "interface-gone",
		"bring the interface up again, or give it its name back; its door waits for it" },
	{ 0, "group-gone", "let no other program listen to the log group of the door" },
};

static const char *sentence_of(const struct store_record *r)
{
	const char *found = NULL;
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]) && found == NULL; i++)
		if ((sentences[i].event == 0 || sentences[i].event == r->event) &&
			strcmp(sentences[i].reason, r->reason) == 0)
			found = sentences[i].text;
	return found;
}

static const char *word_of(const struct store_record *r, char c)
{
	switch (c) {
	case 's':
		return r->service;
	case 'l':
		return r->list;
	case 'e':
		return r->entry;
	default:
		return r->name;
	}
}

bool advice_for(const struct store_record *r, char to[ADVICE_MAX])
{
	const char *text = sentence_of(r);
	size_t n = 0;
	to[0] = '\0';
	if (text == NULL || r->event == STORE_GRANTED)
		return false;
	for (; *text != '\0' && n + 1 < ADVICE_MAX; text++) {
		if (*text != '%') {
			to[n++] = *text;
			to[n] = '\0';
			continue;
		}
		n += (size_t)snprintf(to + n, ADVICE_MAX - n, "%s", word_of(r, *++text));
		if (n >= ADVICE_MAX)
			n = ADVICE_MAX - 1;
	}
	return true;
}

json_t *advice_report(const struct store_record *r)
{
	char text[ADVICE_MAX];
	json_t *o = report_record(r);
	if (advice_for(r, text))
		json_object_set_new(o, "change", json_string(text));
	return o;
}
