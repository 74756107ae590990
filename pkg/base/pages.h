/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that start-up needed and steady work does not. */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

/* Gives free heap pages back (malloc_trim) and pages out the read-only pages of the program and its libraries
 * (MADV_PAGEOUT, Linux 5.4): loading and initialising two dozen libraries touches megabytes that are never read again.
 * What is still needed comes back page by page. Nothing is lost: a kernel that can't does nothing. Takes about a
 * millisecond: for idle moments, seldom. */
void pages_give_back(void);

#endif
