/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The answer to POST /v1/chat/completions with "stream": an HTTP response, in it server-sent events, in them JSON, in that pieces of
 * text. All of it may be anything: it is made by a model. Fuzzed. */
typedef enum
{
  CHAT_CONTENT,
  CHAT_THINKING,
} ChatPart;
/* A piece of text as the model made it: not safe for a terminal. */
typedef void (*ChatAnswerFunc) (ChatPart part, const char *text, gpointer user_data);

typedef struct _ChatAnswer ChatAnswer;
ChatAnswer *chat_answer_new (ChatAnswerFunc func, gpointer user_data);
void chat_answer_free (ChatAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChatAnswer, chat_answer_free)

/* Bytes as they come. FALSE with an error: what the service says, or what is wrong with its answer. */
gboolean chat_answer_feed (ChatAnswer *answer, const char *bytes, gsize size, GError **error);
/* The connection has ended. FALSE with an error when the answer is not whole. */
gboolean chat_answer_end (ChatAnswer *answer, GError **error);
/* It is whole, and the connection is not needed any more. */
gboolean chat_answer_is_done (const ChatAnswer *answer);
/* All pieces of CHAT_CONTENT so far; borrowed. */
const char *chat_answer_get_content (const ChatAnswer *answer);
const char *chat_answer_get_thinking (const ChatAnswer *answer);
/* "stop", "length", ...; NULL before it is known. Borrowed. */
const char *chat_answer_get_finish_reason (const ChatAnswer *answer);
