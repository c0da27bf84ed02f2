/* http_listen: opens the socket, and says what is wrong when it cannot. */
#include "server/http_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static int bound_port_of(int fd)
{
    struct sockaddr_storage local;
    socklen_t length = sizeof local;
    if (getsockname(fd, (struct sockaddr *)&local, &length)) return 0;
    if (local.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&local)->sin6_port);
    return ntohs(((struct sockaddr_in *)&local)->sin_port);
}

static int open_socket(const struct addrinfo *to)
{
    int one = 1;
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) || bind(fd, to->ai_addr, to->ai_addrlen) ||
        listen(fd, BACKLOG)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

enum err listen_on(const char *address, int port, int *fd, int *bound_port, bool *v6, struct err_note *note)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    char service[16];
    err_print(service, sizeof service, "%d", port);
    const char *numeric = strcmp(address, "localhost") ? address : "127.0.0.1";
    int failed = getaddrinfo(numeric, service, &hints, &found);
    if (failed) return err_set(note, ERR_IO, address, "not a numeric address: %s", gai_strerror(failed));
    *fd = open_socket(found);
    *v6 = found->ai_family == AF_INET6;
    freeaddrinfo(found);
    if (*fd < 0) return err_set(note, ERR_IO, address, "port %d: %s", port, strerror(errno));
    *bound_port = bound_port_of(*fd);
    return OK;
}
