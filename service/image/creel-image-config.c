/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-config.h"
#include "creel-error.h"
#include "creel-image-json.h"
#include <elf.h>
#include <string.h>
#include <sys/utsname.h>

#define MAX_VALUES 1000
#define MAX_LENGTH (16 * 1024)

static const struct
{
  const char *uname, *oci;
  guint16 machine;
} architectures[] = {
  { "x86_64", "amd64", EM_X86_64 },   { "aarch64", "arm64", EM_AARCH64 },
  { "riscv64", "riscv64", EM_RISCV }, { "ppc64le", "ppc64le", EM_PPC64 },
  { "s390x", "s390x", EM_S390 },
};

static int
find_architecture (void)
{
  struct utsname name;

  if (uname (&name) == 0)
    for (guint i = 0; i < G_N_ELEMENTS (architectures); i++)
      if (g_str_equal (architectures[i].uname, name.machine))
        return i;
  return -1;
}

const char *
creel_image_config_host_architecture (void)
{
  int i = find_architecture ();

  return i >= 0 ? architectures[i].oci : "unknown";
}

guint16
creel_image_config_host_machine (void)
{
  int i = find_architecture ();

  return i >= 0 ? architectures[i].machine : 0;
}

CreelImageConfig *
creel_image_config_new (void)
{
  CreelImageConfig *self = g_new0 (CreelImageConfig, 1);

  self->environment = g_ptr_array_new_with_free_func (g_free);
  self->entrypoint = g_ptr_array_new_with_free_func (g_free);
  self->command = g_ptr_array_new_with_free_func (g_free);
  self->references = g_ptr_array_new_with_free_func (g_free);
  self->architecture = g_strdup (creel_image_config_host_architecture ());
  return self;
}

void
creel_image_config_free (CreelImageConfig *self)
{
  g_ptr_array_unref (self->environment);
  g_ptr_array_unref (self->entrypoint);
  g_ptr_array_unref (self->command);
  g_ptr_array_unref (self->references);
  g_free (self->user);
  g_free (self->working_dir);
  g_free (self->architecture);
  g_free (self->source);
  g_free (self);
}

static gboolean
load_strings (GPtrArray *strings, JsonObject *object, const char *name, GError **error)
{
  JsonArray *array = creel_image_json_array (object, name);
  guint n = array != NULL ? json_array_get_length (array) : 0;

  for (guint i = 0; i < n; i++)
    {
      const char *value = creel_image_json_element_string (array, i);

      if (value == NULL || i >= MAX_VALUES || strlen (value) > MAX_LENGTH)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                       "%s in the config of the image is not a list of at most %d short texts",
                       name, MAX_VALUES);
          return FALSE;
        }
      g_ptr_array_add (strings, g_strdup (value));
    }
  return TRUE;
}

static gboolean
load_string (char **string, JsonObject *object, const char *name, GError **error)
{
  const char *value = creel_image_json_string (object, name);

  if (value != NULL && strlen (value) > 4096)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "%s in the config of the image is longer than 4096 bytes", name);
      return FALSE;
    }
  g_free (*string);
  *string = value != NULL && *value != '\0' ? g_strdup (value) : NULL;
  return TRUE;
}

gboolean
creel_image_config_load (CreelImageConfig *self, JsonObject *object, GError **error)
{
  JsonObject *config = creel_image_json_object (object, "config");
  const char *os = creel_image_json_string (object, "os");
  const char *architecture = creel_image_json_string (object, "architecture");

  if (os != NULL && !g_str_equal (os, "linux"))
    {
      g_autofree char *quoted = creel_image_quote (os);

      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The image is for %s, not for linux",
                   quoted);
      return FALSE;
    }
  if (architecture != NULL && *architecture != '\0' &&
      !g_str_equal (architecture, creel_image_config_host_architecture ()))
    {
      g_autofree char *quoted = creel_image_quote (architecture);

      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The image is for the architecture %s, this host is %s; get the one for %s",
                   quoted, creel_image_config_host_architecture (),
                   creel_image_config_host_architecture ());
      return FALSE;
    }
  return load_strings (self->environment, config, "Env", error) &&
         load_strings (self->entrypoint, config, "Entrypoint", error) &&
         load_strings (self->command, config, "Cmd", error) &&
         load_string (&self->user, config, "User", error) &&
         load_string (&self->working_dir, config, "WorkingDir", error);
}

static void
report_strings (CreelImageReport *report, const char *key, GPtrArray *strings)
{
  for (guint i = 0; i < strings->len; i++)
    creel_image_report_config (report, key, strings->pdata[i]);
}

void
creel_image_config_report (CreelImageConfig *self, CreelImageReport *report)
{
  report_strings (report, "environment", self->environment);
  report_strings (report, "entrypoint", self->entrypoint);
  report_strings (report, "command", self->command);
  report_strings (report, "reference", self->references);
  if (self->user != NULL)
    creel_image_report_config (report, "user", self->user);
  if (self->working_dir != NULL)
    creel_image_report_config (report, "working-dir", self->working_dir);
  creel_image_report_config (report, "architecture", self->architecture);
  if (self->source != NULL)
    creel_image_report_config (report, "source", self->source);
}
