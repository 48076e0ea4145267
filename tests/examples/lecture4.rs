//! Lecture 4, backpropagation by hand, in plain `tch`: each line beside that of the notebook.
//!
//! cargo run --release --example lecture4

use rand_mt::Mt;
use tch::{Kind, Tensor, kind::FLOAT_CPU, kind::INT64_CPU};

#[rustfmt::skip] // A line for each line of the notebook.
fn main() {
    tch::set_num_threads(1);
    // random.seed(42); random.shuffle(words)
    let mut words: Vec<&str> = include_str!("../../assets/names.txt").lines().collect();
    let mut random = Mt::new_with_key([42]);
    for i in (1..words.len()).rev() {
        // j = randbelow(i + 1): as many bits as i + 1 has, drawn until they are below it
        let draw = || random.next_u32() as usize >> (i as u32 + 1).leading_zeros();
        words.swap(i, std::iter::repeat_with(draw).find(|&j| j <= i).unwrap());
    }
    // Xtr, Ytr = build_dataset(words[:n1])
    let (mut xtr, mut ytr) = (Vec::<i64>::new(), vec![]);
    for w in &words[..words.len() * 8 / 10] {
        let mut context = vec![0; 3];
        for ix in w.bytes().map(|ch| (ch - b'a' + 1) as i64).chain([0]) {
            // X.append(context); Y.append(ix); context = context[1:] + [ix]  [The data]
            xtr.extend(&context[context.len() - 3..]);
            ytr.push(ix);
            context.push(ix);
        }
    }
    let (xtr, ytr) = (Tensor::from_slice(&xtr).view([-1, 3]), Tensor::from_slice(&ytr));
    let randn = |size: &[i64]| Tensor::randn(size, FLOAT_CPU);
    tch::manual_seed(420);                                                // There bngain and bnbias come from no seed: 420 is ours.
    let bngain = randn(&[1, 64]) * 0.1 + 1.0;                             // bngain = torch.randn((1, n_hidden))*0.1 + 1.0
    let bnbias = randn(&[1, 64]) * 0.1;                                   // bnbias = torch.randn((1, n_hidden))*0.1
    tch::manual_seed(2147483647);                                         // g = torch.Generator().manual_seed(2147483647)
    let c = randn(&[27, 10]);                                             // C = torch.randn((vocab_size, n_embd), generator=g)
    let w1 = randn(&[30, 64]) * (5.0 / 3.0) / 30_f64.sqrt();              // W1 = ... * (5/3)/((n_embd * block_size)**0.5)
    let b1 = randn(&[64]) * 0.1;                                          // b1 = torch.randn(n_hidden, generator=g) * 0.1
    let w2 = randn(&[64, 27]) * 0.1;                                      // W2 = torch.randn((n_hidden, vocab_size), generator=g) * 0.1
    let b2 = randn(&[27]) * 0.1;                                          // b2 = torch.randn(vocab_size, generator=g) * 0.1
    let parameters = [&c, &w1, &b1, &w2, &b2, &bngain, &bnbias].map(|p| p.set_requires_grad(true));
    println!("{}", parameters.iter().map(Tensor::numel).sum::<usize>());
    let (n, v) = (32_f64, 27);                                            // n = batch_size
    let ix = [Some(Tensor::randint(xtr.size()[0], [32], INT64_CPU))];     // ix = torch.randint(0, Xtr.shape[0], (batch_size,))
    let (xb, yb) = (xtr.index(&ix), ytr.index(&ix));                      // Xb, Yb = Xtr[ix], Ytr[ix]
    let sum0 = |t: &Tensor| t.sum_dim_intlist(0, true, Kind::Float);      // t.sum(0, keepdim=True)
    let sum1 = |t: &Tensor| t.sum_dim_intlist(1, true, Kind::Float);      // t.sum(1, keepdim=True)
    let emb = c.index(&[Some(&xb)]);                                      // emb = C[Xb]
    let embcat = emb.view([32, -1]);                                      // embcat = emb.view(emb.shape[0], -1)
    let hprebn = embcat.matmul(&w1) + &b1;                                // hprebn = embcat @ W1 + b1
    let bnmeani = sum0(&hprebn) * (1.0 / n);                              // bnmeani = 1/n*hprebn.sum(0, keepdim=True)
    let bndiff = &hprebn - &bnmeani;                                      // bndiff = hprebn - bnmeani
    let bndiff2 = bndiff.square();                                        // bndiff2 = bndiff**2
    let bnvar = sum0(&bndiff2) * (1.0 / (n - 1.0));                       // bnvar = 1/(n-1)*(bndiff2).sum(0, keepdim=True)
    let bnvar_inv = (&bnvar + 1e-5_f64).pow_tensor_scalar(-0.5);          // bnvar_inv = (bnvar + 1e-5)**-0.5
    let bnraw = &bndiff * &bnvar_inv;                                     // bnraw = bndiff * bnvar_inv
    let hpreact = &bngain * &bnraw + &bnbias;                             // hpreact = bngain * bnraw + bnbias
    let h = hpreact.tanh();                                               // h = torch.tanh(hpreact)
    let logits = h.matmul(&w2) + &b2;                                     // logits = h @ W2 + b2
    let (logit_maxes, indices) = logits.max_dim(1, true);                 // logit_maxes = logits.max(1, keepdim=True).values
    let norm_logits = &logits - &logit_maxes;                             // norm_logits = logits - logit_maxes
    let counts = norm_logits.exp();                                       // counts = norm_logits.exp()
    let counts_sum = sum1(&counts);                                       // counts_sum = counts.sum(1, keepdims=True)
    let counts_sum_inv = counts_sum.pow_tensor_scalar(-1);                // counts_sum_inv = counts_sum**-1
    let probs = &counts * &counts_sum_inv;                                // probs = counts * counts_sum_inv  [The forward pass]
    let logprobs = probs.log();                                           // logprobs = probs.log()  [The forward pass]
    let loss = -logprobs.gather(1, &yb.unsqueeze(1), false).mean(Kind::Float); // loss = -logprobs[range(n), Yb].mean()  [The forward pass]
    println!("{}", loss.double_value(&[]));
    macro_rules! cmp { // cmp('t', dt, t)
        ($t:ident, $dt:expr) => {{
            let (dt, grad): (Tensor, _) = ($dt, &Tensor::run_backward(&[&loss], &[&$t], true, false)[0]);
            let (s, exact, close) = (stringify!($t), dt.equal(grad), dt.allclose(grad, 1e-5, 1e-8, false));
            let maxdiff = (&dt - grad).abs().max().double_value(&[]);
            println!("{s:14} | exact: {exact:5} | approximate: {close:5} | maxdiff: {maxdiff:e}");
            dt
        }};
    }
    let dlogprobs = cmp!(logprobs, yb.one_hot(v) * (-1.0 / n));           // dlogprobs[range(n), Yb] = -1.0/n  [Exercise 1: step by step]
    let dprobs = cmp!(probs, probs.reciprocal() * dlogprobs);             // dprobs = (1.0 / probs) * dlogprobs  [Exercise 1: step by step]
    let dinv = cmp!(counts_sum_inv, sum1(&(&counts * &dprobs)));          // dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True)  [Exercise 1: step by step]
    let dcounts_sum = cmp!(counts_sum, -counts_sum.pow_tensor_scalar(-2) * dinv); // dcounts_sum = (-counts_sum**-2) * dcounts_sum_inv
    let dcounts = cmp!(counts, &counts_sum_inv * dprobs + dcounts_sum);   // dcounts = counts_sum_inv * dprobs + ... * dcounts_sum
    let dnorm_logits = cmp!(norm_logits, &counts * dcounts);              // dnorm_logits = counts * dcounts
    let dlogit_maxes = cmp!(logit_maxes, sum1(&-&dnorm_logits));          // dlogit_maxes = (-dnorm_logits).sum(1, keepdim=True)
    let largest = indices.view(-1).one_hot(v);                            // F.one_hot(logits.max(1).indices, num_classes=logits.shape[1])
    let dlogits = cmp!(logits, dnorm_logits + largest * dlogit_maxes);    // dlogits = dnorm_logits + F.one_hot(...) * dlogit_maxes
    let dh = cmp!(h, dlogits.matmul(&w2.tr()));                           // dh = dlogits @ W2.T
    let _dw2 = cmp!(w2, h.tr().matmul(&dlogits));                         // dW2 = h.T @ dlogits
    let _db2 = cmp!(b2, sum0(&dlogits).view(-1));                         // db2 = dlogits.sum(0)
    let slope = (1_f64 - h.to_kind(Kind::Double).square()).to_kind(Kind::Float); // 1.0 - h**2, rounded once as by autograd
    let dhpreact = cmp!(hpreact, slope * dh);                             // dhpreact = (1.0 - h**2) * dh
    let _dbngain = cmp!(bngain, sum0(&(&bnraw * &dhpreact)));             // dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
    let _dbnbias = cmp!(bnbias, sum0(&dhpreact));                         // dbnbias = dhpreact.sum(0, keepdim=True)
    let dbnraw = cmp!(bnraw, &bngain * &dhpreact);                        // dbnraw = bngain * dhpreact
    let dbnvar_inv = cmp!(bnvar_inv, sum0(&(&bndiff * &dbnraw)));         // dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)
    let slope = (&bnvar + 1e-5_f64).pow_tensor_scalar(-1.5) * -0.5;       // -0.5*(bnvar + 1e-5)**-1.5
    let dbnvar = cmp!(bnvar, slope * dbnvar_inv);                         // dbnvar = (-0.5*(bnvar + 1e-5)**-1.5) * dbnvar_inv
    let share = bndiff2.ones_like() * (1.0 / (n - 1.0));                  // (1.0/(n-1))*torch.ones_like(bndiff2)
    let dbndiff2 = cmp!(bndiff2, share * dbnvar);                         // dbndiff2 = ... * dbnvar
    let dbndiff = cmp!(bndiff, &bnvar_inv * dbnraw + &bndiff * 2.0 * dbndiff2); // dbndiff = bnvar_inv * dbnraw + (2*bndiff) * dbndiff2
    let dbnmeani = cmp!(bnmeani, sum0(&-&dbndiff));                       // dbnmeani = (-dbndiff).sum(0)
    let dhprebn = cmp!(hprebn, dbndiff + dbnmeani * (1.0 / n));           // dhprebn = dbndiff + 1.0/n * dbnmeani
    let dembcat = cmp!(embcat, dhprebn.matmul(&w1.tr()));                 // dembcat = dhprebn @ W1.T
    let _dw1 = cmp!(w1, embcat.tr().matmul(&dhprebn));                    // dW1 = embcat.T @ dhprebn
    let _db1 = cmp!(b1, sum0(&dhprebn).view(-1));                         // db1 = dhprebn.sum(0)
    let demb = cmp!(emb, dembcat.view_as(&emb)).view([-1, 10]);           // demb = dembcat.view(emb.shape)
    let _dc = cmp!(c, c.zeros_like().index_add(0, &xb.view(-1), &demb));  // dC[ix] += demb[k,j], for all k and j
    let loss_fast = logits.cross_entropy_for_logits(&yb);                 // loss_fast = F.cross_entropy(logits, Yb)
    println!("{} diff: {:e}", loss_fast.double_value(&[]), (&loss_fast - &loss).double_value(&[]));
    let softmax = logits.softmax(1, Kind::Float);                         // dlogits = F.softmax(logits, 1)  [Exercise 2: cross-entropy in one go]
    let _dlogits = cmp!(logits, (softmax - yb.one_hot(v)) / n);           // dlogits[range(n), Yb] -= 1; dlogits /= n  [Exercise 2: cross-entropy in one go]

    let centred = &hprebn - hprebn.mean_dim(0, true, Kind::Float);        // hprebn - hprebn.mean(0)
    let root = (hprebn.var_dim(0, true, true) + 1e-5).sqrt();             // torch.sqrt(hprebn.var(0, unbiased=True) + 1e-5)
    let hpreact_fast = &bngain * centred / root + &bnbias;                // hpreact_fast = bngain * (...) / torch.sqrt(...) + bnbias
    println!("max diff: {:e}", (hpreact_fast - &hpreact).abs().max().double_value(&[]));
    let along = &bnraw * (n / (n - 1.0)) * sum0(&(&dhpreact * &bnraw));   // n/(n-1)*bnraw*(dhpreact*bnraw).sum(0)  [Exercise 3: batch normalisation in one go]
    let inner = &dhpreact * n - sum0(&dhpreact) - along;                  // n*dhpreact - dhpreact.sum(0) - ...  [Exercise 3: batch normalisation in one go]
    let _dhprebn = cmp!(hprebn, &bngain * &bnvar_inv / n * inner);        // dhprebn = bngain*bnvar_inv/n * (...)  [Exercise 3: batch normalisation in one go]
}
