/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <json-glib/json-glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-config.h"
#include "creel-error.h"

struct _Chat
{
  char *model;
  guint16 port;
  int interrupt;
  JsonArray *messages;
};

Chat *
chat_new (const char *model, guint16 port, int interrupt)
{
  Chat *chat = g_new0 (Chat, 1);

  chat->model = g_strdup (model);
  chat->port = port;
  chat->interrupt = interrupt;
  chat->messages = json_array_new ();
  return chat;
}

void
chat_free (Chat *chat)
{
  json_array_unref (chat->messages);
  g_free (chat->model);
  g_free (chat);
}

void
chat_forget (Chat *chat)
{
  json_array_unref (chat->messages);
  chat->messages = json_array_new ();
}

static void
remember (Chat *chat, const char *role, const char *text)
{
  JsonObject *message = json_object_new ();
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  json_object_set_string_member (message, "role", role);
  json_object_set_string_member (message, "content", valid);
  json_array_add_object_element (chat->messages, message);
}

static char *
make_request (Chat *chat)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *body = NULL;

  json_object_set_string_member (object, "model", chat->model);
  json_object_set_array_member (object, "messages", json_array_ref (chat->messages));
  json_object_set_boolean_member (object, "stream", TRUE);
  json_node_set_object (node, object);
  body = json_to_string (node, FALSE);
  return g_strdup_printf ("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: creel/" CREEL_VERSION "\r\n"
                          "Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: %" G_GSIZE_FORMAT
                          "\r\nConnection: close\r\n\r\n%s",
                          chat->port, strlen (body), body);
}

/* FALSE: interrupted. */
static gboolean
wait_for (Chat *chat, int fd, short events, GError **error)
{
  struct pollfd fds[] = { { fd, events, 0 }, { chat->interrupt, POLLIN, 0 } };

  while (poll (fds, 2, -1) < 0 && (errno == EINTR || errno == EAGAIN))
    ;
  if (fds[1].revents == 0)
    return TRUE;
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_CANCELLED, "Cancelled");
  return FALSE;
}

static gboolean
open_connection (Chat *chat, int *ret_fd, GError **error)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (chat->port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int problem = 0;
  socklen_t size = sizeof problem;

  *ret_fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (*ret_fd >= 0 && connect (*ret_fd, (struct sockaddr *) &address, sizeof address) == 0)
    return TRUE;
  if (*ret_fd >= 0 && errno == EINPROGRESS)
    {
      if (!wait_for (chat, *ret_fd, POLLOUT, error))
        return FALSE;
      if (getsockopt (*ret_fd, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 && problem == 0)
        return TRUE;
      errno = problem;
    }
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The model runner does not answer on 127.0.0.1:%u (%s); run: creel doctor", chat->port,
               g_strerror (errno));
  return FALSE;
}

static gboolean
send_all (Chat *chat, int fd, const char *text, GError **error)
{
  gsize left = strlen (text);

  while (left > 0)
    {
      gssize n = send (fd, text, left, MSG_NOSIGNAL);

      if (n > 0)
        {
          text += n;
          left -= (gsize) n;
        }
      else if (errno == EAGAIN)
        {
          if (!wait_for (chat, fd, POLLOUT, error))
            return FALSE;
        }
      else if (errno != EINTR)
        break; /* it wants no more: its answer says why */
    }
  return TRUE;
}

static gboolean
receive (Chat *chat, int fd, ChatAnswer *answer, GError **error)
{
  char buffer[16 * 1024];

  while (!chat_answer_is_done (answer))
    {
      gssize n;

      if (!wait_for (chat, fd, POLLIN, error))
        return FALSE;
      n = recv (fd, buffer, sizeof buffer, 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR))
        continue;
      if (n <= 0)
        return chat_answer_end (answer, error);
      if (!chat_answer_feed (answer, buffer, (gsize) n, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
chat_ask (Chat *chat, const char *prompt, ChatAnswerFunc func, gpointer user_data, ChatAnswer **ret_answer, GError **error)
{
  g_autoptr (ChatAnswer) answer = chat_answer_new (func, user_data);
  g_autofree char *request = NULL;
  g_autoptr (GError) local_error = NULL;
  int fd = -1;
  gboolean whole;

  remember (chat, "user", prompt);
  request = make_request (chat);
  whole = open_connection (chat, &fd, &local_error) && send_all (chat, fd, request, &local_error) && receive (chat, fd, answer, &local_error);
  /* a model that is still at it stops when nobody listens */
  if (fd >= 0)
    close (fd);
  if (whole || (g_error_matches (local_error, CREEL_ERROR, CREEL_ERROR_CANCELLED) && *chat_answer_get_content (answer) != '\0'))
    remember (chat, "assistant", chat_answer_get_content (answer));
  else
    json_array_remove_element (chat->messages, json_array_get_length (chat->messages) - 1);
  if (ret_answer != NULL)
    *ret_answer = g_steal_pointer (&answer);
  if (!whole)
    g_propagate_error (error, g_steal_pointer (&local_error));
  return whole;
}
