/* SPDX-License-Identifier: Apache-2.0 */
/* metav1.Condition lists as JSON. Pure. lastTransitionTime moves only when status changes; a list that says the same
 * as before is equal to it byte for byte, so that nothing is written. */
#ifndef RUNTIME_CONDITIONS_H
#define RUNTIME_CONDITIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum cond_status { COND_FALSE, COND_TRUE, COND_UNKNOWN };

/* Sets condition `type` in list (an array of the new status; it is appended when absent). lastTransitionTime and, when
 * nothing else changed, the whole entry come from old (array or NULL) if the status is the same there; else from now_s.
 * message is cut at 1,024 bytes (never inside a UTF-8 sequence). generation goes to observedGeneration. */
void cond_set(json_t *list, const json_t *old, const char *type, enum cond_status status,
              const char *reason, const char *message, int64_t generation, int64_t now_s);

/* Borrowed entry of that type, or NULL; and "is it True". */
const json_t *cond_find(const json_t *list, const char *type);
bool cond_is_true(const json_t *list, const char *type);

/* Sorts by type, Ready first: a stable order for server-side apply and for people. */
void cond_sort(json_t *list);

/* Calls emit once per condition whose status or reason differs between old and now (old NULL: all that are False). One
 * that old lacks counts as Unknown there. The strings are borrowed from now. */
void cond_transitions(const json_t *old, const json_t *now,
                      void (*emit)(void *arg, const char *type, enum cond_status status,
                                   const char *reason, const char *message),
                      void *arg);

#endif
