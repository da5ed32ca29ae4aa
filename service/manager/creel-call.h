/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* One method call of a client, from arrival to its one answer. Authorization is done by creel-dispatch before a
 * handler sees it. */
typedef struct
{
  CreelDaemon *daemon;
  GDBusMethodInvocation *invocation;
  char *sender;
  uid_t uid;
  char *node;      /* last part of the object's path, or NULL on the root */
  char *interface; /* without "org.creel.Creel1." */
  char *method;
  GVariant *parameters; /* borrowed from the invocation, or the arguments */
  GVariant *arguments;  /* of a call that is made for a user, who uid then is, by the sender; else NULL */
  gpointer data;        /* what a handler carries through its steps */
  GDestroyNotify free_data;
  GPtrArray *needs; /* of (sa{ss}), or NULL: see creel_call_need() */
} CreelCall;

/* Each answers and frees the call. */
void creel_call_return (CreelCall *call, GVariant *value);
void creel_call_return_fds (CreelCall *call, GVariant *value, GUnixFDList *fds);
void creel_call_fail (CreelCall *call, const GError *error);
G_GNUC_PRINTF (4, 5)
void creel_call_fail_new (CreelCall *call, GQuark domain, int code, const char *format, ...);
/* The sandbox of the call's path if it is still there, else the call is answered and NULL returned. */
CreelSandbox *creel_call_sandbox (CreelCall *call);
gboolean creel_call_is_interactive (CreelCall *call);
/* An unknown key of an a{sv} is an error: `known` are the keys with their types, "force:b". */
gboolean creel_options_check (GVariant *options, const char *const *known, GError **error);
/* For a CreelPrepare: an action whose question has details of its own; takes a floating a{ss}. */
void creel_call_need (CreelCall *call, const char *action, GVariant *details);
/* The fd of the call's only handle, owned by the caller; -1 with an error unless exactly one came. */
int creel_call_steal_fd (CreelCall *call, guint32 index, GError **error);

typedef void (*CreelHandler) (CreelCall *call);
/* Before authorization: checks arguments, and adds the actions that they need. FALSE: wrong, with an error. */
typedef gboolean (*CreelPrepare) (CreelCall *call, GStrvBuilder *actions, GError **error);

typedef struct
{
  const char *interface;
  const char *method;
  CreelPrepare prepare; /* or NULL */
  CreelHandler handler;
} CreelMethod;

/* One table per bus face, ended by an entry without interface. */
extern const CreelMethod creel_manager_methods[];
extern const CreelMethod creel_sandbox_methods[];
extern const CreelMethod creel_network_methods[];
extern const CreelMethod creel_ports_methods[];
extern const CreelMethod creel_question_methods[];
extern const CreelMethod creel_exec_methods[];
extern const CreelMethod creel_log_methods[];
extern const CreelMethod creel_session_methods[];
extern const CreelMethod creel_job_methods[];
extern const CreelMethod creel_image_methods[];
extern const CreelMethod creel_image_make_methods[];
extern const CreelMethod creel_image_save_methods[];
extern const CreelMethod creel_image_pull_methods[];
extern const CreelMethod creel_image_push_methods[];
extern const CreelMethod creel_build_methods[];
extern const CreelMethod creel_agent_methods[];
extern const CreelMethod creel_model_methods[];
extern const CreelMethod creel_model_job_methods[];
extern const CreelMethod creel_model_import_methods[];
extern const CreelMethod creel_model_runner_methods[];
extern const CreelMethod creel_engine_methods[];
extern const CreelMethod creel_management_methods[];

/* All properties of an object's interface (org.creel.Creel1.X without the prefix) as a floating a{sv}; NULL when there
 * is no such object. */
GVariant *creel_manager_get_properties (CreelDaemon *daemon);
