/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-engine-unit.h"

#include <errno.h>
#include <grp.h>
#include <string.h>

#include "creel-definition.h"
#include "creel-names.h"
#include "creel-root.h"

#define MODEL_PLACE "/run/model"
#define SOCKET_PLACE "/run/engine"
#define ENVIRONMENT_MODEL "CREEL_MODEL="
#define ENVIRONMENT_CONTEXT "CREEL_CONTEXT_SIZE="
#define VERSION_SECONDS 10

static void
add (GVariantBuilder *b, const char *key, GVariant *value)
{
  g_variant_builder_add (b, "(sv)", key, value);
}

static GVariant *
filter (gboolean allow, const char *word)
{
  const char *const words[] = { word, NULL };

  return g_variant_new ("(b^as)", allow, words);
}

char *
creel_engine_unit_name (const char *id)
{
  return g_strdup_printf (CREEL_ENGINE_UNIT_PREFIX "%.*s.service", CREEL_ENGINE_HEX, id + strlen ("sha256-"));
}

char *
creel_engine_unit_digits (const char *unit)
{
  gsize prefix = strlen (CREEL_ENGINE_UNIT_PREFIX);

  if (!g_str_has_prefix (unit, CREEL_ENGINE_UNIT_PREFIX) || strlen (unit) != prefix + CREEL_ENGINE_HEX + strlen (".service") ||
      strspn (unit + prefix, "0123456789abcdef") != CREEL_ENGINE_HEX || !g_str_has_suffix (unit, ".service"))
    return NULL;
  return g_strndup (unit + prefix, CREEL_ENGINE_HEX);
}

gboolean
creel_engine_unit_read (GVariant *environment, char **ret_id, guint64 *ret_context_size)
{
  g_autofree const char **words = g_variant_get_strv (environment, NULL);
  const char *id = NULL;
  guint64 context_size = 0;

  for (const char **word = words; *word != NULL; word++)
    if (g_str_has_prefix (*word, ENVIRONMENT_MODEL))
      id = *word + strlen (ENVIRONMENT_MODEL);
    else if (g_str_has_prefix (*word, ENVIRONMENT_CONTEXT))
      context_size = g_ascii_strtoull (*word + strlen (ENVIRONMENT_CONTEXT), NULL, 10);
  if (id == NULL || !creel_image_id_is_valid (id))
    return FALSE;
  *ret_id = g_strdup (id);
  *ret_context_size = context_size;
  return TRUE;
}

static void
add_command (GVariantBuilder *b, GPtrArray *argv)
{
  static const char *const plain[] = { "no-env-expand", NULL }; /* a "$" in a name is itself */
  GVariantBuilder commands;

  g_ptr_array_add (argv, NULL);
  g_variant_builder_init (&commands, G_VARIANT_TYPE ("a(sasas)"));
  g_variant_builder_add (&commands, "(s^as^as)", argv->pdata[0], argv->pdata, plain);
  add (b, "ExecStartEx", g_variant_builder_end (&commands));
}

static void
push (GPtrArray *argv, const char *word)
{
  g_ptr_array_add (argv, g_strdup (word));
}

static void
push_file (GPtrArray *argv, const char *option, const CreelModelFile *file)
{
  if (file == NULL)
    return;
  push (argv, option);
  g_ptr_array_add (argv, g_build_filename (MODEL_PLACE, file->name, NULL));
}

static void
add_engine (GVariantBuilder *b, const CreelEngineStart *start)
{
  static const char *const last[] = { "--jinja", "--no-webui", "--offline", NULL };
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);

  push (argv, start->engine);
  push (argv, "--host");
  push (argv, SOCKET_PLACE "/engine.sock");
  /* of a split model the first part; it finds the others by their names */
  push_file (argv, "-m", creel_model_config_find_file (start->config, "gguf"));
  push_file (argv, "--mmproj", creel_model_config_find_file (start->config, "mmproj"));
  push_file (argv, "--chat-template-file", creel_model_config_find_file (start->config, "chat-template"));
  push (argv, "--alias");
  push (argv, start->alias);
  push (argv, "-c");
  g_ptr_array_add (argv, g_strdup_printf ("%" G_GUINT64_FORMAT, start->context_size));
  for (const char *const *word = last; *word != NULL; word++)
    push (argv, *word);
  /* without it the engine answers no question for vectors */
  if (start->config->embedding)
    push (argv, "--embeddings");
  for (const char *const *word = start->flags; word != NULL && *word != NULL; word++)
    push (argv, *word);
  add_command (b, argv);
}

static void
add_bind (GVariantBuilder *b, const char *source, const char *destination)
{
  g_variant_builder_add (b, "(ssbt)", source, destination, FALSE, (guint64) 0);
}

/* Blobs of the model and nothing else of /var/lib; its own socket's folder and nothing else of /run: neither D-Bus nor another engine. */
static void
add_files (GVariantBuilder *b, const CreelEngineStart *start)
{
  g_autofree char *name = g_strdup_printf ("%.*s", CREEL_ENGINE_HEX, start->config->id + strlen ("sha256-"));
  g_autofree char *runtime = g_build_filename (CREEL_ENGINE_DIR, name, NULL);
  g_autofree char *relative = g_strconcat (CREEL_ENGINE_DIR + strlen ("/run/"), "/", name, NULL);
  const char *const directories[] = { relative, NULL };
  GVariantBuilder binds;

  add (b, "RuntimeDirectory", g_variant_new_strv (directories, -1));
  add (b, "RuntimeDirectoryMode", g_variant_new_uint32 (0710));
  g_variant_builder_init (&binds, G_VARIANT_TYPE ("a(ssbt)"));
  add_bind (&binds, runtime, SOCKET_PLACE);
  add (b, "BindPaths", g_variant_builder_end (&binds));
  g_variant_builder_init (&binds, G_VARIANT_TYPE ("a(ssbt)"));
  for (guint i = 0; i < start->config->files->len; i++)
    {
      const CreelModelFile *file = start->config->files->pdata[i];
      g_autofree char *source = g_build_filename (CREEL_OCI_DIR "/blobs/sha256", file->blob, NULL);
      g_autofree char *destination = g_build_filename (MODEL_PLACE, file->name, NULL);

      if (g_str_equal (file->kind, "gguf") || g_str_equal (file->kind, "mmproj") || g_str_equal (file->kind, "chat-template"))
        add_bind (&binds, source, destination);
    }
  add (b, "BindReadOnlyPaths", g_variant_builder_end (&binds));
}

static gboolean
has_path (const char *path)
{
  g_autofree char *full = creel_root_path (path);

  return g_file_test (full, G_FILE_TEST_EXISTS);
}

static gboolean
has_render_node (void)
{
  g_autofree char *path = creel_root_path ("/sys/class/drm");
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (entry, "renderD"))
      return TRUE;
  return FALSE;
}

/* By /sys, because this process has a /dev of its own. */
static gboolean
has_gpu (void)
{
  return has_render_node () || has_path ("/sys/class/kfd/kfd") || has_path ("/sys/bus/pci/drivers/nvidia");
}

static void
add_devices (GVariantBuilder *b, gboolean gpu)
{
  static const char *const devices[] = { "char-drm", "char-kfd", "char-nvidia*" };
  GVariantBuilder list;

  add (b, "PrivateDevices", g_variant_new_boolean (!gpu));
  /* the drivers of GPUs read more of /proc than what is of processes */
  add (b, "ProcSubset", g_variant_new_string (gpu ? "all" : "pid"));
  if (!gpu)
    return;
  add (b, "DevicePolicy", g_variant_new_string ("closed"));
  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(ss)"));
  for (guint i = 0; i < G_N_ELEMENTS (devices); i++)
    g_variant_builder_add (&list, "(ss)", devices[i], "rw");
  add (b, "DeviceAllow", g_variant_builder_end (&list));
}

static void
add_groups (GVariantBuilder *b, gboolean gpu)
{
  static const char *const devices[] = { "render", "video", NULL };
  const char *groups[G_N_ELEMENTS (devices) + 1] = { CREEL_IMAGE_USER, NULL }; /* of the blobs */
  guint n = 1;

  for (const char *const *group = devices; gpu && *group != NULL; group++)
    if (getgrnam (*group) != NULL)
      groups[n++] = *group;
  add (b, "SupplementaryGroups", g_variant_new_strv (groups, n));
}

static void
add_confinement (GVariantBuilder *b, gboolean gpu)
{
  static const char *const yes[] = { "DynamicUser", "NoNewPrivileges", "PrivateNetwork", "PrivateIPC", "PrivateTmp", "PrivateUsers", "ProtectClock",
                                     "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
                                     "ProtectKernelTunables", "LockPersonality", "RestrictRealtime", "RestrictSUIDSGID", "RemoveIPC" };
  static const char *const native[] = { "native", NULL };
  static const char *const private_places[] = { "-/srv", "-/mnt", "-/media", "-/var/spool", "-/var/mail", "-/var/log", "-/var/backups", NULL };
  GVariantBuilder hidden;

  /* No MemoryDenyWriteExecute=: the drivers of GPUs compile their programs in memory. Exec is allowed: the engine may be a script */
  for (guint i = 0; i < G_N_ELEMENTS (yes); i++)
    add (b, yes[i], g_variant_new_boolean (TRUE));
  add (b, "ProtectSystem", g_variant_new_string ("strict"));
  add (b, "ProtectHome", g_variant_new_string ("yes"));
  add (b, "ProtectProc", g_variant_new_string ("invisible"));
  g_variant_builder_init (&hidden, G_VARIANT_TYPE ("a(ss)"));
  g_variant_builder_add (&hidden, "(ss)", "/run", "ro");
  g_variant_builder_add (&hidden, "(ss)", "/var/lib", "ro");
  /* else it is the machine's, also with PrivateDevices= and PrivateIPC=: files and sockets for whoever is in league with a model */
  g_variant_builder_add (&hidden, "(ss)", "/dev/shm", "mode=1777");
  add (b, "TemporaryFileSystem", g_variant_builder_end (&hidden));
  /* not /opt and /usr/local, where an engine may be */
  add (b, "InaccessiblePaths", g_variant_new_strv (private_places, -1));
  add (b, "RestrictAddressFamilies", filter (TRUE, "AF_UNIX"));
  add (b, "RestrictNamespaces", g_variant_new_uint64 (0));
  add (b, "CapabilityBoundingSet", g_variant_new_uint64 (0));
  add (b, "AmbientCapabilities", g_variant_new_uint64 (0));
  add (b, "SystemCallArchitectures", g_variant_new_strv (native, -1));
  add (b, "SystemCallFilter", filter (TRUE, "@system-service"));
  add (b, "SystemCallFilter", filter (FALSE, "@privileged"));
  add (b, "SystemCallErrorNumber", g_variant_new_int32 (EPERM));
  add (b, "LimitCORE", g_variant_new_uint64 (0));
  add (b, "TasksMax", g_variant_new_uint64 (1024));
  add_devices (b, gpu);
}

static void
add_environment (GVariantBuilder *b, const CreelEngineStart *start)
{
  g_autofree char *model = start != NULL ? g_strconcat (ENVIRONMENT_MODEL, start->config->id, NULL) : NULL;
  g_autofree char *context = start != NULL ? g_strdup_printf (ENVIRONMENT_CONTEXT "%" G_GUINT64_FORMAT, start->context_size) : NULL;
  /* Prompts that it keeps are 8 GiB by default and in no estimate of its memory; an older one does not know it, and a flag wins */
  const char *const words[] = { "HOME=/tmp", "LLAMA_ARG_CACHE_RAM=256", model, context, NULL };

  add (b, "Environment", g_variant_new_strv (words, -1));
}

static void
add_log_fields (GVariantBuilder *b, const char *alias)
{
  g_autofree char *field = g_strconcat (CREEL_FIELD_MODEL "=", alias, NULL);
  GVariantBuilder fields;

  g_variant_builder_init (&fields, G_VARIANT_TYPE ("aay"));
  g_variant_builder_add_value (&fields, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, field, strlen (field), 1));
  add (b, "LogExtraFields", g_variant_builder_end (&fields));
}

GVariant *
creel_engine_unit_properties (const CreelEngineStart *start)
{
  g_autofree char *description = g_strconcat ("Engine of model ", start->alias, NULL);
  gboolean gpu = has_gpu ();
  GVariantBuilder b;

  g_variant_builder_init (&b, G_VARIANT_TYPE ("a(sv)"));
  add (&b, "Description", g_variant_new_string (description));
  add (&b, "Type", g_variant_new_string ("exec"));
  /* by which the journal finds all of them; a failed one stays until creeld has seen why */
  add (&b, "Slice", g_variant_new_string (CREEL_ENGINE_SLICE));
  add_engine (&b, start);
  add_environment (&b, start);
  add_log_fields (&b, start->alias);
  add (&b, "SyslogIdentifier", g_variant_new_string ("creel-engine"));
  /* the front's group: it alone may enter the folder, and there the socket is open */
  add (&b, "Group", g_variant_new_string (CREEL_MODELS_USER));
  add (&b, "UMask", g_variant_new_uint32 (0));
  add_groups (&b, gpu);
  add_files (&b, start);
  add_confinement (&b, gpu);
  if (start->memory_max > 0)
    add (&b, "MemoryMax", g_variant_new_uint64 (start->memory_max));
  /* --mlock: what it may lock is what it may have */
  add (&b, "LimitMEMLOCK", g_variant_new_uint64 (G_MAXUINT64));
  add (&b, "OOMScoreAdjust", g_variant_new_int32 (500));
  add (&b, "TimeoutStopUSec", g_variant_new_uint64 (5 * G_USEC_PER_SEC));
  return g_variant_builder_end (&b);
}

GVariant *
creel_engine_unit_version_properties (const char *engine)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  GVariantBuilder b;

  push (argv, engine);
  push (argv, "--version");
  g_variant_builder_init (&b, G_VARIANT_TYPE ("a(sv)"));
  add (&b, "Description", g_variant_new_string ("Version of the engine for models"));
  add (&b, "Type", g_variant_new_string ("exec"));
  add (&b, "CollectMode", g_variant_new_string ("inactive-or-failed"));
  add_command (&b, argv);
  add_environment (&b, NULL);
  add (&b, "StandardOutputFileDescriptor", g_variant_new_handle (0));
  add (&b, "StandardErrorFileDescriptor", g_variant_new_handle (0));
  add_confinement (&b, FALSE);
  add (&b, "MemoryMax", g_variant_new_uint64 (G_GUINT64_CONSTANT (1) << 30));
  add (&b, "RuntimeMaxUSec", g_variant_new_uint64 (VERSION_SECONDS * G_USEC_PER_SEC));
  add (&b, "TimeoutStopUSec", g_variant_new_uint64 (G_USEC_PER_SEC));
  return g_variant_builder_end (&b);
}
