/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-worker-unit.h"

#include <errno.h>

#include "creel-config.h"
#include "creel-names.h"

#define HOUR (G_GUINT64_CONSTANT (3600) * G_USEC_PER_SEC)

enum
{
  NETWORK = 1 << 0,    /* reaches other machines */
  STORE = 1 << 1,      /* is the store's user, who alone sees oci/ */
  WRITES = 1 << 2,     /* and writes there */
  CALLER = 1 << 3,     /* is the user who asked, and sees what that user sees */
  NAMESPACES = 1 << 4, /* starts as root to make a user namespace: mmdebstrap */
};

static const struct
{
  const char *mode;
  const char *description;
  guint flags;
  guint tasks;
  guint hours;
} kinds[] = {
  [CREEL_WORKER_IMPORT] = { "import", "Import of an image", 0, 64, 1 },
  [CREEL_WORKER_BUILD] = { "build", "Build of an image", NETWORK | NAMESPACES, 512, 1 },
  [CREEL_WORKER_PLAN] = { "plan", "Reading of a recipe", CALLER, 16, 1 },
  [CREEL_WORKER_COPY] = { "copy", "Copy into an image that is built", CALLER, 16, 24 },
  [CREEL_WORKER_FETCH] = { "fetch", "Fetch of an image from a registry", NETWORK | STORE | WRITES, 128, 24 },
  [CREEL_WORKER_CONVERT] = { "convert", "Conversion of an image", STORE, 64, 1 },
  [CREEL_WORKER_LAYER] = { "layer", "Layer of an image", STORE | WRITES, 64, 1 },
  [CREEL_WORKER_SAVE] = { "save", "Save of a sandbox as an image", STORE | WRITES, 64, 1 },
  [CREEL_WORKER_PUSH] = { "push", "Push of an image to a registry", NETWORK | STORE, 128, 24 },
  [CREEL_WORKER_MODEL_FETCH] = { "model-fetch", "Fetch of a model from a registry", NETWORK | STORE | WRITES, 64, 72 },
  [CREEL_WORKER_MODEL_ADD] = { "model-add", "Import of a file of a model", STORE | WRITES, 64, 24 },
  [CREEL_WORKER_MODEL_PACK] = { "model-pack", "Packaging of a model", STORE | WRITES, 64, 1 },
  [CREEL_WORKER_MODEL_PUSH] = { "model-push", "Push of a model to a registry", NETWORK | STORE, 128, 72 },
  [CREEL_WORKER_EXPORT] = { "export", "Export of an image", STORE, 128, 1 },
};
G_STATIC_ASSERT (G_N_ELEMENTS (kinds) == CREEL_N_WORKERS);

static void
add (GVariantBuilder *b, const char *key, GVariant *value)
{
  g_variant_builder_add (b, "(sv)", key, value);
}

static void
add_yes (GVariantBuilder *b, const char *const *keys)
{
  for (; *keys != NULL; keys++)
    add (b, *keys, g_variant_new_boolean (TRUE));
}

static GVariant *
filter (gboolean allow, const char *const *words)
{
  return g_variant_new ("(b^as)", allow, words);
}

static void
add_command (GVariantBuilder *b, const char *mode, const char *const *arguments)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  static const char *const plain[] = { "no-env-expand", NULL }; /* a "$" in an argument is itself */
  GVariantBuilder commands;

  g_ptr_array_add (argv, (char *) "creel-image");
  g_ptr_array_add (argv, (char *) mode);
  for (; arguments != NULL && *arguments != NULL; arguments++)
    g_ptr_array_add (argv, (char *) *arguments);
  g_ptr_array_add (argv, NULL);
  g_variant_builder_init (&commands, G_VARIANT_TYPE ("a(sasas)"));
  g_variant_builder_add (&commands, "(s^as^as)", CREEL_LIBEXECDIR "/creel-image", argv->pdata, plain);
  add (b, "ExecStartEx", g_variant_builder_end (&commands));
}

static void
add_confinement (GVariantBuilder *b, guint flags, uid_t uid)
{
  static const char *const confined[] = { "PrivateIPC", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs",
                                          "ProtectKernelTunables", "MemoryDenyWriteExecute", "RestrictSUIDSGID", NULL };
  static const char *const none[] = { NULL };
  static const char *const service[] = { "@system-service", NULL };
  static const char *const refused[] = { "@privileged", "@resources", NULL };
  static const char *const inet[] = { "AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", NULL };
  static const char *const store[] = { CREEL_OCI_DIR, NULL };

  add_yes (b, confined);
  if ((flags & CALLER) == 0)
    add (b, "PrivateUsers", g_variant_new_boolean (TRUE));
  if ((flags & STORE) != 0)
    {
      add (b, "User", g_variant_new_string (CREEL_IMAGE_USER));
      add (b, "Group", g_variant_new_string (CREEL_IMAGE_USER));
    }
  else if ((flags & CALLER) != 0)
    add (b, "User", g_variant_new_take_string (g_strdup_printf ("%u", uid)));
  else
    add (b, "DynamicUser", g_variant_new_boolean (TRUE));
  if ((flags & WRITES) != 0)
    add (b, "ReadWritePaths", g_variant_new_strv (store, -1));
  if ((flags & NETWORK) == 0)
    add (b, "PrivateNetwork", g_variant_new_boolean (TRUE));
  add (b, "RestrictAddressFamilies", filter (TRUE, (flags & NETWORK) != 0 ? inet : none));
  add (b, "CapabilityBoundingSet", g_variant_new_uint64 (0));
  add (b, "UMask", g_variant_new_uint32 ((flags & STORE) != 0 ? 027 : 077));
  add (b, "RestrictNamespaces", g_variant_new_uint64 (0));
  add (b, "ProtectProc", g_variant_new_string ("invisible"));
  add (b, "ProcSubset", g_variant_new_string ("pid"));
  add (b, "SystemCallFilter", filter (TRUE, service));
  add (b, "SystemCallFilter", filter (FALSE, refused));
}

static void
add_build (GVariantBuilder *b)
{
  static const char *const calls[] = { "@system-service", "@mount", "chroot", "@setuid", "@chown", NULL };
  static const char *const families[] = { "AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", NULL };

  /* CAP_SETGID and CAP_SETUID: to write the maps of its own user namespace, before it reads a byte */
  add (b, "CapabilityBoundingSet", g_variant_new_uint64 ((1 << 6) | (1 << 7)));
  add (b, "UMask", g_variant_new_uint32 (022));
  add (b, "RestrictAddressFamilies", filter (TRUE, families));
  add (b, "SystemCallFilter", filter (TRUE, calls));
}

const char *
creel_worker_kind_mode (CreelWorkerKind kind)
{
  return kinds[kind].mode;
}

GVariant *
creel_worker_unit_properties (CreelWorkerKind kind, uid_t uid, const char *const *arguments)
{
  static const char *const common[] = { "NoNewPrivileges", "PrivateDevices", "ProtectClock", "ProtectKernelModules",
                                        "LockPersonality", "RestrictRealtime", NULL };
  static const char *const native[] = { "native", NULL };
  GVariantBuilder b;

  g_variant_builder_init (&b, G_VARIANT_TYPE ("a(sv)"));
  add (&b, "Description", g_variant_new_string (kinds[kind].description));
  add (&b, "Type", g_variant_new_string ("exec"));
  add (&b, "CollectMode", g_variant_new_string ("inactive-or-failed"));
  add_command (&b, kinds[kind].mode, arguments);
  add (&b, "StandardInputFileDescriptor", g_variant_new_handle (0));
  add (&b, "StandardOutputFileDescriptor", g_variant_new_handle (1));
  add (&b, "StandardErrorFileDescriptor", g_variant_new_handle (2));
  add_yes (&b, common);
  add (&b, "ProtectSystem", g_variant_new_string ("strict"));
  /* what the caller named may lie in their home or in /tmp */
  add (&b, "ProtectHome", g_variant_new_string ((kinds[kind].flags & CALLER) != 0 ? "read-only" : "yes"));
  add (&b, "PrivateTmp", g_variant_new_boolean ((kinds[kind].flags & CALLER) == 0));
  add (&b, "AmbientCapabilities", g_variant_new_uint64 (0));
  add (&b, "SystemCallArchitectures", g_variant_new_strv (native, -1));
  add (&b, "SystemCallErrorNumber", g_variant_new_int32 (EPERM));
  if ((kinds[kind].flags & NAMESPACES) != 0)
    add_build (&b);
  else
    add_confinement (&b, kinds[kind].flags, uid);
  add (&b, "MemoryMax", g_variant_new_uint64 (G_GUINT64_CONSTANT (3) << 30));
  add (&b, "TasksMax", g_variant_new_uint64 (kinds[kind].tasks));
  add (&b, "LimitCORE", g_variant_new_uint64 (0));
  add (&b, "Nice", g_variant_new_int32 (5));
  add (&b, "RuntimeMaxUSec", g_variant_new_uint64 (kinds[kind].hours * HOUR));
  add (&b, "TimeoutStopUSec", g_variant_new_uint64 (5 * G_USEC_PER_SEC));
  return g_variant_builder_end (&b);
}
