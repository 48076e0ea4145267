// What our loops over the numbers of tensors in the processor's memory have in common.

#pragma once

#include <cstdint>
#include <cstring>

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

// Compiles a loop for each of several processors, and runs the one for this.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

// A function that is compiled with the loop that calls it.
#define IN_CLASS inline __attribute__((always_inline))
#define IN_LOOP static IN_CLASS

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

using Numbers = float* __restrict;
using Given = const float* __restrict;

inline float* numbers(const Tensor& tensor) { return tensor.data_ptr<float>(); }

// The loops read row after row from the processor's memory.
inline void check(const Tensor& tensor) {
  TORCH_CHECK(tensor.is_cpu() && tensor.is_contiguous(), "the terms are not row after row in the processor's memory");
}

// Loops over as many numbers have no remainder.
constexpr int64_t LANES = 16;

// The sum of lanes, in an order that is the same on every processor.
IN_LOOP float total(const float* lanes) {
  float eight[8], four[4];
  for (int i = 0; i < 8; i++) {
    eight[i] = lanes[i] + lanes[i + 8];
  }
  for (int i = 0; i < 4; i++) {
    four[i] = eight[i] + eight[i + 4];
  }
  return (four[0] + four[2]) + (four[1] + four[3]);
}

// The sum of a function's numbers, in such an order.
template <class Function>
IN_LOOP float sum_of(int64_t count, const Function& function) {
  float sums[LANES] = {}, rest = 0;
  int64_t whole = count / LANES * LANES;
  for (int64_t begin = 0; begin < whole; begin += LANES) {
    for (int64_t i = 0; i < LANES; i++) {
      sums[i] += function(begin + i);
    }
  }
  for (int64_t i = whole; i < count; i++) {
    rest += function(i);
  }
  return total(sums) + rest;
}

// A number between -limit and limit. NaN stays: a training that diverges is to show it.
IN_LOOP float limited(float x, float limit) {
  x = limit < x ? limit : x;
  return -limit > x ? -limit : x;
}

// e^x in two parts, whose sum less 1 keeps its digits near 0.
struct Exponential {
  float power, rest;

  IN_CLASS float all() const { return rest + power; }
  IN_CLASS float less_1() const { return rest + (power - 1); }
};

// e^x of a number up to 87 from 0, or of NaN: 2^n e^r, whose r is at most ln(2) / 2, by its Taylor series.
IN_LOOP Exponential exponential(float x) {
  constexpr float LOG2_E = 1.44269504f, LN_2 = 0.693147181f;
  // So large a number has no digits behind the point.
  constexpr float ROUND = 1.5f * (1 << 23);
  float whole = x * LOG2_E + ROUND, n = whole - ROUND, r = x - n * LN_2;
  float series = 1 + r * (1 / 6.f) * (1 + r * (1 / 7.f));
  series = 1 + r * (1 / 4.f) * (1 + r * (1 / 5.f) * series);
  series = r * (1 + r * (1 / 2.f) * (1 + r * (1 / 3.f) * series));
  // The last bits of `whole` are those of n.
  uint32_t bits;
  std::memcpy(&bits, &whole, sizeof bits);
  bits = (bits + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return {power, power * series};
}

// A sigmoid, whose exponential stays a normal number.
IN_LOOP float sigmoid(float x) { return 1 / (1 + exponential(limited(-x, 87)).all()); }

// From 10 on, tanh is 1.
IN_LOOP float tanh_of(float x) {
  float e = exponential(limited(2 * x, 20)).less_1();
  return e / (e + 2);
}
