/* fuzz_job_spec: any bytes at all as a job: refused with notes, or accepted, hashed, written and read again as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/json_fields.h"
#include "schema/job/job_spec_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct job_spec spec, again;
    static struct err_list errors, warnings;
    char first[65], second[65];
    errors.count = errors.dropped = warnings.count = warnings.dropped = 0;
    if (job_spec_parse((const char *)data, size, &spec, &errors, &warnings)) {
        if (!errors.count) abort();
        json_decref(json_notes_write(&errors));
        return 0;
    }
    json_t *json = job_spec_write(&spec);
    job_spec_hash(&spec, first);
    if (job_spec_read(json, &again, &errors, &warnings)) abort();
    job_spec_hash(&again, second);
    if (strcmp(first, second)) abort();
    json_decref(loss_resolved_write(&again));
    struct buf text;
    buf_init(&text, JOB_TEXT_BYTES_MAX);
    if (job_warnings_print(&warnings, &text)) abort();
    buf_free(&text);
    json_decref(json);
    return 0;
}
