/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A Containerfile (Dockerfile) as a list of steps. All of it is checked before the first step is taken: an instruction
 * or option that is not supported, here-documents and further stages included, is CREEL_ERROR_BAD_DEFINITION, "FILE:LINE: ...". */
#pragma once

#include "creel-containerfile-words.h"

#define CREEL_CONTAINERFILE_MAX_BYTES (1024 * 1024)
#define CREEL_CONTAINERFILE_MAX_STEPS 1000

typedef enum
{
  CREEL_STEP_RUN,        /* words: argv */
  CREEL_STEP_COPY,       /* words: sources, then where to: absolute, with a slash at its end when it must be a folder */
  CREEL_STEP_ENV,        /* words: one KEY=VALUE */
  CREEL_STEP_ARG,        /* the same, for RUN only */
  CREEL_STEP_WORKDIR,    /* words: one absolute path */
  CREEL_STEP_USER,       /* words: USER or USER:GROUP */
  CREEL_STEP_CMD,        /* words: argv, may be empty */
  CREEL_STEP_ENTRYPOINT, /* the same */
} CreelStepKind;

typedef struct
{
  CreelStepKind kind;
  guint line;
  char **words;
  char *owner; /* COPY: USER[:GROUP] or NULL */
  char *mode;  /* COPY: octal digits or NULL */
} CreelStep;

/* What the steps build upon. */
typedef struct
{
  CreelVariables *environment; /* of the base image */
  char *working_dir;           /* of the base image, absolute */
  CreelVariables *arguments;   /* what the caller gives for ARG */
} CreelContainerfileBase;
CreelContainerfileBase *creel_containerfile_base_new (void);
void creel_containerfile_base_free (CreelContainerfileBase *base);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelContainerfileBase, creel_containerfile_base_free)

typedef struct
{
  char *from;
  guint from_line;
  GPtrArray *steps; /* CreelStep */
} CreelContainerfile;
/* `text` needs no NUL at its end. `origin` is the file's name for messages. */
CreelContainerfile *creel_containerfile_parse (const char *text, gsize length, const char *origin,
                                               const CreelContainerfileBase *base, GError **error);
void creel_containerfile_free (CreelContainerfile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelContainerfile, creel_containerfile_free)
