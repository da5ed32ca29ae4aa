/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-channel.h"

/* The guest's end of a control channel, in this process and on this main loop. Its commands:
 * echo (stdin to stdout, exit 0 at its end), exit N, kill N, both (writes "out" and "err"), zeros N (N bytes to stdout),
 * lie TEXT (ends with TEXT as its last words), flood (last words without end), hold (never ends), missing (404), forbidden (403),
 * mute (never answers), background (ends, but keeps stdout open). */
typedef struct _FakeGuest FakeGuest;

/* Takes fd. */
FakeGuest *fake_guest_new (int fd);
void fake_guest_free (FakeGuest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FakeGuest, fake_guest_free)
/* The paths that were asked for, in order, but for stdin, stdout and stderr. */
GPtrArray *fake_guest_get_paths (FakeGuest *guest);
/* The records of the last /configure and /exec. */
GByteArray *fake_guest_get_body (FakeGuest *guest);
/* What /configure is answered with instead of the usual. */
void fake_guest_set_answer (FakeGuest *guest, int status, const char *body, gsize length);
/* What /save is answered with: a status, what is said of the length (NULL: nothing), that many bytes, and then the end or a reset. */
void fake_guest_set_save (FakeGuest *guest, int status, const char *estimate, guint64 bytes, gboolean whole);
guint64 fake_guest_get_sent (FakeGuest *guest);
guint fake_guest_get_resets (FakeGuest *guest);
/* Hangs up. */
void fake_guest_vanish (FakeGuest *guest);
