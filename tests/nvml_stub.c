/* A libnvidia-ml.so.1 for tests: one card at 0000:65:00.0 that draws 50 W. It exports no call that changes a card.

STUB_REASONS: mask of what holds the clocks back. STUB_FAIL: a call that fails, STUB_CODE: how. OLD is defined for a
driver before release 535. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define API __attribute__((visibility("default")))
enum { OK = 0, NOT_FOUND = 6 };
static int started;

static int number(const char *name, int otherwise) { return getenv(name) ? atoi(getenv(name)) : otherwise; }
static int fails(const char *name) {
    if (!started) return 1;
    return getenv("STUB_FAIL") && !strcmp(getenv("STUB_FAIL"), name) ? number("STUB_CODE", 999) : OK;
}
static double now_ms(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e3 + t.tv_nsec / 1e6; }

API int nvmlInitWithFlags(unsigned flags) { (void)flags; started++; int code = fails("init"); if (code) started--; return code; }
API int nvmlShutdown(void) { if (!started) return 1; started--; return OK; }
API int nvml_stub_started(void) { return started; }
API const char *nvmlErrorString(int code) { return code == NOT_FOUND ? "Not Found" : code == 15 ? "GPU is lost" : "An error"; }
API int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return fails("count"); }
API int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "580.65.06"); return fails("driver"); }
API int nvmlDeviceGetHandleByPciBusId_v2(const char *id, void **card) {
    *card = &started; return strcmp(id, "0000:65:00.0") ? NOT_FOUND : fails("handle"); }
API int nvmlDeviceGetClockInfo(void *card, int kind, unsigned *mhz) { (void)card; *mhz = kind == 1 ? 1350 : 5000; return fails("clock"); }
API int nvmlDeviceGetMaxClockInfo(void *card, int kind, unsigned *mhz) { (void)card; *mhz = kind == 1 ? 1590 : 5001; return fails("highest"); }
#ifndef OLD
API int nvmlDeviceGetCurrentClocksEventReasons(void *card, unsigned long long *bits) {
    (void)card; *bits = number("STUB_REASONS", 0); return fails("reasons"); }
#endif
API int nvmlDeviceGetCurrentClocksThrottleReasons(void *card, unsigned long long *bits) {
    (void)card; *bits = number("STUB_REASONS", 0); return fails("reasons"); }
API int nvmlDeviceGetTemperature(void *card, int sensor, unsigned *degrees) { (void)card; *degrees = 61 + sensor; return fails("temperature"); }
API int nvmlDeviceGetPowerUsage(void *card, unsigned *milliwatts) { (void)card; *milliwatts = 50000; return fails("power"); }
API int nvmlDeviceGetTotalEnergyConsumption(void *card, unsigned long long *millijoules) {
    (void)card; *millijoules = 50ull * (unsigned long long)now_ms(); return fails("energy"); }
