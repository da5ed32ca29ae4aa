/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-models-catalog.h"
#include "creel-models-config.h"
#include "creel-models-json.h"
#include "creel-models-memory.h"
#include "creel-models-peer.h"
#include "creel-models-probe.h"

#define MIB (G_GUINT64_CONSTANT (1024) * 1024)
#define ID_A "sha256-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "sha256-abababababababababababababababababababababababababababababababab"

static void
test_memory (void)
{
  static const char text[] = "MemTotal:       16000 kB\nMemFree:  1 kB\nMemAvailable:    8000 kB\n";
  guint64 total, available;

  g_assert_cmpuint (creel_models_memory_parse (text, "MemTotal"), ==, 16000 * 1024);
  g_assert_cmpuint (creel_models_memory_parse (text, "MemAvailable"), ==, 8000 * 1024);
  g_assert_cmpuint (creel_models_memory_parse (text, "Mem"), ==, 0);
  g_assert_cmpuint (creel_models_memory_parse ("", "MemTotal"), ==, 0);
  g_assert_cmpuint (creel_models_memory_parse_stat ("anon 4096\nfile 9\nanon_thp 3\nshmem 5"), ==, 4101);
  g_assert_true (creel_models_memory_read (&total, &available));
  g_assert_cmpuint (available, <=, total);
  g_assert_cmpuint (creel_models_memory_get_capacity (16384 * MIB, 4096 * MIB, 1024 * MIB, G_MAXUINT64), ==, 4096 * MIB);
  g_assert_cmpuint (creel_models_memory_get_capacity (16384 * MIB, 4096 * MIB, 1024 * MIB, 100), ==, 100);
  g_assert_cmpuint (creel_models_memory_get_capacity (1024 * MIB, 100 * MIB, 0, G_MAXUINT64), ==, 0);
  g_assert_cmpuint (creel_models_memory_get_capacity (1024 * MIB, G_MAXUINT64, 5, G_MAXUINT64), ==, 896 * MIB);
  g_assert_cmpuint (creel_models_memory_get_limit (1024 * MIB), ==, 1792 * MIB);
  g_assert_cmpuint (creel_models_memory_get_limit (G_MAXUINT64), ==, G_MAXUINT64);
}

static void
test_peer (void)
{
  static const char table[] = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
                              "   0: 0100007F:3094 0100007F:C350 01 00000000:00000000 00:00000000 00000000  7 0 1 1\n"
                              "   1: 0100007F:C350 0100007F:3094 01 00000000:00000000 02:000A0000 00000000 61184 0 2 2\n"
                              "   2: 0100007F:C352 0100007F:3094 05 00000000:00000000 02:000A0000 00000000 0 0 2 2\n";
  struct sockaddr_in client = { .sin_family = AF_INET, .sin_port = htons (50000), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons (12436), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  uid_t uid = 0;
  gboolean open = FALSE;

  g_assert_true (creel_models_peer_parse (table, &client, &server, &uid, &open));
  g_assert_cmpuint (uid, ==, 61184);
  g_assert_true (open);
  g_assert_true (creel_models_peer_parse (table, &server, &client, &uid, &open));
  g_assert_cmpuint (uid, ==, 7);
  client.sin_port = htons (50001);
  g_assert_false (creel_models_peer_parse (table, &client, &server, &uid, &open));
  g_assert_false (creel_models_peer_parse (table, &client, &client, &uid, &open));
  /* one that was closed after it had asked */
  client.sin_port = htons (50002);
  g_assert_true (creel_models_peer_parse (table, &client, &server, &uid, &open));
  g_assert_cmpuint (uid, ==, 0);
  g_assert_false (open);
}

/* a socket of this process is this user's */
static void
test_own_peer (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) bound = NULL;
  g_autoptr (GSocketClient) maker = g_socket_client_new ();
  g_autoptr (GSocketConnection) client = NULL;
  g_autoptr (GSocketConnection) server = NULL;
  uid_t uid = 12345;
  gboolean open = FALSE;

  g_assert_true (g_socket_listener_add_address (listener, address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL, &bound, NULL));
  client = g_socket_client_connect (maker, G_SOCKET_CONNECTABLE (bound), NULL, NULL);
  server = g_socket_listener_accept (listener, NULL, NULL, NULL);
  g_assert_true (client != NULL && server != NULL);
  g_assert_true (creel_models_peer_get_uid (server, &uid, &open));
  g_assert_cmpuint (uid, ==, getuid ());
  g_assert_true (open);
  g_assert_true (g_socket_close (g_socket_connection_get_socket (client), NULL));
  g_assert_false (creel_models_peer_get_uid (server, &uid, &open) && open);
}

static GSocketConnection *
connect_from (GSocketAddress *from, GSocketAddress *to)
{
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);

  g_assert_true (g_socket_bind (socket, from, TRUE, NULL) && g_socket_connect (socket, to, NULL, NULL));
  return g_socket_connection_factory_create_connection (socket);
}

/* One who asked and reset their connection leaves its port to others, who did not ask. */
static void
test_reused_port (void)
{
  static const struct linger reset = { .l_onoff = 1 };
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) bound = NULL, from = NULL;
  g_autoptr (GSocketConnection) first = NULL, second = NULL, server = NULL, other = NULL;
  GSocket *socket;
  uid_t uid;
  gboolean open;

  g_assert_true (g_socket_listener_add_address (listener, any, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL, &bound, NULL));
  first = connect_from (any, bound);
  from = g_socket_connection_get_local_address (first, NULL);
  server = g_socket_listener_accept (listener, NULL, NULL, NULL);
  g_assert_true (creel_models_peer_get_uid (server, &uid, &open) && open);
  socket = g_socket_connection_get_socket (first);
  g_assert_cmpint (setsockopt (g_socket_get_fd (socket), SOL_SOCKET, SO_LINGER, &reset, sizeof reset), ==, 0);
  g_assert_true (g_socket_close (socket, NULL));
  second = connect_from (from, bound);
  other = g_socket_listener_accept (listener, NULL, NULL, NULL);
  g_assert_true (creel_models_peer_get_uid (other, &uid, &open) && open);
  g_assert_false (creel_models_peer_get_uid (server, &uid, &open));
}

/* systemd's one answer */
static void
on_lookup (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method, GVariant *parameters,
           GDBusMethodInvocation *invocation, gpointer user_data)
{
  guint *asked = user_data;
  const char *name;

  (*asked)++;
  g_variant_get (parameters, "(&s)", &name);
  g_assert_cmpstr (name, ==, "creel-gateway");
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(u)", 61200));
}

static void
on_checked (gboolean is_gateway, gpointer user_data)
{
  *(int *) user_data = is_gateway;
}

static int
check (CreelModelsPeers *peers, uid_t uid)
{
  int result = -1;

  creel_models_peers_check (peers, uid, on_checked, &result);
  while (result < 0)
    g_main_context_iteration (NULL, TRUE);
  return result;
}

static void
test_gateway (void)
{
  static const char xml[] = "<node><interface name='org.freedesktop.systemd1.Manager'><method name='LookupDynamicUserByName'>"
                            "<arg type='s' direction='in'/><arg type='u' direction='out'/></method></interface></node>";
  static const GDBusInterfaceVTable vtable = { .method_call = on_lookup };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, NULL);
  GTestDBus *bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  GDBusConnection *connection;
  CreelModelsPeers *peers;
  guint asked = 0, owner;
  int last = -1;

  g_test_dbus_up (bus);
  connection = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (bus), G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, NULL);
  peers = creel_models_peers_new (connection);
  /* without systemd nobody is */
  g_assert_cmpint (check (peers, 61200), ==, FALSE);
  g_dbus_connection_register_object (connection, "/org/freedesktop/systemd1", node->interfaces[0], &vtable, &asked, NULL, NULL);
  owner = g_bus_own_name_on_connection (connection, "org.freedesktop.systemd1", G_BUS_NAME_OWNER_FLAGS_NONE, NULL, NULL, NULL, NULL);
  for (guint i = 0; i < 100; i++)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (1000);
    }
  g_assert_cmpint (check (peers, 0), ==, FALSE);
  g_assert_cmpint (check (peers, 1000), ==, FALSE);
  g_assert_cmpint (check (peers, 65534), ==, FALSE);
  g_assert_cmpuint (asked, ==, 0);
  g_assert_cmpint (check (peers, 61201), ==, FALSE);
  g_assert_cmpint (check (peers, 61200), ==, TRUE);
  g_assert_cmpint (check (peers, 61200), ==, TRUE);
  g_assert_cmpuint (asked, ==, 1);
  g_assert_cmpint (check (peers, 61202), ==, FALSE);
  g_assert_cmpuint (asked, ==, 2);
  creel_models_peers_check (peers, 61203, on_checked, &last);
  creel_models_peers_free (peers);
  g_assert_cmpint (last, ==, FALSE);
  g_bus_unown_name (owner);
  g_dbus_connection_close_sync (connection, NULL, NULL);
  g_object_unref (connection);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_test_dbus_down (bus);
  g_object_unref (bus);
}

static void
test_find_model (void)
{
  static const struct
  {
    const char *text, *model;
  } cases[] = {
    { "{\"model\":\"a\"}", "a" },
    { " \n{ \"x\" : [ { \"model\" : \"no\" } , \"}\" ] , \"model\" : \"ai\\/a\\u0041\" , \"y\":1}", "ai/aA" },
    { "{\"model\":\"a\",\"model\":\"b\"}", "b" },
    { "{\"a\":\"model\",\"b\":\"\\\\\\\"model\\\":\",\"model\":\"c\"}", "c" },
    { "{\"model\":\"a\"", "a" }, /* the engine says what is wrong with it */
    { "{\"model\":\"a\",\"model\":7}", NULL },
    { "{\"model\":[\"a\"]}", NULL },
    { "{\"model\":\"a\n\"}", "a\n" },
    { "{\"model\":\"\xff\"}", NULL },
    { "{\"model\":\"a", NULL },
    { "{}{\"model\":\"a\"}", NULL },
    { "[\"model\",\"a\"]", NULL },
    { "", NULL },
  };
  g_autofree char *filler = g_strnfill (2000, 'x'), *huge = g_strdup_printf ("{\"model\":\"%s\"}", filler);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *model = creel_models_json_find_model (cases[i].text, strlen (cases[i].text), &error);

      g_test_message ("%s", cases[i].text);
      g_assert_cmpstr (model, ==, cases[i].model);
      g_assert_true ((model == NULL) == (error != NULL));
    }
  g_assert_null (creel_models_json_find_model (huge, strlen (huge), NULL));
}

static CreelModelsCatalog *
make_catalog (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) models = g_variant_ref_sink (g_variant_parse (G_VARIANT_TYPE ("aa{sv}"), text, NULL, NULL, &error));

  g_assert_no_error (error);
  return creel_models_catalog_new (models, "docker.io");
}

static void
test_catalog (void)
{
  g_autoptr (CreelModelsCatalog) catalog =
      make_catalog ("[{'id':<'" ID_A "'>,'name':<'ai/a'>,'references':<['docker.io/ai/a:latest','ghcr.io/x/y:1']>,'size':<uint64 100>},"
                    "{'id':<'" ID_B "'>,'name':<'mine'>,'references':<['mine:latest']>,'keep-alive':<uint64 18446744073709551615>},"
                    "{'id':<'nonsense'>,'name':<'x'>}, {'name':<7>}]");
  static const char *const of_a[] = { "ai/a", "ai/a:latest", "docker.io/ai/a", "index.docker.io/ai/a:latest", "ghcr.io/x/y:1", ID_A, "sha256:aaaaaaaaaaaa", "aaaaaa", NULL };
  static const char *const of_none[] = { "", "a", "ai/a:1", "ghcr.io/x/y", "aaaaa", "AI/A", "ai/a\n", "sha256-", "x", "nonsense", NULL };
  g_autofree char *names = creel_models_catalog_format_names (catalog);
  const CreelModelsModel *a, *b;

  g_assert_cmpuint (creel_models_catalog_get_models (catalog)->len, ==, 2);
  g_assert_cmpstr (names, ==, "ai/a and mine");
  a = creel_models_catalog_get_models (catalog)->pdata[0];
  b = creel_models_catalog_get_models (catalog)->pdata[1];
  for (guint i = 0; of_a[i] != NULL; i++)
    g_assert_true (creel_models_catalog_find (catalog, of_a[i]) == a);
  for (guint i = 0; of_none[i] != NULL; i++)
    g_assert_null (creel_models_catalog_find (catalog, of_none[i]));
  g_assert_true (creel_models_catalog_find (catalog, "mine") == b);
  g_assert_cmpint (a->keep_alive, ==, 5 * 60 * G_USEC_PER_SEC);
  g_assert_cmpint (b->keep_alive, ==, CREEL_MODELS_KEEP_FOR_EVER);
}

static void
test_context (void)
{
  CreelModelsModel model = { .id = (char *) ID_A, .size = 1024 * MIB, .context_length = 131072, .kv_bytes_per_token = 64 * 1024 };

  /* all of it, what fits, the least */
  g_assert_cmpuint (creel_models_model_get_need (&model, 16384 * MIB).context, ==, 131072);
  g_assert_cmpuint (creel_models_model_get_need (&model, 4096 * MIB).context, ==, 37888);
  g_assert_cmpuint (creel_models_model_get_need (&model, 100 * MIB).context, ==, 4096);
  model.context_length = 2048;
  g_assert_cmpuint (creel_models_model_get_need (&model, 100 * MIB).context, ==, 2048);
  model.context_size = 999999;
  g_assert_cmpuint (creel_models_model_get_need (&model, 100 * MIB).context, ==, 999999);
  model = (CreelModelsModel){ .id = (char *) ID_A, .size = 1024 * MIB, .context_length = 131072 };
  g_assert_cmpuint (creel_models_model_get_need (&model, 16384 * MIB).context, ==, 32768);
}

static void
write_config (const char *text)
{
  g_autofree char *folder = g_build_filename (g_getenv ("CREEL_ROOT"), "etc/creel", NULL), *path = g_build_filename (folder, "creel.conf", NULL);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
test_config (void)
{
  static const struct
  {
    const char *value;
    guint64 size;
  } sizes[] = { { "0", 0 }, { "1000", 1000 }, { "4K", 4096 }, { "2G", 2048 * MIB }, { "1T", 1024 * 1024 * MIB }, { "50%", 500 }, { "infinity", G_MAXUINT64 } };
  static const char *const bad[] = { "G", "-1", "1X", "1GB", "101%", "99999999999999999999", "999999999999999T", NULL };
  g_auto (CreelModelsConfig) config = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (creel_models_config_load (1000, &config, &error));
  g_assert_cmpuint (config.memory_max, ==, G_MAXUINT64);
  g_assert_cmpstr (config.registry, ==, "docker.io");
  creel_models_config_clear (&config);
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *text = g_strdup_printf ("[Images]\nMemoryMax=x\n[Models]\nEngine=/x\nMemoryMax=%s\n", sizes[i].value);

      write_config (text);
      g_assert_true (creel_models_config_load (1000, &config, &error));
      g_assert_cmpuint (config.memory_max, ==, sizes[i].size);
      creel_models_config_clear (&config);
    }
  for (guint i = 0; bad[i] != NULL; i++)
    {
      g_autofree char *text = g_strdup_printf ("[Models]\nMemoryMax=%s\n", bad[i]);

      write_config (text);
      g_assert_false (creel_models_config_load (1000, &config, &error));
      g_assert_nonnull (strstr (error->message, "creel.conf:2: MemoryMax="));
      g_clear_error (&error);
    }
  write_config ("[Models]\nAllowOrigin=https://a.example  http://b.example\nAllowOrigin=https://c.example\nRegistry=ghcr.io\n");
  g_assert_true (creel_models_config_load (1000, &config, &error));
  g_assert_cmpstr (config.registry, ==, "ghcr.io");
  g_assert_cmpuint (g_strv_length (config.origins), ==, 3);
  g_assert_cmpstr (config.origins[1], ==, "http://b.example");
}

/* An engine owns the folder of its socket, and may have become somebody else's. */
static void
test_link (void)
{
  g_autofree char *folder = g_dir_make_tmp ("creel-models-XXXXXX", NULL), *real = g_build_filename (folder, "real", NULL);
  g_autofree char *link = g_build_filename (folder, "engine.sock", NULL), *file = g_build_filename (folder, "file", NULL);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (real);
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GIOStream) good = NULL;
  const char *const bad[] = { link, file, folder, "/nonexistent/engine.sock" };

  g_assert_true (g_socket_listener_add_address (listener, address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, NULL));
  g_assert_cmpint (symlink (real, link), ==, 0);
  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  good = creel_models_probe_connect (real, NULL);
  g_assert_nonnull (good);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (creel_models_probe_connect (bad[i], &error));
      g_assert_nonnull (error);
      g_assert_false (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK));
    }
  unlink (link);
  unlink (file);
  unlink (real);
  rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_autofree char *root = g_dir_make_tmp ("creel-models-XXXXXX", NULL), *command = g_strdup_printf ("rm -r '%s'", root);
  int result;

  g_setenv ("CREEL_ROOT", root, TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/models-parts/memory", test_memory);
  g_test_add_func ("/models-parts/peer", test_peer);
  g_test_add_func ("/models-parts/own-peer", test_own_peer);
  g_test_add_func ("/models-parts/reused-port", test_reused_port);
  g_test_add_func ("/models-parts/gateway", test_gateway);
  g_test_add_func ("/models-parts/find-model", test_find_model);
  g_test_add_func ("/models-parts/catalog", test_catalog);
  g_test_add_func ("/models-parts/context", test_context);
  g_test_add_func ("/models-parts/config", test_config);
  g_test_add_func ("/models-parts/link", test_link);
  result = g_test_run ();
  return system (command) == 0 ? result : 1;
}
