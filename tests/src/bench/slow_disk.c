// Loaded before libc into the server alone: makes each fsync and fdatasync last at least
// BENCH_SYNC_MIN_US microseconds, and counts them in the file named by BENCH_SYNC_COUNTS, three
// numbers of 64 bits in this order: of a write-ahead log, of any other file, nanoseconds in all.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t own[3];
static uint64_t *counts = own;
static uint64_t least_ns;

__attribute__((constructor)) static void begin(void) {
  const char *least = getenv("BENCH_SYNC_MIN_US");
  const char *path = getenv("BENCH_SYNC_COUNTS");
  if (least != NULL) least_ns = strtoull(least, NULL, 10) * 1000;
  if (path == NULL) return;
  int fd = open(path, O_RDWR);
  if (fd < 0) return;
  void *shared = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (shared != MAP_FAILED) counts = shared;
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int is_log(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path);
  return length >= 4 && memcmp(path + length - 4, "-wal", 4) == 0;
}

static int sync_slowly(int fd, const char *name) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  uint64_t began = now_ns();
  int done = real(fd);
  uint64_t took = now_ns() - began;
  while (took < least_ns) {
    uint64_t rest = least_ns - took;
    struct timespec pause = {(time_t)(rest / 1000000000u), (long)(rest % 1000000000u)};
    nanosleep(&pause, NULL);
    took = now_ns() - began;
  }
  __atomic_add_fetch(&counts[is_log(fd) ? 0 : 1], 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&counts[2], took, __ATOMIC_RELAXED);
  return done;
}

int fsync(int fd) { return sync_slowly(fd, "fsync"); }
int fdatasync(int fd) { return sync_slowly(fd, "fdatasync"); }
