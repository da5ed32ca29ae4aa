/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* An event of a stream is never larger: one token, or an error. */
#define CHAT_SSE_EVENT_MAX (1024 * 1024)

/* Takes the data of server-sent events out of bytes that come in any pieces. Fuzzed. */
typedef struct _ChatSse ChatSse;
/* The data of one event, NUL-terminated; FALSE: no more of it. */
typedef gboolean (*ChatSseFunc) (const char *data, gsize size, gpointer user_data);
ChatSse *chat_sse_new (ChatSseFunc func, gpointer user_data);
void chat_sse_free (ChatSse *sse);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChatSse, chat_sse_free)
/* FALSE when an event is too large or `func` wants no more; then it is over. */
gboolean chat_sse_feed (ChatSse *sse, const char *bytes, gsize size);
