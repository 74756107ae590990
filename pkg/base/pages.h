/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that start-up needed and steady work does not. */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

/* Gives free heap pages back (malloc_trim), drops the code pages of the program and its libraries,
 * and asks the kernel to page out their read-only data (madvise(2)): loading and initialising two
 * dozen libraries touches megabytes that are never read again. What is still needed comes back page
 * by page, from the page cache. Takes about a millisecond: for idle moments, seldom. */
void pages_give_back(void);

#endif
