// The rotation of queries and keys, and back for their gradients, on a processor.

#include <algorithm>

#include "../../libtorch/guarded.h"
#include "../../libtorch/loops.h"

namespace {

// Each token has queries, keys and values, of `heads` parts of `size` numbers each, and as many factors as one
// part of each has numbers: cosine and sine of the angle of each pair. `direction` is 1, or -1 to turn back.
FOR_EACH_PROCESSOR
void turn(int64_t tokens, int64_t heads, int64_t size, float direction, Given x, Given factors, Numbers y) {
  for (int64_t token = 0; token < tokens; token++) {
    Given of = factors + token * 3 * size;
    int64_t begin = token * 3 * heads * size, values = begin + 2 * heads * size;
    for (int64_t part = begin; part < values; part += size) {
      Given point = x + part;
      Numbers turned = y + part;
      for (int64_t i = 0; i < size; i += 2) {
        float sine = direction * of[i + 1];
        turned[i] = point[i] * of[i] - point[i + 1] * sine;
        turned[i + 1] = point[i] * sine + point[i + 1] * of[i];
      }
    }
    std::copy_n(x + values, heads * size, y + values);
  }
}

Tensor turned(const Tensor& x, const Tensor& factors, float direction) {
  Tensor y = at::empty_like(x);
  int64_t tokens = factors.size(0), size = factors.numel() / (3 * tokens);
  turn(tokens, x.numel() / (tokens * 3 * size), size, direction, numbers(x), numbers(factors), numbers(y));
  return y;
}

struct Turn : Function<Turn> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& factors) {
    context->save_for_backward({factors});
    return turned(x, factors, 1);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    Tensor factors = context->get_saved_variables()[0];
    return {turned(gradients[0].contiguous(), factors, -1), Tensor()};
  }
};

}  // namespace

// Queries, keys and values, `[N, .., 3 * heads * size]` in all, and factors, `[N, 3, 1, size / 2, 2]`.
extern "C" char* rotary_turn(const Tensor* qkv, const Tensor* factors, Tensor** y) {
  return guarded([&] {
    check(*qkv);
    check(*factors);
    TORCH_CHECK(factors->numel() > 0 && qkv->numel() % factors->numel() == 0, "the tokens are as many as their factors");
    *y = new Tensor(Turn::apply(*qkv, *factors));
  });
}
