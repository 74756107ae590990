/* SPDX-License-Identifier: Apache-2.0 */
/* install.sh, carried in the binary by hack/embed. */
#ifndef MACHINE_SCRIPTS_H
#define MACHINE_SCRIPTS_H

#include <stddef.h>

struct machine_script {
    const char *name; /* file name without its suffix */
    const char *data; /* NUL-terminated */
    size_t len;       /* without the NUL */
};

/* Ended by name NULL. */
extern const struct machine_script machine_scripts[];

#endif
