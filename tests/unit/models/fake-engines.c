/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-engines.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

#include "creel-names.h"

static const char xml[] =
    "<node><interface name='org.creel.Creel1.Models'>"
    "<method name='ListModels'><arg type='a{sv}' direction='in'/><arg type='aa{sv}' direction='out'/></method></interface>"
    "<interface name='org.creel.Creel1.Engines'>"
    "<method name='StartEngine'><arg type='s' direction='in'/><arg type='a{sv}' direction='in'/></method>"
    "<method name='StopEngine'><arg type='s' direction='in'/></method>"
    "<method name='ListEngines'><arg type='aa{sv}' direction='out'/></method>"
    "<method name='ReportEngine'><arg type='s' direction='in'/><arg type='a{sv}' direction='in'/></method>"
    "<method name='ManageModels'><arg type='u' direction='in'/><arg type='s' direction='in'/><arg type='v' direction='in'/>"
    "<arg type='o' direction='out'/></method><method name='CancelJob'><arg type='o' direction='in'/></method>"
    "<signal name='EngineStopped'><arg type='s'/><arg type='s'/><arg type='s'/></signal><signal name='ModelsChanged'/></interface></node>";

static void
emit (FakeEngines *fake, const char *name, GVariant *parameters)
{
  if (fake->front == NULL)
    {
      if (parameters != NULL)
        g_variant_unref (g_variant_ref_sink (parameters));
      return;
    }
  g_assert_true (g_dbus_connection_emit_signal (fake->connection, fake->front, CREEL_OBJECT_PATH, "org.creel.Creel1.Engines", name, parameters, NULL));
}

static void
engine_free (gpointer data)
{
  FakeEngine *engine = data;

  g_socket_service_stop (engine->service);
  g_socket_listener_close (G_SOCKET_LISTENER (engine->service));
  g_object_unref (engine->service);
  g_free (engine->id);
  g_free (engine);
}

static void
request_free (gpointer data)
{
  EngineRequest *request = data;

  creel_endpoint_close (request->endpoint);
  creel_endpoint_unref (request->endpoint);
  g_clear_pointer (&request->head, creel_http_head_free);
  g_string_free (request->body, TRUE);
  g_free (request->id);
  g_free (request);
}

void
engine_request_say (EngineRequest *request, const char *text)
{
  creel_endpoint_write (request->endpoint, text, strlen (text));
  creel_endpoint_flush (request->endpoint);
}

void
engine_request_end (EngineRequest *request)
{
  creel_endpoint_close (request->endpoint);
}

static void
answer (EngineRequest *request)
{
  FakeEngines *fake = request->fake;
  const char *body = fake->answer != NULL ? fake->answer : "{\"ok\":true}";
  g_autofree char *text = NULL;

  request->whole = TRUE;
  if (request->health)
    {
      engine_request_say (request, fake->slow ? "HTTP/1.1 503 Loading\r\nContent-Length: 0\r\n\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
      creel_endpoint_shutdown (request->endpoint);
    }
  else if (fake->mode == ENGINE_CRASH)
    fake_engines_die (fake, request->id, TRUE);
  else if (fake->mode == ENGINE_ANSWER)
    {
      text = g_strdup_printf ("HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nAccess-Control-Allow-Origin: *\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                              fake->answer_type != NULL ? fake->answer_type : "application/json", strlen (body), body);
      engine_request_say (request, text);
    }
}

static void
flood (EngineRequest *request)
{
  static const char block[16 * 1024];

  while (request->flood > 0 && creel_endpoint_has_room (request->endpoint))
    {
      gsize n = (gsize) MIN (request->flood, sizeof block);

      creel_endpoint_write (request->endpoint, block, n);
      request->flood -= n;
    }
  creel_endpoint_flush (request->endpoint);
}

static void
on_request (CreelEndpoint *endpoint, gpointer user_data)
{
  EngineRequest *request = user_data;
  const guint8 *data, *payload;
  gsize size, used, payload_size;
  guint64 length;
  CreelBodyKind kind;
  const char *why;

  if (creel_endpoint_at_eof (endpoint))
    request->gone = TRUE;
  data = creel_endpoint_peek (endpoint, &size);
  if (request->head == NULL && creel_http_head_parse (data, size, TRUE, &request->head, &used, &why) == CREEL_HEAD_DONE)
    {
      creel_endpoint_consume (endpoint, used);
      g_assert_null (creel_http_head_get_framing (request->head, NULL, &kind, &length));
      creel_http_body_init (&request->framing, kind, length);
      request->health = g_str_equal (request->head->target, "/health");
      if (!request->health)
        g_ptr_array_add (request->fake->requests, request);
    }
  while (request->head != NULL && (data = creel_endpoint_peek (endpoint, &size), size > 0))
    {
      gssize n = creel_http_body_feed (&request->framing, data, size, &payload, &payload_size);

      if (n <= 0)
        break;
      if (payload_size > 0)
        g_string_append_len (request->body, (const char *) payload, (gssize) payload_size);
      creel_endpoint_consume (endpoint, (gsize) n);
    }
  if (request->head != NULL && request->framing.done && !request->whole)
    answer (request);
  flood (request);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
  FakeEngine *engine = user_data;
  EngineRequest *request = g_new0 (EngineRequest, 1);

  request->fake = g_object_get_data (G_OBJECT (service), "fake");
  request->id = g_strdup (engine->id);
  request->body = g_string_new (NULL);
  g_socket_set_blocking (g_socket_connection_get_socket (connection), FALSE);
  request->endpoint = creel_endpoint_new (G_IO_STREAM (connection));
  creel_endpoint_set_func (request->endpoint, on_request, request);
  creel_endpoint_set_reading (request->endpoint, TRUE);
  g_ptr_array_add (g_object_get_data (G_OBJECT (service), "all"), request);
  return TRUE;
}

void
fake_engines_run (FakeEngines *fake, const char *id)
{
  FakeEngine *engine = g_new0 (FakeEngine, 1);
  g_autofree char *hex = g_strndup (id + strlen ("sha256-"), 16), *folder = g_build_filename (fake->folder, hex, NULL);
  g_autofree char *path = g_build_filename (folder, "engine.sock", NULL);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);

  g_mkdir_with_parents (folder, 0700);
  g_unlink (path);
  engine->id = g_strdup (id);
  engine->service = g_socket_service_new ();
  g_object_set_data (G_OBJECT (engine->service), "fake", fake);
  g_object_set_data_full (G_OBJECT (engine->service), "all", g_ptr_array_new_with_free_func (request_free), (GDestroyNotify) g_ptr_array_unref);
  g_assert_true (g_socket_listener_add_address (G_SOCKET_LISTENER (engine->service), address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, NULL));
  g_signal_connect (engine->service, "incoming", G_CALLBACK (on_incoming), engine);
  g_socket_service_start (engine->service);
  g_hash_table_replace (fake->running, engine->id, engine);
}

/* Its connections end with it; what the test has seen of them stays until all ends. */
void
fake_engines_die (FakeEngines *fake, const char *id, gboolean say_so)
{
  FakeEngine *engine = g_hash_table_lookup (fake->running, id);
  g_autofree char *hex = g_strndup (id + strlen ("sha256-"), 16), *path = g_build_filename (fake->folder, hex, "engine.sock", NULL);
  g_autofree char *copy = g_strdup (id);
  GPtrArray *all;

  g_assert_nonnull (engine);
  all = g_object_get_data (G_OBJECT (engine->service), "all");
  for (guint i = 0; i < all->len; i++)
    creel_endpoint_close (((EngineRequest *) all->pdata[i])->endpoint);
  g_ptr_array_add (fake->ended, g_ptr_array_ref (all));
  g_unlink (path);
  g_hash_table_remove (fake->running, copy);
  if (say_so)
    emit (fake, "EngineStopped", g_variant_new ("(sss)", copy, "signal", "killed by signal 9"));
}

static void
add_model (GVariantBuilder *list, const char *id, const char *name, guint64 size)
{
  const char *references[] = { name, NULL };
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *shown = g_strndup (name + strlen ("docker.io/"), strcspn (name + strlen ("docker.io/"), ":"));

  g_variant_dict_insert (&dict, "id", "s", id);
  g_variant_dict_insert (&dict, "name", "s", shown);
  g_variant_dict_insert (&dict, "references", "^as", references);
  g_variant_dict_insert (&dict, "format", "s", "gguf");
  g_variant_dict_insert (&dict, "architecture", "s", "llama");
  g_variant_dict_insert (&dict, "parameters", "s", "8.03 B");
  g_variant_dict_insert (&dict, "quantization", "s", "Q4_K_M");
  g_variant_dict_insert (&dict, "size", "t", size);
  g_variant_dict_insert (&dict, "context-length", "t", G_GUINT64_CONSTANT (8192));
  g_variant_dict_insert (&dict, "kv-bytes-per-token", "t", G_GUINT64_CONSTANT (1024));
  g_variant_dict_insert (&dict, "chat-template", "b", TRUE);
  g_variant_dict_insert (&dict, "created", "x", G_GINT64_CONSTANT (1700000000000000));
  g_variant_builder_add_value (list, g_variant_dict_end (&dict));
}

void
fake_engines_release (FakeEngines *fake)
{
  g_dbus_method_invocation_return_value (g_steal_pointer (&fake->held), g_variant_new ("(o)", fake->manage_job != NULL ? fake->manage_job : "/"));
}

static void
manage (FakeEngines *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
  g_autoptr (GVariant) arguments = NULL;
  g_autofree char *text = NULL;
  const char *method;
  guint32 uid;

  g_variant_get (parameters, "(u&sv)", &uid, &method, &arguments);
  text = g_variant_print (arguments, FALSE);
  g_ptr_array_add (fake->managed, g_strdup_printf ("%u %s %s", uid, method, text));
  if (fake->manage_error != NULL)
    {
      g_auto (GStrv) words = g_strsplit (fake->manage_error, "|", 2);

      g_dbus_method_invocation_return_dbus_error (invocation, words[0], words[1]);
      return;
    }
  fake->held = invocation;
  if (!fake->manage_holds)
    fake_engines_release (fake);
}

void
fake_engines_job_progress (FakeEngines *fake, const char *job, guint64 done, guint64 total, const char *digest)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "Phase", "s", "fetching");
  g_variant_dict_insert (&dict, "Progress", "(tt)", done, total);
  g_variant_dict_insert (&dict, "Digest", "s", digest);
  g_dbus_connection_emit_signal (fake->connection, fake->front, job, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                 g_variant_new ("(s@a{sv}as)", CREEL_BUS_NAME ".Job", g_variant_dict_end (&dict), NULL), NULL);
}

void
fake_engines_job_end (FakeEngines *fake, const char *job, const char *error)
{
  g_auto (GStrv) words = g_strsplit (error != NULL ? error : "|", "|", 2);

  g_dbus_connection_emit_signal (fake->connection, fake->front, CREEL_OBJECT_PATH, CREEL_BUS_NAME ".Manager", "JobRemoved",
                                 g_variant_new ("(ossssa{sv})", job, "target", error != NULL ? "failed" : "done", words[0], words[1], NULL), NULL);
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method, GVariant *parameters,
         GDBusMethodInvocation *invocation, gpointer user_data)
{
  FakeEngines *fake = user_data;
  GVariantBuilder list;
  const char *id = "";

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  if (g_str_equal (method, "ListModels"))
    {
      fake->lists++;
      add_model (&list, ID_A, "docker.io/ai/a:latest", 2048 * MIB);
      if (fake->with_b)
        add_model (&list, ID_B, "docker.io/ai/b:latest", 2048 * MIB);
      g_dbus_method_invocation_return_value (invocation, g_variant_new ("(aa{sv})", &list));
      return;
    }
  g_free (fake->front);
  fake->front = g_strdup (sender);
  if (g_str_equal (method, "ListEngines"))
    {
      GHashTableIter iter;
      gpointer key;

      g_hash_table_iter_init (&iter, fake->running);
      while (g_hash_table_iter_next (&iter, &key, NULL))
        {
          g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

          g_variant_dict_insert (&dict, "id", "s", key);
          g_variant_dict_insert (&dict, "state", "s", "running");
          g_variant_dict_insert (&dict, "context-size", "t", G_GUINT64_CONSTANT (4096));
          g_variant_builder_add_value (&list, g_variant_dict_end (&dict));
        }
      g_dbus_method_invocation_return_value (invocation, g_variant_new ("(aa{sv})", &list));
      return;
    }
  g_variant_builder_clear (&list);
  if (g_str_equal (method, "ManageModels"))
    {
      manage (fake, parameters, invocation);
      return;
    }
  if (g_str_equal (method, "CancelJob"))
    {
      g_variant_get (parameters, "(&o)", &id);
      g_ptr_array_add (fake->managed, g_strconcat ("CancelJob ", id, NULL));
      g_dbus_method_invocation_return_value (invocation, NULL);
      return;
    }
  g_variant_get_child (parameters, 0, "&s", &id);
  if (g_str_equal (method, "StartEngine"))
    {
      g_string_append_printf (fake->log, "+%c ", id[strlen ("sha256-")]);
      g_clear_pointer (&fake->started, g_variant_unref);
      fake->started = g_variant_get_child_value (parameters, 1);
      if (fake->start_error != NULL)
        {
          g_auto (GStrv) words = g_strsplit (fake->start_error, "|", 2);

          g_dbus_method_invocation_return_dbus_error (invocation, words[0], words[1]);
          return;
        }
      fake_engines_run (fake, id);
    }
  else if (g_str_equal (method, "StopEngine"))
    {
      g_string_append_printf (fake->log, "-%c ", id[strlen ("sha256-")]);
      if (!g_hash_table_contains (fake->running, id))
        {
          g_dbus_method_invocation_return_dbus_error (invocation, CREEL_ERROR_PREFIX "NotRunning", "It does not run");
          return;
        }
      fake_engines_die (fake, id, FALSE);
      emit (fake, "EngineStopped", g_variant_new ("(sss)", id, "success", "ended"));
    }
  else
    {
      g_clear_pointer (&fake->reported, g_variant_unref);
      fake->reported = g_variant_get_child_value (parameters, 1);
    }
  g_dbus_method_invocation_return_value (invocation, NULL);
}

void
fake_engines_change (FakeEngines *fake)
{
  emit (fake, "ModelsChanged", NULL);
}

void
fake_engines_own_name (FakeEngines *fake)
{
  fake->owner_id = g_bus_own_name_on_connection (fake->connection, CREEL_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE, NULL, NULL, NULL, NULL);
}

void
fake_engines_drop_name (FakeEngines *fake)
{
  g_clear_handle_id (&fake->owner_id, g_bus_unown_name);
  g_clear_pointer (&fake->front, g_free);
}

FakeEngines *
fake_engines_new (const char *address, const char *folder)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  FakeEngines *fake = g_new0 (FakeEngines, 1);
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, NULL);

  fake->connection = g_dbus_connection_new_for_address_sync (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, NULL);
  g_assert_nonnull (fake->connection);
  fake->folder = g_strdup (folder);
  fake->running = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, engine_free);
  fake->requests = g_ptr_array_new ();
  fake->ended = g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);
  fake->log = g_string_new (NULL);
  fake->managed = g_ptr_array_new_with_free_func (g_free);
  fake->with_b = TRUE;
  for (guint i = 0; i < 2; i++)
    fake->object_ids[i] = g_dbus_connection_register_object (fake->connection, CREEL_OBJECT_PATH, node->interfaces[i], &vtable, fake, NULL, NULL);
  fake_engines_own_name (fake);
  return fake;
}

void
fake_engines_free (FakeEngines *fake)
{
  fake_engines_drop_name (fake);
  for (guint i = 0; i < 2; i++)
    g_dbus_connection_unregister_object (fake->connection, fake->object_ids[i]);
  g_hash_table_unref (fake->running);
  g_ptr_array_unref (fake->requests);
  g_ptr_array_unref (fake->managed);
  g_ptr_array_unref (fake->ended);
  g_dbus_connection_close_sync (fake->connection, NULL, NULL);
  g_object_unref (fake->connection);
  g_clear_pointer (&fake->started, g_variant_unref);
  g_clear_pointer (&fake->reported, g_variant_unref);
  g_string_free (fake->log, TRUE);
  g_free (fake->folder);
  g_free (fake);
}

EngineRequest *
fake_engines_get_request (FakeEngines *fake, guint i)
{
  WAIT_FOR (fake->requests->len > i && ((EngineRequest *) fake->requests->pdata[i])->whole);
  return fake->requests->pdata[i];
}
