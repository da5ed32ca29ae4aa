/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-http-head.h"
#include "creel-models-api.h"

/* Whether a request may change something, which is said before its body is read. NULL: yes; else why not, owned by the caller.
 * ret_uid: whose program asks, -1 when that was not looked at or is not known. */
char *creel_models_gate_check (const CreelModelsRoute *route, const CreelHttpHead *head, GSocketConnection *stream, uid_t *ret_uid);
