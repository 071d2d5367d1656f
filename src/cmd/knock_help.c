/* What --help of knock, close, connect, tunnel and send prints. */

#include <stdio.h>

#include "cmd/knock_option.h"

static const char help_knock[] =
	"usage: postern knock HOST [SERVICE] [options]\n"
	"\n"
	"Asks the server HOST to open SERVICE (a name, or tcp/22) for you: one sealed\n"
	"packet, one sealed answer. Without SERVICE, the one its server card names. HOST\n"
	"may be the name of a profile, whose options then count as well; those given\n"
	"here go first.\n"
	"\n"
	"  --scheme KIND       spa (the default), or a classic knock, which is never\n"
	"                      answered: sequence, structured, cipher, tagged, fwknop\n"
	"  --save NAME         also keep these options as a profile; see postern profile\n";

static const char help_close[] =
	"usage: postern close HOST [SERVICE] [options]\n"
	"\n"
	"Asks the server HOST to close what it opened for you. Without SERVICE, the\n"
	"service its server card names. HOST may be the name of a profile; of a classic\n"
	"scheme the knock that closes is sent, where it has one.\n"
	"\n";

static const char help_connect[] =
	"usage: postern connect HOST PORT [options]\n"
	"\n"
	"Knocks for tcp/PORT, connects to it and carries stdin and stdout. In ssh_config:\n"
	"    ProxyCommand postern connect %h %p\n"
	"HOST may be the name of a profile. In a classic scheme, which has no answer, the\n"
	"port is tried until it opens, 5 seconds at most.\n"
	"\n"
	"  --through EDGE[:PORT]\n"
	"                      by way of the edge server EDGE: knock there for PORT\n"
	"                      (default: that of HOST), prove yourself by certificate\n"
	"                      in TLS, and be let through to HOST. Said again, or\n"
	"                      EDGE1,EDGE2: edges in a row, the nearest first. --card\n"
	"                      and --port are then the edge's\n";

static const char help_tunnel[] =
	"usage: postern tunnel --through EDGE[:PORT] -L [BIND:]PORT:HOST:PORT [options]\n"
	"\n"
	"Stays, listens on PORT of this machine, and carries each connection through\n"
	"the edge server EDGE to PORT of HOST. It knocks when a connection needs it, and\n"
	"asks for the password once.\n"
	"\n"
	"  --through EDGE[:PORT]\n"
	"                      the edge server, and its port for this (default: that\n"
	"                      of HOST). Said again, or EDGE1,EDGE2: edges in a row,\n"
	"                      the nearest first\n"
	"  -L, --local [BIND:]PORT:HOST:PORT\n"
	"                      listen on PORT, of the address BIND (default:\n"
	"                      localhost; *: all); may be said again\n";

static const char help_send[] =
	"usage: postern send HOST ACTION [options]\n"
	"\n"
	"Asks the server HOST to run ACTION, which its administrator has given a name,\n"
	"and says how it ended. It runs once, however often the packet is sent.\n"
	"\n"
	"  --message TEXT      a text of up to 900 bytes to go with it; - reads it\n"
	"                      from standard input, without the last line end\n";

static const char help_for[] =
	"  --for TIME          how long: 30s, 5m, 8h (default: what the service gives)\n";

static const char help_common[] =
	"  --address ADDR      the address to open, signed into the knock; observed (the\n"
	"                      default) is the one the server sees\n"
	"  --source-port N     only for connections that come from this port\n"
	"  --prefix N          with --address: for its whole network of N bits (24, 64)\n"
	"  --id FILE           your ID file (default: default.id in the client folder)\n"
	"  --agent             knock with a key in your SSH agent instead of an ID file\n"
	"  --agent-key KEY     which one: fingerprint, comment or .pub file (default: the\n"
	"                      first ssh-ed25519 or sk-ssh-ed25519 key)\n"
	"  --allow-forwarded   use the agent even if it is forwarded from elsewhere\n"
	"  --identity KIND     say who you are by your key's id (key) or by certificates\n"
	"                      (chain); auto, the default, finds out which is known there\n"
	"  --card FILE         the server's card (default: in the client folder\n"
	"                      HOST.card, or the card that names HOST)\n"
	"  --password-file F   read the password of the ID from the first line of F\n"
	"  --port N            UDP port to knock on (default: the card's, often 62201)\n";

static const char help_report[] =
	"  --probe             open nothing; ask for the time and your address\n"
	"  --dry-run           do everything but send\n"
	"  --json              print the answer as JSON\n"
	"  --quiet             print nothing when all is well\n";

/* Without what is of no use to it: an agent, for TLS, and a source port, for several connections. */
static const char help_common_tunnel[] =
	"  --address ADDR      the address to open, signed into the knock; observed (the\n"
	"                      default) is the one the edge sees\n"
	"  --prefix N          with --address: for its whole network of N bits (24, 64)\n"
	"  --id FILE           your ID file (default: default.id in the client folder)\n"
	"  --identity KIND     say who you are by your key's id (key) or by certificates\n"
	"                      (chain); auto, the default, finds out which is known there\n"
	"  --card FILE         the edge's card (default: in the client folder\n"
	"                      EDGE.card, or the card that names EDGE)\n"
	"  --password-file F   read the password of the ID from the first line of F\n"
	"  --port N            UDP port to knock on (default: the card's, often 62201)\n";

static const char help_report_tunnel[] =
	"  --json              a line of JSON for what begins and ends\n"
	"  --quiet             do not say where it listens\n"
	"  --verbose           also say what knocks open, and which connections come\n"
	"                      and go\n";

static const char help_report_close[] = "  --dry-run           do everything but send\n"
					"  --json              print the answer as JSON\n"
					"  --quiet             print nothing when all is well\n";

/* The classic schemes, for those who are there. */
static const char help_classic[] =
	"\n"
	"Classic schemes open for an address: --allow. Behind an address translator name\n"
	"the outside one, or use observed with a scheme that has it.\n"
	"  sequence\n"
	"    --sequence PORTS  knock on these in their order: 102,100,100:udp,103\n"
	"    --one-time FILE   take the next sequence of FILE and mark it as used\n"
	"  structured\n"
	"    --base N          the first of its ten ports (default: 100)\n"
	"    --port N          the service's port\n"
	"    --minutes N       10, 20 .. 80 (default: 10); 0 until closed; close\n"
	"  cipher\n"
	"    --key-file FILE   the passphrase, on one line\n"
	"    --iv IV           8 characters, or 0x and 16 hexadecimal digits\n"
	"    --ports A-B       the 256 ports (default: 745-1000)\n"
	"    --allow ADDR      for whom (default: this machine's address)\n"
	"    --port N          the service's port, up to 255 unless --wide\n"
	"    --minutes N       1 to 254 (default: 10); 0 until closed; close\n"
	"    --wide            all ports, and IPv6\n"
	"    --random-iv       send an IV in front instead of --iv\n"
	"    --pad FILE        a one-time pad instead of --key-file and --iv\n"
	"  tagged\n"
	"    --key-file FILE   a line SLOT KEY NAME, as postern id tag-key writes it\n"
	"    --slot N          which key of FILE, if it has several\n"
	"    --service-slot N  the service's place in the server's list, from 0\n"
	"    --server CARD     the server's card, or its id as 64 hexadecimal digits\n"
	"                      (default: the card of HOST in the client folder)\n"
	"    --allow ADDR      for whom (default: this machine's address); observed is\n"
	"                      whoever the server sees\n"
	"    --base N          the first of its 4096 ports (default: 40000)\n"
	"    --hash HASH       sha256 (the default), blake2b or md5\n"
	"    --counter FILE    count in FILE instead of sending the time\n"
	"  fwknop\n"
	"    --key-file FILE   lines KEY_BASE64 and HMAC_KEY_BASE64\n"
	"    --access PORTS    tcp/22 or tcp/22,udp/1194 (default: SERVICE)\n"
	"    --allow ADDR      for whom (default: this machine's address); source is\n"
	"                      whoever the server sees\n"
	"    --for TIME        how long (default: what the server gives)\n"
	"    --hmac HASH       sha256 (the default), sha384, sha512, sha3-256, sha3-512,\n"
	"                      sha1 or md5\n"
	"    --mode MODE       cbc (the default), cfb, ofb, ctr or ecb\n"
	"    --carrier C       udp (the default), tcp, http, or icmp, as root\n"
	"    --port N          the port it goes to (default: 62201)\n"
	"    --user NAME       as whom (default: postern)\n"
	"    --nat HOST:PORT   open the way to an inner host\n"
	"  all of them\n"
	"    -4, --ipv4, -6, --ipv6  knock on an address of this kind only\n"
	"    --delay MS        between knocks (default: 50; tagged: 0, any order will do)\n"
	"    --close           structured, cipher, tagged: close what is open\n"
	"    --wait            try the service for 3 seconds and say whether it opened;\n"
	"                      that takes a gate which is good for one connection\n"
	"    --dry-run         print the ports, or the packet, and send nothing\n";

static const char help_classic_short[] =
	"  --scheme KIND       a classic scheme and its options: see postern knock --help\n";

static const char help_verbose[] =
	"  --verbose           also say what was corrected or has changed\n";

static const char help_end[] =
	"\n"
	"The client folder is $POSTERN_HOME, else $XDG_CONFIG_HOME/postern, else\n"
	"~/.config/postern. root may also use what setup left in /etc/postern.\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 3 no answer, 4 trouble on this machine.\n";

void knock_help_print(enum knock_command command)
{
	switch (command) {
	case KNOCK_OPEN:
		printf("%s%s%s%s%s%s%s", help_knock, help_for, help_common, help_report,
			help_verbose, help_classic, help_end);
		break;
	case KNOCK_CLOSE:
		printf("%s%s%s%s%s%s", help_close, help_common, help_report_close,
			help_classic_short, help_verbose, help_end);
		break;
	case KNOCK_TUNNEL:
		printf("%s%s%s%s%s", help_tunnel, help_for, help_common_tunnel, help_report_tunnel,
			help_end);
		break;
	case KNOCK_SEND:
		printf("%s%s%s%s%s", help_send, help_common, help_report_close, help_verbose,
			help_end);
		break;
	case KNOCK_CONNECT:
		printf("%s%s%s%s%s%s", help_connect, help_for, help_common, help_classic_short,
			help_verbose, help_end);
		break;
	}
}
