/* backend_list: the only file that knows which libraries this program was built with. */
#include "worker/net/backend_list.h"

#include <string.h>

#ifdef HAVE_DNNL
#include "worker/net/backend_dnnl.h"
#include "worker/net/dnnl_shim.h"
#endif

static bool have_always(void)
{
    return true;
}
static struct backend ref(void)
{
    return backend_ref_float(1);
}

static const struct {
    const char *name;
    bool (*available)(void);
    struct backend (*make)(void);
} rows[] = { /* fastest first */
#ifdef HAVE_DNNL
    {"dnnl", backend_dnnl_available, backend_dnnl},
#endif
    {"ref", have_always, ref},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

enum err backend_find(const char *name, struct backend *out, struct err_note *note)
{
    char names[128] = "";
    for (int i = 0; i < ROWS; i++) {
        if (!rows[i].available()) continue;
        if (!name || !strcmp(name, rows[i].name)) {
            *out = rows[i].make();
            return OK;
        }
        err_print(names + strlen(names), sizeof names - strlen(names), "%s%s", names[0] ? ", " : "", rows[i].name);
    }
    enum err e = err_set(note, ERR_WORD_UNKNOWN, "backend", "this worker has no backend \"%s\"; it has: %s", name ? name : "", names);
    if (note) {
        err_print(note->found, sizeof note->found, "%s", name ? name : "");
        err_print(note->allowed, sizeof note->allowed, "%s", names);
    }
    return e;
}

const char *backend_library(void)
{
#ifdef HAVE_DNNL
    return shim_library();
#else
    return "none";
#endif
}
