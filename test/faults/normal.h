/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULTS_NORMAL_H
#define FAULTS_NORMAL_H

#include <jansson.h>

/* Takes out of a dump (kubesim_dump), in place, what differs from one install to the next. */
void normalise(json_t *objects);

#endif
