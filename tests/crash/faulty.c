/* File system calls that go wrong on demand, for every library of a process: LD_PRELOAD this.

   faulty_arm(k, mode, root): from the k-th call on a file below `root`, do what `mode` says. Calls are counted from 1;
   for KILL_AT_BOUNDARY only those on files that others may read, and not the many that fill a temporary one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { OFF, KILL_ONCE, KILL_IN_WRITE, DISK_FULL, BROKEN_DISK, SHORT_WRITES, READ_ONLY, KILL_AT_BOUNDARY };

static long at, count;
static int mode;
static char root[PATH_MAX];

void faulty_arm(long k, int what, const char *where) {
    at = k, count = 0, mode = what;
    snprintf(root, sizeof root, "%s", where);
}
long faulty_count(void) { return count; }

static const char *name_of(int fd, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, buffer, PATH_MAX - 1);
    buffer[n > 0 ? n : 0] = 0;
    return buffer;
}

/* Whether this call is to go wrong; a kill does not come back. */
static int hit(const char *path) {
    if (mode == OFF || !path || !strstr(path, root)) return 0;
    if (mode == KILL_AT_BOUNDARY && strstr(path, "/.tmp-")) return 0;
    count++;
    if (count == at && (mode == KILL_ONCE || mode == KILL_AT_BOUNDARY)) kill(getpid(), SIGKILL);
    return count >= at;
}
static int hit_fd(int fd) {
    char buffer[PATH_MAX];
    return mode == OFF ? 0 : hit(name_of(fd, buffer));
}

/* The error of a call of this kind (1: it makes or fills something; 0: it does not), else 0. */
static int error_of(int is_hit, int fills) {
    if (!is_hit) return 0;
    if (mode == DISK_FULL && fills) return ENOSPC;
    if (mode == BROKEN_DISK) return EIO;
    if (mode == READ_ONLY && fills) return EROFS;
    return 0;
}

#define FAIL(e) do { int e_ = (e); if (e_) { errno = e_; return -1; } } while (0)

static size_t allowed(int is_hit, size_t n) {
    if (is_hit && n > 1 && (mode == SHORT_WRITES || (mode == KILL_IN_WRITE && count == at))) return n / 2;
    return n;
}
static void after_write(int is_hit) {
    if (is_hit && mode == KILL_IN_WRITE && count == at) kill(getpid(), SIGKILL);
}

ssize_t write(int fd, const void *data, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    int h = hit_fd(fd);
    FAIL(error_of(h, 1));
    ssize_t done = real(fd, data, allowed(h, n));
    after_write(h);
    return done;
}
#define PWRITE(name, offset)                                                    \
    ssize_t name(int fd, const void *data, size_t n, offset where) {            \
        static ssize_t (*real)(int, const void *, size_t, offset);              \
        if (!real) real = dlsym(RTLD_NEXT, #name);                              \
        int h = hit_fd(fd);                                                     \
        FAIL(error_of(h, 1));                                                   \
        ssize_t done = real(fd, data, allowed(h, n), where);                    \
        after_write(h);                                                         \
        return done;                                                            \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define OPEN(name)                                                              \
    int name(const char *path, int flags, ...) {                                \
        static int (*real)(const char *, int, ...);                             \
        if (!real) real = dlsym(RTLD_NEXT, #name);                              \
        va_list list;                                                           \
        va_start(list, flags);                                                  \
        int bits = va_arg(list, int);                                           \
        va_end(list);                                                           \
        if (flags & (O_WRONLY | O_RDWR | O_CREAT)) FAIL(error_of(hit(path), flags & O_CREAT)); \
        return real(path, flags, bits);                                         \
    }
OPEN(open)
OPEN(open64)

#define ONE(name, fills)                                                        \
    int name(int fd) {                                                          \
        static int (*real)(int);                                                \
        if (!real) real = dlsym(RTLD_NEXT, #name);                              \
        FAIL(error_of(hit_fd(fd), fills));                                      \
        return real(fd);                                                        \
    }
ONE(fsync, 0)
ONE(fdatasync, 0)

#define PATHS(name, fills)                                                      \
    int name(const char *path) {                                                \
        static int (*real)(const char *);                                       \
        if (!real) real = dlsym(RTLD_NEXT, #name);                              \
        FAIL(error_of(hit(path), fills));                                       \
        return real(path);                                                      \
    }
PATHS(unlink, 0)
PATHS(rmdir, 0)

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = dlsym(RTLD_NEXT, "rename");
    FAIL(error_of(hit(to), 0));
    return real(from, to);
}
int mkdir(const char *path, mode_t bits) {
    static int (*real)(const char *, mode_t);
    if (!real) real = dlsym(RTLD_NEXT, "mkdir");
    FAIL(error_of(hit(path), 1));
    return real(path, bits);
}
int ftruncate64(int fd, off64_t length) {
    static int (*real)(int, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "ftruncate64");
    FAIL(error_of(hit_fd(fd), 1));
    return real(fd, length);
}
int unlinkat(int fd, const char *path, int flags) {
    static int (*real)(int, const char *, int);
    char buffer[PATH_MAX];
    if (!real) real = dlsym(RTLD_NEXT, "unlinkat");
    if (mode != OFF) FAIL(error_of(path[0] == '/' ? hit(path) : hit(name_of(fd, buffer)), 0));
    return real(fd, path, flags);
}
