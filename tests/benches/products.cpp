// Records the matrix products of a step, and computes them again without the rest of it: on the tensors of the step
// itself. scripts/step_times.py compiles it for the benchmark of steps, which loads it.
//
// For all networks but the transformers these are the calls of SGEMM that MKL_VERBOSE=1 shows of a step.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/record_function.h>

#include "../../src/libtorch/guarded.h"

namespace {

using at::Tensor;

std::vector<std::function<void()>> products;
at::CallbackHandle recording = at::INVALID_CALLBACK_HANDLE;

// The arguments of an operation, which are there only before it.
struct Arguments : at::ObserverContext {
  std::vector<c10::IValue> values;
};

// The same memory, without the graph that autograd would keep for it.
Tensor memory(const c10::IValue& value) { return value.toTensor().variable_data(); }

void add_product(Tensor to, Tensor a, Tensor b) {
  products.emplace_back([=]() mutable { a.dim() == 3 ? at::bmm_out(to, a, b) : at::mm_out(to, a, b); });
}

void add_sum(Tensor to, Tensor terms, Tensor a, Tensor b, at::Scalar beta, at::Scalar alpha) {
  products.emplace_back([=]() mutable {
    a.dim() == 3 ? at::baddbmm_out(to, terms, a, b, beta, alpha) : at::addmm_out(to, terms, a, b, beta, alpha);
  });
}

// The products in attention, which libtorch computes in one operation: `[R, heads, L, C / heads]` each. Its backward
// pass computes the weights once more, which is not counted.
void add_attention(const Tensor& q, const Tensor& k, const Tensor& v, bool is_backward) {
  auto batch = [](const Tensor& heads) { return heads.reshape({-1, heads.size(2), heads.size(3)}).clone(); };
  Tensor queries = batch(q), keys = batch(k), values = batch(v);
  Tensor weights = at::bmm(queries, keys.transpose(1, 2));
  if (!is_backward) {
    add_product(weights, queries, keys.transpose(1, 2));
    add_product(at::empty_like(queries), weights, values);
    return;
  }
  // The gradients of values, weights, queries and keys.
  add_product(at::empty_like(values), weights.transpose(1, 2), queries);
  add_product(at::empty_like(weights), queries, values.transpose(1, 2));
  add_product(at::empty_like(queries), weights, keys);
  add_product(at::empty_like(keys), weights.transpose(1, 2), queries);
}

void record(const std::string& name, const std::vector<c10::IValue>& values, const Tensor& to) {
  at::RecordFunctionGuard not_our_own(false);
  static const std::string attention = "aten::_scaled_dot_product_flash_attention_for_cpu";
  auto tensor = [&](size_t place) { return memory(values[place]); };
  if (name == "aten::mm" || name == "aten::bmm") {
    add_product(to, tensor(0), tensor(1));
  } else if (name == "aten::addmm" || name == "aten::addmm_" || name == "aten::baddbmm" || name == "aten::baddbmm_") {
    add_sum(to, tensor(0), tensor(1), tensor(2), values[3].toScalar(), values[4].toScalar());
  } else if (name == attention) {
    add_attention(tensor(0), tensor(1), tensor(2), false);
  } else if (name == attention + "_backward") {
    add_attention(tensor(1), tensor(2), tensor(3), true);
  }
}

}  // namespace

extern "C" {

// Records the products of this thread from now on, in place of those before.
char* products_begin() {
  return guarded([] {
    products.clear();
    auto before = [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
      auto arguments = std::make_unique<Arguments>();
      arguments->values.assign(function.inputs().begin(), function.inputs().end());
      return arguments;
    };
    auto after = [](const at::RecordFunction& function, at::ObserverContext* context) {
      if (!function.outputs().empty() && function.outputs()[0].isTensor()) {
        record(function.name(), static_cast<Arguments*>(context)->values, memory(function.outputs()[0]));
      }
    };
    auto callback = at::RecordFunctionCallback(before, after).needsInputs(true).needsOutputs(true);
    recording = at::addThreadLocalCallback(callback.scopes({at::RecordScope::FUNCTION}));
  });
}

// Ends the recording; tells the number of products.
char* products_end(size_t* count) {
  return guarded([&] {
    at::removeCallback(recording);
    *count = products.size();
  });
}

// Computes the recorded products.
char* products_compute() {
  return guarded([] {
    at::AutoDispatchBelowADInplaceOrView without_autograd;
    for (const auto& compute : products) {
      compute();
    }
  });
}
}
