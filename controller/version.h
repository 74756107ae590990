/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROLLER_VERSION_H
#define CONTROLLER_VERSION_H

#define MESHWRIGHT_VERSION "0.1.0"

#endif
