// Attention within short words, several of which share a row, with its gradient, on a processor.
//
// Libtorch multiplies whole rows and leaves out by a mask what belongs to other words, most of it.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../../libtorch/guarded.h"
#include "../../libtorch/loops.h"

namespace {

// R rows of L tokens, each with queries, keys and values of `heads` parts of `size` numbers. A token attends to
// those of its row from place `from` on, up to itself.
struct Words {
  int64_t rows, length, heads, size;
  const int64_t* from;

  int64_t width() const { return heads * size; }

  Words of_size(int64_t size) const { return {rows, length, heads, size, from}; }
};

IN_LOOP int64_t padded(int64_t count) { return (count + LANES - 1) / LANES * LANES; }

IN_LOOP float product(Given one, Given other, int64_t size) {
  return sum_of(size, [&](int64_t i) { return one[i] * other[i]; });
}

IN_LOOP void add(float factor, Given numbers, int64_t size, Numbers sums) {
  for (int64_t i = 0; i < size; i++) {
    sums[i] += factor * numbers[i];
  }
}

// The sum of vectors that are `step` numbers apart, each multiplied by its weight. A few numbers of it at a time
// stay in the processor's registers.
IN_LOOP void weighted(Given weights, Given vectors, int64_t step, int64_t count, int64_t size, Numbers sum) {
  for (int64_t begin = 0; begin < size; begin += LANES) {
    int64_t lanes = std::min(LANES, size - begin);
    float sums[LANES] = {};
    for (int64_t j = 0; j < count; j++) {
      add(weights[j], vectors + j * step + begin, lanes, sums);
    }
    std::copy_n(sums, lanes, sum + begin);
  }
}

// The products of a query, divided by the root of their size, with keys that are `step` numbers apart, and minus
// infinity up to the next multiple of `LANES`. Returns the highest.
IN_LOOP float scores_of(Given query, Given keys, int64_t step, int64_t count, int64_t size, Numbers scores) {
  constexpr float LOWEST = -std::numeric_limits<float>::infinity();
  float scale = 1 / std::sqrt(static_cast<float>(size)), highest[LANES];
  std::fill_n(highest, LANES, LOWEST);
  std::fill_n(scores + padded(count) - LANES, LANES, LOWEST);
  for (int64_t j = 0; j < count; j++) {
    scores[j] = scale * product(query, keys + j * step, size);
  }
  for (int64_t begin = 0; begin < count; begin += LANES) {
    for (int64_t i = 0; i < LANES; i++) {
      highest[i] = std::max(highest[i], scores[begin + i]);
    }
  }
  return *std::max_element(highest, highest + LANES);
}

// Replaces scores by the exponentials of their distances to another. Returns the sum. That of minus infinity is
// e^-80: smaller numbers would be subnormal in products, which are slow.
IN_LOOP float exponentials(int64_t count, float of, Numbers scores) {
  return sum_of(padded(count), [&](int64_t j) { return scores[j] = exponential(limited(scores[j] - of, 80)).all(); });
}

// `y` is the mean of the values [R L, width], and `norms` [R L, heads] the logarithms of the sums of the
// exponentials of the scores. `weights` has room for a row.
IN_LOOP void attend(const Words words, Given qkv, Numbers weights, Numbers y, Numbers norms) {
  int64_t size = words.size, width = words.width(), step = 3 * width;
  for (int64_t place = 0; place < words.rows * words.length; place++) {
    int64_t first = place - place % words.length + words.from[place], count = place - first + 1;
    for (int64_t head = 0; head < words.heads; head++) {
      Given query = qkv + place * step + head * size, keys = qkv + first * step + width + head * size;
      float highest = scores_of(query, keys, step, count, size, weights);
      float sum = exponentials(count, highest, weights), part = 1 / sum;
      for (int64_t j = 0; j < padded(count); j++) {
        weights[j] *= part;
      }
      weighted(weights, keys + width, step, count, size, y + place * width + head * size);
      norms[place * words.heads + head] = highest + std::log(sum);
    }
  }
}

// Adds to `of_qkv`, which begins with zeros. `weights` has room for two rows.
IN_LOOP void attend_gradient(const Words words, Given qkv, Given y, Given norms, Given of_y, Numbers weights,
                             Numbers of_qkv) {
  int64_t size = words.size, width = words.width(), step = 3 * width;
  float scale = 1 / std::sqrt(static_cast<float>(size));
  Numbers of_scores = weights + padded(words.length);
  for (int64_t place = 0; place < words.rows * words.length; place++) {
    int64_t first = place - place % words.length + words.from[place], count = place - first + 1;
    for (int64_t head = 0; head < words.heads; head++) {
      int64_t own = place * step + head * size, keys = first * step + width + head * size, values = keys + width;
      Given query = qkv + own, d = of_y + place * width + head * size;
      scores_of(query, qkv + keys, step, count, size, weights);
      exponentials(count, norms[place * words.heads + head], weights);
      float mean = product(d, y + place * width + head * size, size);
      for (int64_t j = 0; j < count; j++) {
        of_scores[j] = scale * weights[j] * (product(d, qkv + values + j * step, size) - mean);
      }
      weighted(of_scores, qkv + keys, step, count, size, of_qkv + own);
      for (int64_t j = 0; j < count; j++) {
        add(of_scores[j], query, size, of_qkv + keys + j * step);
        add(weights[j], d, size, of_qkv + values + j * step);
      }
    }
  }
}

// Heads of 16 numbers, the default, take no loops of an unknown length.
constexpr int64_t USUAL = 16;

FOR_EACH_PROCESSOR
void attend_all(const Words& words, Given qkv, Numbers weights, Numbers y, Numbers norms) {
  if (words.size == USUAL) {
    attend(words.of_size(USUAL), qkv, weights, y, norms);
  } else {
    attend(words, qkv, weights, y, norms);
  }
}

FOR_EACH_PROCESSOR
void attend_all_gradient(const Words& words, Given qkv, Given y, Given norms, Given of_y, Numbers weights,
                         Numbers of_qkv) {
  if (words.size == USUAL) {
    attend_gradient(words.of_size(USUAL), qkv, y, norms, of_y, weights, of_qkv);
  } else {
    attend_gradient(words, qkv, y, norms, of_y, weights, of_qkv);
  }
}

Words words_of(const Tensor& qkv, const Tensor& from, int64_t heads) {
  return {from.size(0), from.size(1), heads, qkv.size(2) / (3 * heads), from.data_ptr<int64_t>()};
}

// Whether no token attends to places before its row or behind its own.
bool are_places(const Tensor& from) {
  const int64_t* places = from.data_ptr<int64_t>();
  for (int64_t place = 0; place < from.numel(); place++) {
    if (places[place] < 0 || places[place] > place % from.size(1)) {
      return false;
    }
  }
  return true;
}

struct Attention : Function<Attention> {
  // `qkv` [R, L, 3 * width], `from` [R, L]; the result is [R, L, width].
  static Tensor forward(AutogradContext* context, const Tensor& qkv, const Tensor& from, int64_t heads) {
    Words words = words_of(qkv, from, heads);
    Tensor y = at::empty({words.rows, words.length, words.width()}, qkv.options());
    Tensor norms = at::empty({words.rows, words.length, heads}, qkv.options());
    std::vector<float> weights(padded(words.length));
    attend_all(words, numbers(qkv), weights.data(), numbers(y), numbers(norms));
    context->save_for_backward({qkv, from, y, norms});
    context->saved_data["heads"] = heads;
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const Tensor &qkv = saved[0], &from = saved[1], &y = saved[2], &norms = saved[3];
    Words words = words_of(qkv, from, context->saved_data["heads"].toInt());
    Tensor of_y = gradients[0].contiguous(), of_qkv = at::zeros_like(qkv);
    std::vector<float> weights(2 * padded(words.length));
    attend_all_gradient(words, numbers(qkv), numbers(y), numbers(norms), numbers(of_y), weights.data(),
                        numbers(of_qkv));
    return {of_qkv, Tensor(), Tensor()};
  }
};

}  // namespace

extern "C" char* attention_of_words(const Tensor* qkv, const Tensor* from, int64_t heads, Tensor** y) {
  return guarded([&] {
    check(*qkv);
    check(*from);
    TORCH_CHECK(heads > 0 && qkv->dim() == 3 && qkv->size(2) % (3 * heads) == 0, "heads have as many numbers each");
    bool fits = from->sizes() == qkv->sizes().slice(0, 2) && are_places(*from);
    TORCH_CHECK(fits, "each token has a place up to its own to attend from");
    *y = new Tensor(Attention::apply(*qkv, *from, heads));
  });
}
