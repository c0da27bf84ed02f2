/* method: which method is of which kind. */
#include "schema/job/method.h"
#include <stddef.h>

const char *const gram_level_words[] = {"logits", "last_layer", "full", NULL};

bool method_is_adaptive(enum loss_method method)
{
    return method >= METHOD_UNCERTAINTY && method <= METHOD_LOSS_SCALE;
}

bool method_is_gradient(enum loss_method method)
{
    return method >= METHOD_PCGRAD && method < METHODS;
}

bool method_takes_gram(enum loss_method method)
{
    return method_is_gradient(method) || method == METHOD_GRADNORM;
}

bool method_takes_preference(enum loss_method method)
{
    return method == METHOD_UPGRAD || method == METHOD_DUALPROJ || method == METHOD_ALIGNED_MTL || method == METHOD_LOSS_SCALE;
}
