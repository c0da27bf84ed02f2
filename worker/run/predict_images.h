/* predict_images: a trained model over a folder of pictures: a mask of class indices and a coloured one for each. */
#ifndef WORKER_RUN_PREDICT_IMAGES_H
#define WORKER_RUN_PREDICT_IMAGES_H
#include <stdio.h>
#include "schema/base/err.h"

struct predict_options {
    const char *model;   /* folder with model.json and model.safetensors */
    const char *images;  /* folder of PNG and JPEG files, or one such file */
    const char *out;     /* folder, made if missing: STEM.png (8-bit class indices) and STEM-colour.png */
    const char *backend; /* NULL: the fastest here */
    int threads;         /* 0: all of this process's processors */
    double overlap;      /* of tiles; below 0: as the model was validated */
};
/* Files in the order of their names. A file that is no picture, or of the wrong number of channels, is named in the error and
   ends the work; files that begin with a dot are passed over. `say` (may be NULL) gets a line for each. ERR_DATA, ERR_IO,
   ERR_CORRUPT (model), ERR_NO_MEMORY, ERR_NO_SPACE. */
enum err predict_images(const struct predict_options *options, FILE *say, struct err_note *note) MUST_USE;
#endif
