#ifndef POSTERN_CMD_ID_H
#define POSTERN_CMD_ID_H

/* What the parts of postern id share. */

#include "base/file.h"
#include "identity/idfile.h"

/* Read and parse an ID file. 0, or -errno with *f naming it. *ret is owned by the caller. */
__attribute__((warn_unused_result)) int id_file_load(
	const char *path, enum file_need need, struct idfile **ret, struct fault *f);

/* The result of unlocking path as 0, -EACCES or -ENOMEM with *f. */
__attribute__((warn_unused_result)) int id_unlock_fault(
	const char *path, enum idfile_result r, struct fault *f);

/* Parts of the command; argv[0] is the name of the part. They return exit codes. */
int id_new(int argc, char **argv);
int id_show(int argc, char **argv);
int id_renew(int argc, char **argv);
int id_rollover(int argc, char **argv);
int id_merge(int argc, char **argv);
int id_export(int argc, char **argv);
int id_import(int argc, char **argv);
int id_authority(int argc, char **argv);
int id_protect(int argc, char **argv);
int id_recover(int argc, char **argv);
int id_documents(int argc, char **argv);
int id_encrypt(int argc, char **argv);
int id_decrypt(int argc, char **argv);
int id_cross(int argc, char **argv);
int id_card(int argc, char **argv);
int id_pad(int argc, char **argv);
int id_tag_key(int argc, char **argv);
int id_sequences(int argc, char **argv);
int id_fwknop_key(int argc, char **argv);

#endif
