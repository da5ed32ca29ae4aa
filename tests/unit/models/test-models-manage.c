/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models that are changed through the port: who may, what creeld is asked then, and what the client hears of it. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "creel-models-connection.h"
#include "creel-names.h"
#include "front-fixture.h"

#define JOB "/org/creel/Creel1/job/7"
#define LOCAL "Host: localhost\r\n"

/* ManagementUsers= */
static void
allow (Fixture *f, const char *format, ...)
{
  g_autofree char *folder = g_build_filename (f->folder, "etc", "creel", NULL), *path = g_build_filename (folder, "creel.conf", NULL);
  g_autofree char *users = NULL, *text = NULL;
  va_list args;

  va_start (args, format);
  users = g_strdup_vprintf (format, args);
  va_end (args);
  text = g_strdup_printf ("[Models]\nManagementUsers=%s\n", users);
  g_mkdir_with_parents (folder, 0700);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
set_up_allowed (Fixture *f, gconstpointer unused)
{
  set_up (f, NULL);
  allow (f, "4242 %u", getuid ());
}

static void
ask (Client *client, const char *head, const char *fields, const char *body)
{
  g_autofree char *text = g_strdup_printf ("%s HTTP/1.1\r\n" LOCAL "%sContent-Length: %zu\r\n\r\n%s", head, fields, strlen (body), body);

  g_string_truncate (client->got, 0);
  say (client, text);
}

/* What creeld was asked last, for this user */
static void
expect_call (Fixture *f, const char *call)
{
  g_autofree char *text = g_strdup_printf ("%u %s", getuid (), call);

  WAIT_FOR (f->fake->managed->len > 0);
  g_assert_cmpstr (f->fake->managed->pdata[f->fake->managed->len - 1], ==, text);
}

static const char *const requests[][2] = {
  { "POST /models/create", "{\"from\":\"ai/x\"}" },
  { "DELETE /models/ai/a", "" },
  { "POST /models/ai/a/tag?repo=x&tag=1", "" },
  { "POST /models/ai/a/push", "" },
  { "POST /engines/unload", "{\"all\":true}" },
  { "POST /engines/_configure", "{\"model\":\"ai/a\"}" },
  { "POST /engines/llama.cpp/_configure", "{\"model\":\"ai/a\"}" },
  { "POST /api/pull", "{\"model\":\"ai/x\"}" },
  { "POST /api/push", "{\"model\":\"ai/a\"}" },
  { "POST /api/copy", "{\"source\":\"ai/a\",\"destination\":\"x\"}" },
  { "DELETE /api/delete", "{\"model\":\"ai/a\"}" },
  { "POST /api/create", "{\"model\":\"ai/x\"}" },
};

/* Each of them is refused with these words, and creeld hears nothing. */
static void
refuse_all (Fixture *f, const char *fields, const char *words, gboolean shut)
{
  for (gsize i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      g_autoptr (Client) client = client_new (f);

      g_test_message ("%s", requests[i][0]);
      ask (client, requests[i][0], fields, requests[i][1]);
      if (shut)
        creel_endpoint_shutdown (client->endpoint);
      WAIT_FOR (client->eof);
      g_assert_true (g_str_has_prefix (client->got->str, "HTTP/1.1 403 Forbidden\r\n"));
      g_assert_true (has (client, "use: creel model ") || has (client, "on the host use: creel model "));
      g_assert_true (has (client, words) || strstr (requests[i][0], "/api/create") != NULL);
    }
  g_assert_cmpuint (f->fake->managed->len, ==, 0);
}

static void
test_default (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);

  refuse_all (f, "", "Models are not changed through this port; use: creel model ", FALSE);
  ask (client, "POST /models/create", "", "{\"from\":\"ai/x\"}");
  EXPECT (client, "use: creel model pull NAME. The administrator can let users change them here with ManagementUsers= of section [Models] in /etc/creel/creel.conf\n");
}

static void
test_another (Fixture *f, gconstpointer unused)
{
  g_autofree char *line = g_strdup_printf ("\nCREEL_USER=%u\n", getuid ());
  g_autofree char *entry = NULL;

  allow (f, "%u no-such-user", getuid () + 1);
  refuse_all (f, "", "as ManagementUsers= of section [Models] in /etc/creel/creel.conf does not name you", FALSE);
  entry = read_journal (f);
  g_assert_nonnull (strstr (entry, line));
  g_assert_nonnull (strstr (entry, "\nCREEL_STATUS=403\n"));
}

static void
test_gateway (Fixture *f, gconstpointer unused)
{
  refuse_all (f, CREEL_SANDBOX_HEADER ": box\r\n", "A sandbox may not change models", FALSE);
  refuse_all (f, CREEL_SANDBOX_HEADER ":\r\n", "A sandbox may not change models", FALSE);
}

static void
test_page (Fixture *f, gconstpointer unused)
{
  /* also one that may ask models */
  refuse_all (f, "Origin: http://localhost:3000\r\n", "A web page may not change models", FALSE);
  /* and one whose browser was told to say no origin */
  refuse_all (f, "Sec-Fetch-Site: cross-site\r\n", "A web page may not change models", FALSE);
}

/* a socket that was closed belongs to root, says the kernel */
static void
test_unknown_user (Fixture *f, gconstpointer unused)
{
  allow (f, "0 %u", getuid ());
  refuse_all (f, "", "Whose program asks is not known", TRUE);
}

static void
test_each (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    const char *head, *body, *call, *status, *answer;
  } cases[] = {
    { "DELETE /models/ai/a", "", "RemoveModel ('ai/a', {'force': <false>})", "200 OK",
      "[{\"Untagged\":\"docker.io/ai/a:latest\"},{\"Deleted\":\"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}]" },
    { "DELETE /models/ai/none?force=true", "", "RemoveModel ('ai/none', {'force': <true>})", "200 OK", "[{\"Untagged\":\"ai/none\"}]" },
    { "POST /models/ai%2Fa/tag?repo=localhost%3A5000%2Fmine&tag=v1", "", "TagModel ('ai/a', 'localhost:5000/mine:v1', {})", "201 Created",
      "{\"message\":\"Model tagged successfully with \\\"localhost:5000/mine:v1\\\"\",\"target\":\"localhost:5000/mine:v1\"}" },
    { "POST /models/ai/a/push", "{\"username\":\"u\",\"password\":\"p\"}", "PushModel ('ai/a', {})", "200 OK",
      "{\"type\":\"success\",\"message\":\"Model pushed successfully\",\"model\":\"ai/a\",\"mode\":\"push\"}\n" },
    { "POST /models/create", "{\"from\":\"ai/x:1\"}", "PullModel ('ai/x:1', {})", "200 OK",
      "{\"type\":\"success\",\"message\":\"Model pulled successfully\",\"model\":\"ai/x:1\",\"mode\":\"pull\"}\n" },
    { "POST /models/create", "{\"model\":\"ai/y\",\"stream\":false}", "PullModel ('ai/y', {})", "200 OK", "\"type\":\"success\"" },
    { "POST /engines/unload", "{\"all\":true}", "UnloadModel ('', {})", "200 OK", "{\"unloaded_runners\":0}" },
    { "POST /engines/unload", "{\"all\":false,\"backend\":\"\",\"models\":[\"ai/a\",\"ai/b\"]}", "UnloadModel ('ai/b', {})", "200 OK",
      "{\"unloaded_runners\":2}" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"context-size\":8192,\"runtime-flags\":[\"--top-k\",\"20\"],\"keep_alive\":\"5m\"}",
      "ConfigureModel ('ai/a', {'context-size': <uint64 8192>, 'engine-flags': <['--top-k', '20']>, 'keep-alive': <uint64 300000000>})", "202 Accepted",
      "Content-Length: 0\r\n" },
    { "POST /engines/llama.cpp/_configure", "{\"model\":\"ai/a\",\"context-size\":-1,\"keep_alive\":-1,\"mode\":\"completion\"}",
      "ConfigureModel ('ai/a', {'context-size': <uint64 0>, 'keep-alive': <uint64 18446744073709551615>})", "202 Accepted", "Content-Length: 0\r\n" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"raw-runtime-flags\":\"--top-k  20 --mlock\"}",
      "ConfigureModel ('ai/a', {'engine-flags': <['--top-k', '20', '--mlock']>})", "202 Accepted", "Content-Length: 0\r\n" },
    { "POST /api/pull", "{\"model\":\"ai/x\"}", "PullModel ('ai/x', {})", "200 OK", "{\"status\":\"success\"}\n" },
    { "POST /api/pull", "{\"name\":\"ai/x\",\"stream\":false}", "PullModel ('ai/x', {})", "200 OK", "{\"status\":\"success\"}\n" },
    { "POST /api/push", "{\"model\":\"ai/a\",\"insecure\":false}", "PushModel ('ai/a', {})", "200 OK", "{\"status\":\"success\"}\n" },
    { "POST /api/copy", "{\"source\":\"ai/a\",\"destination\":\"mine\"}", "TagModel ('ai/a', 'mine', {})", "200 OK", "Content-Length: 0\r\n" },
    { "DELETE /api/delete", "{\"model\":\"ai/a\"}", "RemoveModel ('ai/a', {'force': <false>})", "200 OK", "Content-Length: 0\r\n" },
  };
  g_autoptr (Client) client = client_new (f);

  /* what is removed is known then */
  ask (client, "GET /models", "", "");
  EXPECT (client, "[{");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s", cases[i].head);
      ask (client, cases[i].head, "", cases[i].body);
      EXPECT (client, cases[i].answer);
      g_assert_true (g_str_has_prefix (client->got->str, "HTTP/1.1 ") && g_str_has_prefix (client->got->str + strlen ("HTTP/1.1 "), cases[i].status));
      expect_call (f, cases[i].call);
      /* all of it is here before the next one */
      if (has (client, "chunked"))
        EXPECT (client, "\r\n0\r\n\r\n");
    }
  g_assert_false (client->eof);
}

/* the answer comes when what was changed is known here too */
static void
test_next_request (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);

  ask (client, "GET /models/ai/b", "", "");
  EXPECT (client, "docker.io/ai/b:latest");
  f->fake->with_b = FALSE;
  ask (client, "DELETE /models/ai/b", "", "");
  EXPECT (client, "Deleted");
  ask (client, "GET /models/ai/b", "", "");
  EXPECT (client, "HTTP/1.1 404 Not Found\r\n");
}

static void
test_audit (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);
  g_autofree char *entry = NULL, *line = g_strdup_printf ("\nCREEL_USER=%u\n", getuid ());

  ask (client, "POST /models/create", "", "{\"from\":\"ai/x:1\"}");
  EXPECT (client, "\r\n0\r\n\r\n");
  entry = read_journal (f);
  g_assert_nonnull (strstr (entry, line));
  g_assert_nonnull (strstr (entry, "\nCREEL_MODEL=ai/x:1\n"));
  g_assert_nonnull (strstr (entry, "\nCREEL_STATUS=200\n"));
  g_free (entry);
  /* what changes nothing has nobody in it */
  ask (client, "GET /models", "", "");
  EXPECT (client, "[{");
  entry = read_journal (f);
  g_assert_null (strstr (entry, "CREEL_USER"));
}

static void
test_bad (Fixture *f, gconstpointer unused)
{
  static const char *const bad[][2] = {
    { "POST /models/create", "" },
    { "POST /models/create", "{" },
    { "POST /models/create", "[]" },
    { "POST /models/create", "{}" },
    { "POST /models/create", "{\"from\":1}" },
    { "POST /models/create", "{\"from\":\"\"}" },
    { "POST /models/create", "{\"from\":\"ai/x\\u0000y\"}" },
    { "POST /models/create", "{\"from\":\"ai/x\\ny\"}" },
    { "POST /models/create", "{\"from\":\"ai/\xff\"}" },
    { "POST /models/create", "{\"from\":\"ai/x\",\"stream\":\"no\"}" },
    { "POST /models/create", "{\"from\":null,\"model\":\"ai/x\"}" },
    { "POST /models/create", "// {\"from\":\"ai/x\"}" },
    { "POST /models/ai/a/push", "{" },
    { "POST /models/ai/a/tag", "" },
    { "POST /models/ai/a/tag?repo=x", "" },
    { "POST /models/ai/a/tag?repo=x&tag=", "" },
    { "POST /models/ai/a/tag?repo=x&tag=%ff", "" },
    { "POST /models/ai/a/tag?repo=x&tag=%0a", "" },
    { "POST /models/ai/a/tag?repo=x&tag=%zz", "" },
    { "POST /models/%ff/tag?repo=x&tag=1", "" },
    { "DELETE /models/%ff%fe", "" },
    { "DELETE /models/ai/a?force=perhaps", "" },
    { "POST /engines/unload", "{}" },
    { "POST /engines/unload", "{\"models\":[]}" },
    { "POST /engines/unload", "{\"models\":\"ai/a\"}" },
    { "POST /engines/unload", "{\"models\":[\"ai/a\",1]}" },
    { "POST /engines/unload", "{\"models\":[\"\"]}" },
    { "POST /engines/unload", "{\"all\":\"yes\"}" },
    { "POST /engines/_configure", "{\"context-size\":1}" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"context-size\":\"1\"}" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"context-size\":-2}" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"keep_alive\":\"soon\"}" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"keep_alive\":{}}" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"runtime-flags\":\"--mlock\"}" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"runtime-flags\":[[]]}" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"speculative\":{}}" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"raw-runtime-flags\":[]}" },
    { "POST /engines/_configure", "{\"model\":\"ai/a\",\"runtime-flags\":[],\"raw-runtime-flags\":\"--mlock\"}" },
    { "POST /api/pull", "{\"model\":true}" },
    { "POST /api/copy", "{\"source\":\"ai/a\"}" },
    { "POST /api/copy", "{\"destination\":\"ai/a\"}" },
    { "DELETE /api/delete", "" },
  };
  g_autofree char *name = g_strnfill (1025, 'x'), *long_name = g_strdup_printf ("{\"from\":\"%s\"}", name), *filler = g_strnfill (64 * 1024, ' ');
  g_autoptr (Client) client = client_new (f);

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("%s %s", bad[i][0], bad[i][1]);
      ask (client, bad[i][0], "", bad[i][1]);
      EXPECT (client, "\n\r\n");
      if (!has (client, "HTTP/1.1 400 Bad Request\r\n"))
        g_test_message ("got: %s", client->got->str);
      g_assert_true (has (client, "HTTP/1.1 400 Bad Request\r\n"));
      WAIT_FOR (g_str_has_suffix (client->got->str, "\n") && !g_str_has_suffix (client->got->str, "\r\n"));
      if (client->eof)
        {
          client_free (client);
          client = client_new (f);
        }
    }
  ask (client, "POST /models/create", "", long_name);
  EXPECT (client, "HTTP/1.1 400 Bad Request\r\n");
  ask (client, "POST /models/create", "", filler);
  EXPECT (client, "HTTP/1.1 400 Bad Request\r\n");
  say (client, "POST /models/create HTTP/1.1\r\n" LOCAL "Content-Length: 65537\r\n\r\n");
  EXPECT (client, "HTTP/1.1 413 Content Too Large\r\n");
  g_assert_cmpuint (f->fake->managed->len, ==, 0);
}

/* creeld's refusals have statuses */
static void
test_errors (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    const char *error, *expected, *text;
  } cases[] = {
    { CREEL_ERROR_PREFIX "NoSuchModel|There is no model \"ai/a\"", "HTTP/1.1 404 Not Found\r\n", "There is no model \"ai/a\"\n" },
    { CREEL_ERROR_PREFIX "ModelInUse|It is loaded", "HTTP/1.1 409 Conflict\r\n", "It is loaded\n" },
    { CREEL_ERROR_PREFIX "LimitsExceeded|You have 4 jobs", "HTTP/1.1 503 Service Unavailable\r\n", "You have 4 jobs\n" },
    { CREEL_ERROR_PREFIX "NoSpace|Full", "HTTP/1.1 507 Insufficient Storage\r\n", "Full\n" },
    { CREEL_ERROR_PREFIX "Failed|Something", "HTTP/1.1 500 Internal Server Error\r\n", "Something\n" },
    { "org.freedesktop.DBus.Error.InvalidArgs|No such name", "HTTP/1.1 400 Bad Request\r\n", "No such name\n" },
    { "org.freedesktop.DBus.Error.AccessDenied|Not you", "HTTP/1.1 403 Forbidden\r\n", "Not you\n" },
    { "org.freedesktop.DBus.Error.UnknownMethod|What", "HTTP/1.1 503 Service Unavailable\r\n", "creeld, which keeps the models, does not answer: What\n" },
  };
  g_autoptr (Client) client = client_new (f);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      f->fake->manage_error = cases[i].error;
      ask (client, "DELETE /models/ai/a", "", "");
      EXPECT (client, cases[i].text);
      g_assert_true (g_str_has_prefix (client->got->str, cases[i].expected));
    }
  /* one that is not loaded is none that was unloaded */
  f->fake->manage_error = CREEL_ERROR_PREFIX "NotRunning|It is not loaded";
  ask (client, "POST /engines/unload", "", "{\"models\":[\"ai/a\",\"ai/b\"]}");
  EXPECT (client, "{\"unloaded_runners\":0}");
}

static void
test_progress (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f), old = client_new (f);

  f->fake->manage_job = JOB;
  ask (client, "POST /models/create", "Accept: */*\r\n", "{\"from\":\"ai/x\"}");
  expect_call (f, "PullModel ('ai/x', {})");
  fake_engines_job_progress (f->fake, JOB, 0, 0, "");
  fake_engines_job_progress (f->fake, "/org/creel/Creel1/job/8", 9, 9, "");
  fake_engines_job_progress (f->fake, JOB, MIB, 4 * MIB, "sha256:abc");
  EXPECT (client, "{\"type\":\"progress\",\"message\":\"Downloaded: 1.00 MB\",\"model\":\"ai/x\",\"mode\":\"pull\",\"total\":4194304,\"pulled\":1048576,"
                  "\"layer\":{\"id\":\"sha256:abc\",\"size\":4194304,\"current\":1048576}}\n\r\n");
  g_assert_true (g_str_has_prefix (client->got->str, "HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"));
  fake_engines_job_end (f->fake, JOB, NULL);
  EXPECT (client, "{\"type\":\"success\",\"message\":\"Model pulled successfully\",\"model\":\"ai/x\",\"mode\":\"pull\"}\n\r\n0\r\n\r\n");

  /* what goes wrong then is said in the stream */
  ask (client, "POST /models/create", "Accept: text/plain\r\n", "{\"from\":\"ai/x\"}");
  WAIT_FOR (f->fake->managed->len == 2);
  run_for (20);
  fake_engines_job_progress (f->fake, JOB, 2 * MIB, 4 * MIB, "");
  EXPECT (client, "Downloaded: 2.00 MB\n");
  g_assert_true (has (client, "Content-Type: text/plain; charset=utf-8\r\n"));
  fake_engines_job_end (f->fake, JOB, CREEL_ERROR_PREFIX "NoSpace|Full");
  EXPECT (client, "Error: Full\n\r\n0\r\n\r\n");

  /* and before it has a status */
  ask (client, "POST /api/pull", "", "{\"model\":\"ai/x\"}");
  WAIT_FOR (f->fake->managed->len == 3);
  run_for (20);
  fake_engines_job_end (f->fake, JOB, CREEL_ERROR_PREFIX "NoSuchImage|The registry has no such model");
  EXPECT (client, "{\"error\":\"The registry has no such model\"}\n");
  g_assert_true (g_str_has_prefix (client->got->str, "HTTP/1.1 404 Not Found\r\n"));

  /* HTTP/1.0 has no chunks */
  say (old, "POST /api/push HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 16\r\n\r\n{\"model\":\"ai/a\"}");
  WAIT_FOR (f->fake->managed->len == 4);
  run_for (20);
  fake_engines_job_progress (f->fake, JOB, 1, 2, "");
  fake_engines_job_progress (f->fake, JOB, 2, 2, "sha256:abc");
  fake_engines_job_end (f->fake, JOB, NULL);
  WAIT_FOR (old->eof);
  g_assert_true (g_str_has_suffix (old->got->str, "Connection: close\r\n\r\n{\"status\":\"pushing ai/a\",\"total\":2,\"completed\":1}\n"
                                                  "{\"status\":\"pushing ai/a\",\"digest\":\"sha256:abc\",\"total\":2,\"completed\":2}\n{\"status\":\"success\"}\n"));
  g_assert_true (has (old, "Content-Type: application/x-ndjson\r\n"));

  /* one answer for those who want one */
  ask (client, "POST /api/pull", "", "{\"model\":\"ai/x\",\"stream\":false}");
  WAIT_FOR (f->fake->managed->len == 5);
  run_for (20);
  fake_engines_job_progress (f->fake, JOB, 1, 2, "");
  fake_engines_job_end (f->fake, JOB, NULL);
  EXPECT (client, "\r\n\r\n{\"status\":\"success\"}\n");
  g_assert_true (has (client, "Content-Length: 21\r\n"));
  g_assert_false (client->eof);
}

/* who hangs up does not pull any more, whenever it is */
static void
test_hang_up (Fixture *f, gconstpointer unused)
{
  Client *client = client_new (f);
  GPtrArray *managed = f->fake->managed;

  f->fake->manage_job = JOB;
  ask (client, "POST /models/create", "", "{\"from\":\"ai/x\"}");
  WAIT_FOR (managed->len == 1);
  run_for (20);
  fake_engines_job_progress (f->fake, JOB, 1, 2, "");
  EXPECT (client, "progress");
  client_free (client);
  WAIT_FOR (managed->len == 2);
  g_assert_cmpstr (managed->pdata[1], ==, "CancelJob " JOB);
  fake_engines_job_progress (f->fake, JOB, 2, 2, "");
  fake_engines_job_end (f->fake, JOB, CREEL_ERROR_PREFIX "Cancelled|Cancelled");

  /* before creeld has said which job it is */
  client = client_new (f);
  f->fake->manage_holds = TRUE;
  ask (client, "POST /models/create", "", "{\"from\":\"ai/x\"}");
  WAIT_FOR (managed->len == 3);
  client_free (client);
  WAIT_FOR (creel_models_server_get_connections (f->server) == 0);
  fake_engines_release (f->fake);
  WAIT_FOR (managed->len == 4);
  g_assert_cmpstr (managed->pdata[3], ==, "CancelJob " JOB);

  /* one that is done has nothing to cancel */
  client = client_new (f);
  f->fake->manage_holds = FALSE;
  f->fake->manage_job = NULL;
  ask (client, "POST /models/create", "", "{\"from\":\"ai/x\"}");
  EXPECT (client, "success");
  client_free (client);
  WAIT_FOR (creel_models_server_get_connections (f->server) == 0);
  run_for (20);
  g_assert_cmpuint (managed->len, ==, 5);
}

static void
test_creeld_goes (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f), other = client_new (f);

  f->fake->manage_job = JOB;
  ask (client, "POST /models/create", "", "{\"from\":\"ai/x\"}");
  WAIT_FOR (f->fake->managed->len == 1);
  run_for (20);
  fake_engines_job_progress (f->fake, JOB, 1, 2, "");
  EXPECT (client, "progress");
  fake_engines_drop_name (f->fake);
  EXPECT (client, "{\"type\":\"error\",\"message\":\"creeld, which keeps the models, ended; try again\",\"model\":\"ai/x\",\"mode\":\"pull\"}\n\r\n0\r\n\r\n");
  ask (other, "POST /models/create", "", "{\"from\":\"ai/x\"}");
  EXPECT (other, "creeld, which keeps the models, does not answer: ");
  g_assert_true (has (other, "HTTP/1.1 503 Service Unavailable\r\n"));
}

/* a front that ends in the middle leaves nothing behind */
static void
test_end (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f), other = client_new (f);

  f->fake->manage_job = JOB;
  ask (client, "POST /models/create", "", "{\"from\":\"ai/x\"}");
  WAIT_FOR (f->fake->managed->len == 1);
  run_for (20);
  f->fake->manage_holds = TRUE;
  ask (other, "POST /models/create", "", "{\"from\":\"ai/y\"}");
  WAIT_FOR (f->fake->managed->len == 2);
  stop_front (f);
  fake_engines_release (f->fake);
  run_for (50);
}

/* a client that does not read hears less, and holds nothing up */
static void
test_slow_reader (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);
  g_autofree char *name = g_strnfill (1000, 'x'), *body = g_strdup_printf ("{\"from\":\"%s\"}", name);

  f->fake->manage_job = JOB;
  client->paused = TRUE;
  ask (client, "POST /models/create", "", body);
  WAIT_FOR (f->fake->managed->len == 1);
  run_for (20);
  for (guint i = 1; i <= 4000; i++)
    {
      fake_engines_job_progress (f->fake, JOB, i, 4000, "");
      g_main_context_iteration (NULL, FALSE);
    }
  fake_engines_job_end (f->fake, JOB, NULL);
  run_for (50);
  client->paused = FALSE;
  on_client (client->endpoint, client);
  while (!g_str_has_suffix (client->got->str, "\r\n0\r\n\r\n") && !client->eof)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (has (client, "\"type\":\"success\""));
}

static void
on_ended (CreelModelsConnection *connection, gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  creel_models_connection_free (connection);
}

/* All that was emitted has come to the front and was heard. */
static void
hear (Fixture *f)
{
  GDBusConnection *connections[] = { f->fake->connection, f->connection };

  for (gsize i = 0; i < G_N_ELEMENTS (connections); i++)
    {
      g_autoptr (GVariant) reply = g_dbus_connection_call_sync (connections[i], "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                                "GetId", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);

      g_assert_nonnull (reply);
    }
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* A pull may take hours and its client may want to hear of its end only: as long as bytes come it goes on. */
static void
test_long_pull (Fixture *f, gconstpointer unused)
{
  const gint64 minute = 60 * (gint64) G_USEC_PER_SEC, start = g_get_monotonic_time ();
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", 0), bound = NULL;
  g_autoptr (GSocketConnection) stream = NULL;
  g_autoptr (Client) client = NULL;
  CreelModelsFront front = { .config = &f->config, .runner = f->runner, .audit = f->audit };
  CreelModelsConnection *connection;
  gboolean ended = FALSE;

  /* its time is the test's */
  g_assert_true (g_socket_listener_add_address (listener, address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL, &bound, NULL));
  f->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  client = client_new (f);
  stream = g_socket_listener_accept (listener, NULL, NULL, NULL);
  g_socket_set_blocking (g_socket_connection_get_socket (stream), FALSE);
  connection = creel_models_connection_new (&front, stream, on_ended, &ended);
  f->fake->manage_job = JOB;
  ask (client, "POST /api/pull", "", "{\"model\":\"ai/x\",\"stream\":false}");
  WAIT_FOR (f->fake->managed->len == 1);
  hear (f);
  for (guint i = 1; i < 5; i++)
    {
      fake_engines_job_progress (f->fake, JOB, i, 9, "");
      hear (f);
      creel_models_connection_tick (connection, start + i * 50 * minute);
    }
  g_assert_cmpuint (f->fake->managed->len, ==, 1);
  /* and no longer */
  creel_models_connection_tick (connection, start + 270 * minute);
  WAIT_FOR (ended && f->fake->managed->len == 2);
  g_assert_cmpstr (f->fake->managed->pdata[1], ==, "CancelJob " JOB);
}

static void
test_removed_user (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);

  ask (client, "DELETE /models/ai/a", "", "");
  EXPECT (client, "Untagged");
  /* it counts at once, on open connections too */
  allow (f, "%s", "");
  ask (client, "DELETE /models/ai/a", "", "");
  EXPECT (client, "HTTP/1.1 403 Forbidden\r\n");
  g_assert_cmpuint (f->fake->managed->len, ==, 1);
}

#define ADD(path, up, func) g_test_add ("/models-manage/" path, Fixture, NULL, up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("default", set_up, test_default);
  ADD ("another", set_up, test_another);
  ADD ("gateway", set_up_allowed, test_gateway);
  ADD ("page", set_up_allowed, test_page);
  ADD ("unknown-user", set_up, test_unknown_user);
  ADD ("each", set_up_allowed, test_each);
  ADD ("next-request", set_up_allowed, test_next_request);
  ADD ("audit", set_up_allowed, test_audit);
  ADD ("bad", set_up_allowed, test_bad);
  ADD ("errors", set_up_allowed, test_errors);
  ADD ("progress", set_up_allowed, test_progress);
  ADD ("hang-up", set_up_allowed, test_hang_up);
  ADD ("creeld-goes", set_up_allowed, test_creeld_goes);
  ADD ("end", set_up_allowed, test_end);
  ADD ("slow-reader", set_up_allowed, test_slow_reader);
  ADD ("long-pull", set_up_allowed, test_long_pull);
  ADD ("removed-user", set_up_allowed, test_removed_user);
  return g_test_run ();
}
