/* What the kernel must and should be able to do, one by one. nftables only checks, nothing is made. */

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd/doctor.h"
#include "gate/gate.h"
#include "priv/priv.h"

#define LANDLOCK_WANTED 4

static const struct {
	const char *name, *since, *commands;
} features[] = {
	{ "tables of both IP versions", "3.14", "" },
	{ "sets with time-outs", "4.1",
		"add set inet postern-trial s { type mark; flags timeout; }\n" },
	{ "ports of any protocol (th)", "5.3",
		"add chain inet postern-trial c\nadd rule inet postern-trial c th dport 1 accept\n" },
	{ "limits in set elements", "5.7",
		"add set inet postern-trial s { type ipv4_addr; flags timeout,dynamic; "
		"limit rate 1/week burst 1 packets; }\n" },
	{ "removing elements from rules", "5.4",
		"add set inet postern-trial s { type ipv4_addr; flags timeout,dynamic; }\n"
		"add chain inet postern-trial c\n"
		"add rule inet postern-trial c delete @s { ip saddr }\n" },
	{ "connection marks from maps", "4.1",
		"add map inet postern-trial m { type ipv4_addr : mark; flags timeout; }\n"
		"add chain inet postern-trial c\n"
		"add rule inet postern-trial c ct mark set ip saddr map @m\n" },
	{ "fib, log and reject", "4.10",
		"add chain inet postern-trial i { type filter hook input priority 50; }\n"
		"add rule inet postern-trial i fib daddr type local log group 7 counter\n"
		"add rule inet postern-trial i meta l4proto tcp reject with tcp reset\n" },
};

static void check_nftables(struct doctor *d)
{
	struct gate_look look;
	struct fault f;
	size_t bad = 0;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (gate_look_try(features[i].commands, &f) == 0)
			continue;
		bad++;
		doctor_note(d, DOCTOR_FAIL, "kernel",
			"nftables cannot do: %s (Linux %s): %.200s; use a newer kernel or load its "
			"modules",
			features[i].name, features[i].since, f.text);
	}
	if (bad == 0)
		doctor_note(d, DOCTOR_OK, "kernel", "nftables can do: %s, %s, %s, %s, %s, %s, %s",
			features[0].name, features[1].name, features[2].name, features[3].name,
			features[4].name, features[5].name, features[6].name);
	if (gate_look(NULL, &look, &f) < 0)
		return;
	if (look.can_persist)
		doctor_note(d, DOCTOR_OK, "kernel",
			"nftables can do: tables that have an owner and "
			"outlive it");
	else
		doctor_note(d, DOCTOR_WARN, "kernel",
			"nftables cannot do: tables that have an owner and outlive it (Linux 6.9): a "
			"flush opens the ports; use a newer kernel, or do not flush");
}

static void check_capabilities(struct doctor *d)
{
	static const struct {
		unsigned number;
		const char *name;
	} needed[] = {
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
		{ CAP_NET_RAW, "CAP_NET_RAW" },
		{ CAP_SETUID, "CAP_SETUID" },
		{ CAP_SETGID, "CAP_SETGID" },
		{ CAP_SETPCAP, "CAP_SETPCAP" },
		{ CAP_KILL, "CAP_KILL" },
	};
	char missing[160] = "";
	size_t at = 0;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!priv_has_caps(1ull << needed[i].number))
			at += (size_t)snprintf(missing + at, sizeof(missing) - at, "%s%s",
				at > 0 ? ", " : "", needed[i].name);
	if (at == 0)
		doctor_note(d, DOCTOR_OK, "kernel",
			"root has every capability that posternd shares out");
	else
		doctor_note(d, DOCTOR_FAIL, "kernel",
			"%s missing here: posternd started from this shell would end; start it where "
			"nothing takes capabilities away",
			missing);
}

static void check_sandbox(struct doctor *d)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	int landlock = priv_landlock_version();
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		doctor_note(d, DOCTOR_OK, "kernel", "seccomp filters can end a process");
	else
		doctor_note(d, DOCTOR_FAIL, "kernel",
			"no seccomp filters (%s): posternd does not start; use a kernel with "
			"CONFIG_SECCOMP_FILTER",
			strerror(errno));
	if (landlock >= LANDLOCK_WANTED)
		doctor_note(
			d, DOCTOR_OK, "kernel", "Landlock version %d: no files, no TCP", landlock);
	else if (landlock > 0)
		doctor_note(d, DOCTOR_WARN, "kernel",
			"Landlock version %d: no files, but TCP is closed by seccomp alone; Linux 6.7 "
			"has version 4",
			landlock);
	else
		doctor_note(d, DOCTOR_WARN, "kernel",
			"no Landlock: seccomp alone guards the knock process; boot with lsm=landlock,...");
}

void doctor_kernel(struct doctor *d)
{
	struct utsname u;
	if (uname(&u) == 0)
		doctor_note(d, DOCTOR_OK, "kernel", "Linux %s, %s", u.release, u.machine);
	check_capabilities(d);
	check_sandbox(d);
	if (d->boot == NULL || d->boot->config->server.backend == CONFIG_BACKEND_NFT)
		check_nftables(d);
}
