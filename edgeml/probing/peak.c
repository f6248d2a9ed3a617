/* Peak multiply-adds of one core: chains of independent multiply-add instructions on registers alone.
 *
 * Prints a line "NAME MULTIPLY_ADDS_PER_SECOND INSTRUCTION" for each kind of number that the compiler has vector
 * instructions for. The best of several runs counts: whatever disturbs a run makes it slower, never faster.
 * C99 with the vector extensions of GCC and Clang.
 */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

/* Enough chains to hide the latency of two pipelines, few enough for sixteen registers. */
#define CHAINS 10
#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9)
/* The compiler must take the value for changed, so that it neither folds a chain nor hoists it. */
#if defined(__x86_64__)
#define KEEP(x) __asm__ volatile("" : "+x"(x))
#elif defined(__ARM_NEON) || defined(__aarch64__)
#define KEEP(x) __asm__ volatile("" : "+w"(x))
#else
#define KEEP(x) __asm__ volatile("" : "+m"(x))
#endif

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Defines run_NAME(rounds): CHAINS chains of `STEP`, a statement over accumulator a and operands x, y. */
#define KERNEL(NAME, VECTOR, OPERAND, STEP)                   \
    static void run_##NAME(long rounds) {                     \
        VECTOR a[CHAINS];                                     \
        OPERAND x, y;                                         \
        memset(a, 0, sizeof a);                               \
        memset(&x, 0, sizeof x);                              \
        memset(&y, 0, sizeof y);                              \
        KEEP(x);                                              \
        KEEP(y);                                              \
        VECTOR a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];    \
        VECTOR a4 = a[4], a5 = a[5], a6 = a[6], a7 = a[7];    \
        VECTOR a8 = a[8], a9 = a[9];                          \
        for (long round = 0; round < rounds; ++round) {       \
            EACH(STEP)                                        \
        }                                                     \
        EACH(LAST)                                            \
    }
#define LAST(i) KEEP(a##i);

typedef float vector_fp32 __attribute__((vector_size(VECTOR_BYTES)));
#define STEP_FP32(i) a##i = a##i * x + y; KEEP(a##i);
KERNEL(fp32, vector_fp32, vector_fp32, STEP_FP32)
#define FP32_MACS (VECTOR_BYTES / 4)
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FP32_HOW "fused multiply-add"
#else
#define FP32_HOW "multiply and add"
#endif

#if defined(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC) || defined(__AVX512FP16__)
typedef _Float16 vector_fp16 __attribute__((vector_size(VECTOR_BYTES)));
#define STEP_FP16(i) a##i = a##i * x + y; KEEP(a##i);
KERNEL(fp16, vector_fp16, vector_fp16, STEP_FP16)
#define FP16_MACS (VECTOR_BYTES / 2)
#endif

#if defined(__AVX512VNNI__)
#define STEP_INT8(i) a##i = _mm512_dpbusd_epi32(a##i, x, y); KEEP(a##i);
KERNEL(int8, __m512i, __m512i, STEP_INT8)
#define INT8_MACS 64
#define INT8_HOW "AVX-512 VNNI dot product"
#elif defined(__AVXVNNI__)
#define STEP_INT8(i) a##i = _mm256_dpbusd_avx_epi32(a##i, x, y); KEEP(a##i);
KERNEL(int8, __m256i, __m256i, STEP_INT8)
#define INT8_MACS 32
#define INT8_HOW "AVX VNNI dot product"
#elif defined(__AVX2__)
/* KEEP(x): or the products would be computed once, before the loop. */
#define STEP_INT8(i) \
    KEEP(x); a##i = _mm256_add_epi32(a##i, _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), y)); KEEP(a##i);
KERNEL(int8, __m256i, __m256i, STEP_INT8)
#define INT8_MACS 32
#define INT8_HOW "AVX2 products of pairs, added twice"
#elif defined(__ARM_FEATURE_DOTPROD)
#define STEP_INT8(i) a##i = vdotq_s32(a##i, x, y); KEEP(a##i);
KERNEL(int8, int32x4_t, int8x16_t, STEP_INT8)
#define INT8_MACS 16
#define INT8_HOW "dot product"
#elif defined(__ARM_NEON)
#define STEP_INT8(i) a##i = vmlal_s8(a##i, x, y); KEEP(a##i);
KERNEL(int8, int16x8_t, int8x8_t, STEP_INT8)
#define INT8_MACS 8
#define INT8_HOW "widening multiply-add into 16 bits"
#endif

static void measure(const char *name, void (*run)(long), int macs, const char *how) {
    long rounds = 1000;
    double taken = 0.0, best = 0.0;
    for (;;) {
        double begin = seconds();
        run(rounds);
        taken = seconds() - begin;
        if (taken > 0.05) break;
        rounds *= 2;
    }
    for (int repeat = 0; repeat < 7; ++repeat) {
        double begin = seconds();
        run(rounds);
        double rate = (double)rounds * CHAINS * macs / (seconds() - begin);
        if (rate > best) best = rate;
    }
    printf("%s %.0f %s\n", name, best, how);
}

int main(void) {
    measure("fp32", run_fp32, FP32_MACS, FP32_HOW);
#ifdef FP16_MACS
    measure("fp16", run_fp16, FP16_MACS, "fused multiply-add");
#endif
#ifdef INT8_MACS
    measure("int8", run_int8, INT8_MACS, INT8_HOW);
#endif
    return 0;
}
