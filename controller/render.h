/* SPDX-License-Identifier: Apache-2.0 */
/* `meshwright render -f DIR`: the same plan offline, from files, without any cluster. */
#ifndef CONTROLLER_RENDER_H
#define CONTROLLER_RENDER_H

#include "options.h"

/* Reads every *.yaml, *.yml, *.json of the folder, prints each cluster's objects of each Mesh on
 * stdout. Exit code: 0, or 1 with one line on stderr. What only live clusters know is a
 * placeholder: identities, the root, tokens, DNS entries. */
int render_run(const struct options *o);

#endif
