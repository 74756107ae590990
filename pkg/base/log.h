/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines as JSON on stderr, with the keys that controller-runtime's zap encoder uses: ts, level, msg, then pairs.
 * Library code logs at debug only; an error is logged once, at the top. Values of secrets never come here. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below this level are not written. */
void log_set_level(enum log_level level);
/* "debug", "info", "warn", "error"; -1 for another word. */
int log_level_parse(const char *s, enum log_level *ret);

/* Pairs of key and value (strings; a NULL value is written as null), ended by NULL. */
void log_write(enum log_level level, const char *msg, ...) __attribute__((sentinel));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__, (char *)NULL)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__, (char *)NULL)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__, (char *)NULL)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__, (char *)NULL)

#endif
