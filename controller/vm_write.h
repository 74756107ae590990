/* SPDX-License-Identifier: Apache-2.0 */
/* Where a machine's bundle goes: a folder, or a tar archive (POSIX.1-1988 ustar). */
#ifndef CONTROLLER_VM_WRITE_H
#define CONTROLLER_VM_WRITE_H

#include <stdint.h>

#include "base/err.h"
#include "machine/machine.h"

/* Makes dir (0700) with the files (0600, the script 0700) in one step: it has all of the new files, or is as before. A
 * folder that is there already is replaced when it is empty or holds an older bundle and nothing else; ERR_INVALID
 * otherwise. Its parent must exist. */
int vm_write_folder(const struct machine_bundle *b, const char *dir, struct err *err);

/* Writes a tar archive with one folder of that name (at most 63 characters) to a file descriptor. now_s: time of the
 * files. */
int vm_write_tar(const struct machine_bundle *b, const char *folder, int64_t now_s, int fd,
                 struct err *err);

#endif
