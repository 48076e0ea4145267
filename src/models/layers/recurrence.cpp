// The loops of recurrent networks over the positions of words, each with its gradient, on a processor.
//
// B words lie position by position, the longest first: position t has the next counts[t] rows, and the state
// before each of them is in the first counts[t] rows of position t - 1. M is the sum of all counts.
//
// Autograd would keep and read each intermediate result of each position by itself. Here the numbers of a
// position are read once between two matrix products, and the gradient of a matrix is one product over all M
// rows, after the loop.

#include <vector>

#include "../../libtorch/guarded.h"
#include "../../libtorch/loops.h"

namespace {

// The rows of a position, `[counts[t], ..]`, of a tensor `[M, ..]`.
Tensor rows(const Tensor& all, int64_t begin, int64_t count) { return all.narrow(0, begin, count); }

// The loops read rows of as many numbers.
void check_rows(const Tensor& terms, int64_t numbers) {
  check(terms);
  TORCH_CHECK(terms.dim() == 2 && terms.size(1) == numbers, "the terms of a row are not as many as the state takes");
}

// Makes a second backward pass through the same graph a fault: the first has taken the tensor's place.
void overwritten(const Tensor& saved) { saved.unsafeGetTensorImpl()->bump_version(); }

// The first row of each position.
std::vector<int64_t> begins(at::IntArrayRef counts) {
  std::vector<int64_t> begins;
  int64_t begin = 0;
  for (int64_t count : counts) {
    begins.push_back(begin);
    begin += count;
  }
  return begins;
}

// The states before each row, from those after it; `parts` are those before the first position.
Tensor shifted(const Tensor& states, std::vector<Tensor> parts, at::IntArrayRef counts) {
  auto begin = begins(counts);
  for (size_t t = 1; t < counts.size(); t++) {
    parts.push_back(rows(states, begin[t - 1], counts[t]));
  }
  return at::cat(parts, 0);
}

// The gates z and r, which take the places of their terms, and the states before them as r resets them.
FOR_EACH_PROCESSOR
void gru_gates(int64_t count, int64_t h, Numbers zr, Given before, Numbers resets) {
  for (int64_t row = 0; row < count; row++) {
    Numbers z = zr + 2 * row * h, r = z + h;
    for (int64_t i = 0; i < h; i++) {
      z[i] = sigmoid(z[i]);
      r[i] = sigmoid(r[i]);
      resets[row * h + i] = r[i] * before[row * h + i];
    }
  }
}

// hbar, which takes the place of its terms, and the states after a position.
FOR_EACH_PROCESSOR
void gru_states(int64_t count, int64_t h, Given zr, Numbers hbar, Given before, Numbers after) {
  for (int64_t row = 0; row < count; row++) {
    Given z = zr + 2 * row * h;
    for (int64_t i = 0; i < h; i++) {
      int64_t at = row * h + i;
      hbar[at] = tanh_of(hbar[at]);
      after[at] = before[at] + z[i] * (hbar[at] - before[at]);
    }
  }
}

// From the gradient of the states after a position, without that which came back from the next one, to those
// of z's and hbar's terms, which take the places of z and hbar. `carried` has what came back, and now a part of
// what goes back.
FOR_EACH_PROCESSOR
void gru_gradient(int64_t count, int64_t h, Given of_after, Given before, Numbers carried, Numbers zr, Numbers hbar) {
  for (int64_t row = 0; row < count; row++) {
    Numbers z = zr + 2 * row * h;
    for (int64_t i = 0; i < h; i++) {
      int64_t at = row * h + i;
      float d = of_after[at] + carried[at], kept = 1 - z[i];
      carried[at] = d * kept;
      d *= z[i];
      z[i] = d * (hbar[at] - before[at]) * kept;
      hbar[at] = d * (1 - hbar[at] * hbar[at]);
    }
  }
}

// From the gradient of the reset states to that of r's terms, which take the place of r.
FOR_EACH_PROCESSOR
void reset_gradient(int64_t count, int64_t h, Given of_reset, Given before, Numbers carried, Numbers zr) {
  for (int64_t row = 0; row < count; row++) {
    Numbers r = zr + (2 * row + 1) * h;
    for (int64_t i = 0; i < h; i++) {
      int64_t at = row * h + i;
      float d = of_reset[at] * r[i];
      carried[at] += d;
      r[i] = d * before[at] * (1 - r[i]);
    }
  }
}

struct Gru : Function<Gru> {
  // `x_zr` [M, 2 H] and `x_hbar` [M, H] are overwritten; `w_zr` [H, 2 H], `w_hbar` [H, H], `start` [1, H].
  static Tensor forward(AutogradContext* context, const Tensor& x_zr, const Tensor& x_hbar, const Tensor& w_zr,
                        const Tensor& w_hbar, const Tensor& start, at::IntArrayRef counts) {
    int64_t h = w_hbar.size(0);
    Tensor zr = x_zr.variable_data(), hbar = x_hbar.variable_data();
    Tensor states = at::empty_like(hbar), resets = at::empty_like(hbar);
    Tensor before = start.expand({counts.empty() ? 0 : counts[0], h}).contiguous();
    int64_t begin = 0;
    for (int64_t count : counts) {
      before = rows(before, 0, count);
      Tensor gates = rows(zr, begin, count), reset = rows(resets, begin, count);
      Tensor candidate = rows(hbar, begin, count), after = rows(states, begin, count);
      gates.addmm_(before, w_zr);
      gru_gates(count, h, numbers(gates), numbers(before), numbers(reset));
      candidate.addmm_(reset, w_hbar);
      gru_states(count, h, numbers(gates), numbers(candidate), numbers(before), numbers(after));
      before = after;
      begin += count;
    }
    TORCH_CHECK(begin == x_zr.size(0) && begin == x_hbar.size(0), "the positions have not all rows");
    context->save_for_backward({zr, hbar, resets, states, w_zr, w_hbar, start});
    context->saved_data["counts"] = counts.vec();
    return states;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const Tensor &zr = saved[0], &hbar = saved[1], &resets = saved[2], &states = saved[3];
    const Tensor &w_zr = saved[4], &w_hbar = saved[5], &start = saved[6];
    auto counts = context->saved_data["counts"].toIntVector();
    Tensor of_states = gradients[0].contiguous();
    int64_t h = w_hbar.size(0), words = counts.empty() ? 0 : counts[0];
    Tensor before = shifted(states, {start.expand({words, h})}, counts);
    Tensor carried = at::zeros({words, h}, hbar.options()), of_resets = at::empty_like(carried);
    Tensor to_zr = w_zr.t(), to_hbar = w_hbar.t();
    auto begin = begins(counts);
    for (size_t t = counts.size(); t-- > 0;) {
      int64_t count = counts[t];
      auto of = [&](const Tensor& all) { return rows(all, begin[t], count); };
      Tensor back = rows(carried, 0, count), of_reset = rows(of_resets, 0, count);
      gru_gradient(count, h, numbers(of(of_states)), numbers(of(before)), numbers(back), numbers(of(zr)),
                   numbers(of(hbar)));
      at::mm_out(of_reset, of(hbar), to_hbar);
      reset_gradient(count, h, numbers(of_reset), numbers(of(before)), numbers(back), numbers(of(zr)));
      back.addmm_(of(zr), to_zr);
    }
    overwritten(zr);
    return {zr, hbar, at::mm(before.t(), zr), at::mm(resets.t(), hbar), carried.sum(0, true), Tensor()};
  }
};

// The gates, which take the places of their terms, and the cells and states after a position.
FOR_EACH_PROCESSOR
void lstm_states(int64_t count, int64_t h, Numbers gates, Given before, Numbers cells, Numbers tanhs, Numbers states) {
  for (int64_t row = 0; row < count; row++) {
    Numbers i = gates + 4 * row * h, f = i + h, g = f + h, o = g + h;
    for (int64_t k = 0; k < h; k++) {
      int64_t at = row * h + k;
      i[k] = sigmoid(i[k]);
      f[k] = sigmoid(f[k]);
      g[k] = tanh_of(g[k]);
      o[k] = sigmoid(o[k]);
      cells[at] = f[k] * before[at] + i[k] * g[k];
      tanhs[at] = tanh_of(cells[at]);
      states[at] = o[k] * tanhs[at];
    }
  }
}

// From the gradient of the states after a position, without what came back from the next one, to that of the
// gates' terms, which take the places of the gates. `of_cells` has what came back to the cells, and now what
// goes back.
FOR_EACH_PROCESSOR
void lstm_gradient(int64_t count, int64_t h, Given of_after, Given carried, Given tanhs, Given before,
                   Numbers of_cells, Numbers gates) {
  for (int64_t row = 0; row < count; row++) {
    Numbers i = gates + 4 * row * h, f = i + h, g = f + h, o = g + h;
    for (int64_t k = 0; k < h; k++) {
      int64_t at = row * h + k;
      float d = of_after[at] + carried[at], tanh = tanhs[at];
      float of_cell = of_cells[at] + d * o[k] * (1 - tanh * tanh);
      of_cells[at] = of_cell * f[k];
      float of_i = of_cell * g[k] * i[k] * (1 - i[k]);
      f[k] = of_cell * before[at] * f[k] * (1 - f[k]);
      g[k] = of_cell * i[k] * (1 - g[k] * g[k]);
      i[k] = of_i;
      o[k] = d * tanh * o[k] * (1 - o[k]);
    }
  }
}

struct Lstm : Function<Lstm> {
  // `x` [M, 4 H], the terms of the gates i, f, g and o, is overwritten; `w` [H, 4 H].
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w, at::IntArrayRef counts) {
    int64_t h = w.size(0), begin = 0;
    Tensor gates = x.variable_data();
    Tensor states = at::empty({x.size(0), h}, x.options());
    Tensor cell = at::empty_like(states), tanhs = at::empty_like(states);
    Tensor before, cells_before = at::zeros({counts.empty() ? 0 : counts[0], h}, x.options());
    for (int64_t count : counts) {
      Tensor gate = rows(gates, begin, count), after = rows(states, begin, count);
      Tensor cells_after = rows(cell, begin, count), tanh = rows(tanhs, begin, count);
      if (begin > 0) {
        gate.addmm_(rows(before, 0, count), w);
      }
      lstm_states(count, h, numbers(gate), numbers(cells_before), numbers(cells_after), numbers(tanh),
                  numbers(after));
      before = after;
      cells_before = cells_after;
      begin += count;
    }
    TORCH_CHECK(begin == x.size(0), "the positions have not all rows");
    context->save_for_backward({gates, cell, tanhs, states, w});
    context->saved_data["counts"] = counts.vec();
    return states;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const Tensor &gates = saved[0], &cell = saved[1], &tanhs = saved[2], &states = saved[3], &w = saved[4];
    auto counts = context->saved_data["counts"].toIntVector();
    Tensor of_states = gradients[0].contiguous();
    int64_t h = w.size(0), words = counts.empty() ? 0 : counts[0];
    Tensor to = w.t();
    Tensor carried = at::zeros({words, h}, gates.options()), of_cells = at::zeros_like(carried);
    Tensor start = at::zeros_like(carried);
    auto begin = begins(counts);
    for (size_t t = counts.size(); t-- > 0;) {
      int64_t count = counts[t];
      auto of = [&](const Tensor& all) { return rows(all, begin[t], count); };
      Tensor back = rows(carried, 0, count);
      Tensor before = t > 0 ? rows(cell, begin[t - 1], count) : start;
      lstm_gradient(count, h, numbers(of(of_states)), numbers(back), numbers(of(tanhs)), numbers(before),
                    numbers(of_cells), numbers(of(gates)));
      if (t > 0) {
        at::mm_out(back, of(gates), to);
      }
    }
    overwritten(gates);
    // The states before the first position are 0, so that its rows add nothing.
    Tensor later = rows(gates, words, gates.size(0) - words);
    Tensor of_w = counts.size() > 1 ? at::mm(shifted(states, {}, counts).t(), later) : at::zeros_like(w);
    return {gates, of_w, Tensor()};
  }
};

}  // namespace

extern "C" {

// The states after each row, `[M, H]`; the tensors are those of `Gru::forward`.
char* recurrence_gru(const Tensor* const* tensors, const int64_t* counts, size_t positions, Tensor** states) {
  return guarded([&] {
    int64_t h = tensors[3]->size(0);
    check_rows(*tensors[0], 2 * h);
    check_rows(*tensors[1], h);
    at::IntArrayRef of(counts, positions);
    *states = new Tensor(Gru::apply(*tensors[0], *tensors[1], *tensors[2], *tensors[3], *tensors[4], of));
  });
}

// The states after each row, `[M, H]`; the tensors are those of `Lstm::forward`.
char* recurrence_lstm(const Tensor* const* tensors, const int64_t* counts, size_t positions, Tensor** states) {
  return guarded([&] {
    check_rows(*tensors[0], 4 * tensors[1]->size(0));
    at::IntArrayRef of(counts, positions);
    *states = new Tensor(Lstm::apply(*tensors[0], *tensors[1], of));
  });
}
}
