/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "chat-answer.h"

/* A conversation with a model: remembers what was said, and asks the model runner. No main loop: blocking calls that end early when
 * `interrupt`, a file descriptor that may be -1, becomes readable. */
typedef struct _Chat Chat;
Chat *chat_new (const char *model, guint16 port, int interrupt);
void chat_free (Chat *chat);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Chat, chat_free)

/* Asks, and calls `func` with the pieces of the answer; both are remembered when it is whole. FALSE with an error: CREEL_ERROR_CANCELLED
 * when interrupted (what was said until then is remembered), CREEL_ERROR_NO_SUCH_MODEL, else what went wrong. ret_answer, may be NULL,
 * gets the answer, whole or not, or stays NULL. */
gboolean chat_ask (Chat *chat, const char *prompt, ChatAnswerFunc func, gpointer user_data, ChatAnswer **ret_answer, GError **error);
void chat_forget (Chat *chat);
