/* What an ID sends of its certificates to a server. Short form if they can be said so. */

#include "identity/chain.h"
#include "identity/template.h"
#include "lib/internal.h"

bool lib_id_chain(const struct postern_id *id, struct chain *ret)
{
	struct lib_certs own;
	*ret = (struct chain){ 0 };
	if (id->trust == NULL)
		return false;
	lib_trust_own(id->trust, &own);
	return chain_of_own(own.der, own.count, ret);
}

/* u16 length and DER, leaf first. */
static size_t put_der(const struct chain *c, uint8_t *to, size_t cap)
{
	struct writer w = writer_init(to, cap);
	for (size_t i = 0; i < c->count; i++) {
		writer_u16(&w, (uint16_t)c->der[i].len);
		writer_put(&w, c->der[i].data, c->der[i].len);
	}
	return w.is_full ? 0 : w.len;
}

void lib_id_set_chain(struct postern_id *id)
{
	struct chain c;

	id->chain_len = 0;
	if (!lib_id_chain(id, &c))
		return;
	id->chain_type = SPA_ID_TEMPLATE;
	id->chain_len = template_encode(&c, id->chain, sizeof(id->chain));
	if (id->chain_len != 0)
		return;
	id->chain_type = SPA_ID_CHAIN;
	id->chain_len = put_der(&c, id->chain, sizeof(id->chain));
}
