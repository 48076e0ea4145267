// RMSNorm with its gradient, on a processor: autograd would pass eight times over the numbers.

#include <cmath>

#include "../../libtorch/guarded.h"
#include "../../libtorch/loops.h"

namespace {

// `scales`, `[rows]`, are one divided by the root of the mean square of each row.
FOR_EACH_PROCESSOR
void normalize(int64_t rows, int64_t size, float epsilon, Given x, Given weight, Numbers y, Numbers scales) {
  for (int64_t row = 0; row < rows; row++) {
    Given in = x + row * size;
    float squares = sum_of(size, [&](int64_t i) { return in[i] * in[i]; });
    float scale = 1 / std::sqrt(squares / size + epsilon);
    scales[row] = scale;
    for (int64_t i = 0; i < size; i++) {
      y[row * size + i] = in[i] * scale * weight[i];
    }
  }
}

FOR_EACH_PROCESSOR
void norm_gradient(int64_t rows, int64_t size, Given of_y, Given x, Given weight, Given scales, Numbers of_x,
                   Numbers of_weight) {
  for (int64_t row = 0; row < rows; row++) {
    Given d = of_y + row * size, in = x + row * size;
    float product = sum_of(size, [&](int64_t i) { return d[i] * weight[i] * in[i]; });
    // What the scale itself depends on.
    float scale = scales[row], back = product * scale * scale / size;
    for (int64_t i = 0; i < size; i++) {
      of_x[row * size + i] = scale * (d[i] * weight[i] - back * in[i]);
      of_weight[i] += d[i] * in[i] * scale;
    }
  }
}

struct RmsNorm : Function<RmsNorm> {
  // `x` [.., C], `weight` [C].
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, double epsilon) {
    int64_t size = weight.numel(), rows = x.numel() / size;
    Tensor y = at::empty_like(x), scales = at::empty({rows}, x.options());
    normalize(rows, size, epsilon, numbers(x), numbers(weight), numbers(y), numbers(scales));
    context->save_for_backward({x, weight, scales});
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &scales = saved[2];
    Tensor of_y = gradients[0].contiguous(), of_x = at::empty_like(x), of_weight = at::zeros_like(weight);
    norm_gradient(scales.numel(), weight.numel(), numbers(of_y), numbers(x), numbers(weight), numbers(scales),
                  numbers(of_x), numbers(of_weight));
    return {of_x, of_weight, Tensor()};
  }
};

}  // namespace

extern "C" char* norm_rms(const Tensor* x, const Tensor* weight, double epsilon, Tensor** y) {
  return guarded([&] {
    check(*x);
    check(*weight);
    TORCH_CHECK(x->dim() > 0 && x->size(-1) == weight->numel(), "rows of ", weight->numel(), " numbers are normalised");
    *y = new Tensor(RmsNorm::apply(*x, *weight, epsilon));
  });
}
