/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "creel-channel.h"

/* What a sandbox has written, as a tar of OCI's kind: GET /save of the guest, into a stream socket. Not a byte of it is looked at: who
 * reads the other end must take it for hostile. What the reader does not take stays in the guest. */
typedef struct _CreelSave CreelSave;

/* `started` once, with the reader's end of the socket (the callee's to close) and the guest's guess of how many bytes will come; then
 * `over`. Or, instead of both, `failed`: GUEST_FAILED, TIMED_OUT, CANCELLED. over and failed are the last callback and free the save. A stream
 * that breaks off and one that is whole end alike: only the two zero blocks at the end of a tar say that it is whole. */
typedef struct
{
  void (*started) (CreelSave *save, guint64 estimate, int fd, gpointer user_data);
  void (*over) (CreelSave *save, gpointer user_data);
  void (*failed) (CreelSave *save, const GError *error, gpointer user_data);
} CreelSaveHandler;

CreelSave *creel_save_start (CreelChannel *channel, const CreelSaveHandler *handler, gpointer user_data, GError **error);
/* Nobody wants it any more: no callback, the socket is closed, the guest's programs go on. */
void creel_save_cancel (CreelSave *save);
