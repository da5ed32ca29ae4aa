/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-image-job.h"

/* The credential of a registry for the next step of a job, from the keyring of the job's owner. */

/* secret: the sealed file for a worker's fd 0, owned by the callee, or -1: there is none and the registry is asked as anybody. */
typedef void (*CreelImageSecretFunc) (CreelImageJob *job, int secret, gpointer data);
/* done, unless the keyring is locked or the job was cancelled meanwhile: then the job has failed. */
void creel_image_secret_ask (CreelImageJob *job, const char *host, CreelImageSecretFunc done);
