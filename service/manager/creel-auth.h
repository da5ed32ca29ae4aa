/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

#define CREEL_ACTION_CREATE "org.creel.Creel1.create"
#define CREEL_ACTION_CONTROL "org.creel.Creel1.control"
#define CREEL_ACTION_CONTROL_OTHERS "org.creel.Creel1.control-others"
#define CREEL_ACTION_WIDEN_POLICY "org.creel.Creel1.widen-policy"
#define CREEL_ACTION_USE_CREDENTIAL "org.creel.Creel1.use-credential"
#define CREEL_ACTION_MANAGE_IMAGES "org.creel.Creel1.manage-images"
#define CREEL_ACTION_PUBLISH_PORT "org.creel.Creel1.publish-port"
#define CREEL_ACTION_EXPORT_IMAGE "org.creel.Creel1.export-image"
#define CREEL_ACTION_PULL_MODEL "org.creel.Creel1.pull-model"
#define CREEL_ACTION_REMOVE_MODEL "org.creel.Creel1.remove-model"
#define CREEL_ACTION_CONFIGURE_MODEL "org.creel.Creel1.configure-model"
#define CREEL_ACTION_SEE_OTHERS "org.creel.Creel1.see-others"

/* Acts on nothing but the caller's own place on the bus, or tells what everybody may know. */
#define CREEL_ACTION_NONE ""
/* Not polkit's: for root and the user of the model runner, see creel_auth_is_internal () */
#define CREEL_ACTION_INTERNAL "internal"

/* The action of a method, or NULL for a method that is not in the table: nobody may call it. */
const char *creel_auth_action (const char *interface, const char *method);
/* What is really asked: another's sandbox is control-others (see-others for properties), whatever the table says. */
const char *creel_auth_effective_action (const char *action, uid_t caller, uid_t owner);

/* May call what has CREEL_ACTION_INTERNAL. */
gboolean creel_auth_is_internal (uid_t uid);

typedef void (*CreelAuthFunc) (gpointer user_data, GError *error);

/* Asks polkit for each action in turn; done once with the first refusal, or NULL. Root is never asked about.
 * `details` is a floating a{ss} for all of them, or aa{ss} with one for each, or NULL. Interactive: a dialog may be shown. No polkit, or an error of it, denies. */
void creel_auth_check (GDBusConnection *bus, const char *sender, uid_t uid, const char *const *actions,
                       GVariant *details, gboolean interactive, CreelAuthFunc done, gpointer user_data);
