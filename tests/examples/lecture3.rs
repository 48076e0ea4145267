//! Lecture 3, batch normalisation, in plain `tch`: the steps of the notebook in its order, with its names.
//!
//! cargo run --release --example lecture3 [STEPS]

use rand_mt::Mt;
use tch::kind::{FLOAT_CPU, INT64_CPU};
use tch::{Kind, Tensor, no_grad};

const BLOCK_SIZE: usize = 3;

/// def build_dataset(words):
fn build_dataset(words: &[&str]) -> (Tensor, Tensor) {
    let (mut x, mut y) = (Vec::<i64>::new(), vec![]);
    for w in words {
        // context = [0] * block_size; for ch in w + '.': ix = stoi[ch]
        let mut context = vec![0; BLOCK_SIZE];
        for ix in w.bytes().map(|ch| (ch - b'a' + 1) as i64).chain([0]) {
            // X.append(context); Y.append(ix); context = context[1:] + [ix]
            x.extend(&context[context.len() - BLOCK_SIZE..]);
            y.push(ix);
            context.push(ix);
        }
    }
    let x = Tensor::from_slice(&x).view([-1, BLOCK_SIZE as i64]);
    println!("{:?} [{}]", x.size(), y.len());
    (x, Tensor::from_slice(&y))
}

fn main() {
    tch::set_num_threads(1);
    let steps = std::env::args().nth(1);
    let steps = steps.map_or(200_000, |steps| steps.parse().expect("a number"));
    // random.seed(42); random.shuffle(words)
    let mut words: Vec<&str> = include_str!("../../assets/names.txt").lines().collect();
    let mut random = Mt::new_with_key([42]);
    for i in (1..words.len()).rev() {
        // j = randbelow(i + 1): as many bits as i + 1 has, drawn until they are below it
        let draw = || random.next_u32() as usize >> (i as u32 + 1).leading_zeros();
        words.swap(i, std::iter::repeat_with(draw).find(|&j| j <= i).unwrap());
    }
    // n1 = int(0.8*len(words)); n2 = int(0.9*len(words))  [The data]
    let (n1, n2) = (words.len() * 8 / 10, words.len() * 9 / 10);
    let splits = [&words[..n1], &words[n1..n2], &words[n2..]];
    let [(xtr, ytr), (xdev, ydev), _test] = splits.map(build_dataset);

    // g = torch.Generator().manual_seed(2147483647)
    tch::manual_seed(2147483647);
    // C = torch.randn((vocab_size, n_embd), generator=g)
    let c = Tensor::randn([27, 10], FLOAT_CPU);
    // W1 = torch.randn((30, n_hidden), generator=g) * (5/3)/((n_embd * block_size)**0.5)
    let w1 = Tensor::randn([30, 200], FLOAT_CPU) * (5.0 / 3.0) / 30_f64.sqrt();
    // W2 = torch.randn((n_hidden, vocab_size), generator=g) * 0.01; b2 = ... * 0
    let w2 = Tensor::randn([200, 27], FLOAT_CPU) * 0.01;
    let b2 = Tensor::randn([27], FLOAT_CPU) * 0.0;
    let bngain = Tensor::ones([1, 200], FLOAT_CPU);
    let bnbias = Tensor::zeros([1, 200], FLOAT_CPU);
    let mut bnmean_running = Tensor::zeros([1, 200], FLOAT_CPU);
    let mut bnstd_running = Tensor::ones([1, 200], FLOAT_CPU);
    // for p in parameters: p.requires_grad = True
    let mut parameters = [&c, &w1, &w2, &b2, &bngain, &bnbias].map(|p| p.set_requires_grad(true));
    println!("{}", parameters.iter().map(Tensor::numel).sum::<usize>());

    // emb = C[Xb]; hpreact = emb.view(emb.shape[0], -1) @ W1
    let hidden = |x: &Tensor| c.index(&[Some(x)]).view([-1, 30]).matmul(&w1);
    let logits_of = |hpreact: &Tensor, bnmean: &Tensor, bnstd: &Tensor| {
        // h = torch.tanh(bngain * (hpreact - bnmeani) / bnstdi + bnbias)
        let h = (&bngain * (hpreact - bnmean) / bnstd + &bnbias).tanh();
        h.matmul(&w2) + &b2
    };
    for i in 0..steps {
        // ix = torch.randint(0, Xtr.shape[0], (batch_size,), generator=g)
        let ix = Tensor::randint(xtr.size()[0], [32], INT64_CPU);
        let hpreact = hidden(&xtr.index(&[Some(&ix)]));
        // bnmeani = hpreact.mean(0, keepdim=True); bnstdi = hpreact.std(0, keepdim=True)  [One hidden layer]
        let bnmeani = hpreact.mean_dim(0, true, Kind::Float);
        let bnstdi = hpreact.std_dim(0, true, true);
        // loss = F.cross_entropy(logits, Yb)
        let logits = logits_of(&hpreact, &bnmeani, &bnstdi);
        let loss = logits.cross_entropy_for_logits(&ytr.index(&[Some(&ix)]));
        // bnmean_running = 0.999 * bnmean_running + 0.001 * bnmeani  [One hidden layer]
        bnmean_running = 0.999 * bnmean_running + 0.001 * bnmeani.detach();
        bnstd_running = 0.999 * bnstd_running + 0.001 * bnstdi.detach();
        // for p in parameters: p.grad = None
        parameters.iter_mut().for_each(Tensor::zero_grad);
        loss.backward();
        // lr = 0.1 if i < 100000 else 0.01; p.data += -lr * p.grad
        let lr = if i < 100_000 { 0.1 } else { 0.01 };
        no_grad(|| parameters.iter_mut().for_each(|p| *p -= lr * p.grad()));
        if i % 10_000 == 0 {
            println!("{i:7}/{steps:7}: {:.4}", loss.double_value(&[]));
        }
    }

    // def split_loss(split):
    for (split, x, y) in [("train", &xtr, &ytr), ("val", &xdev, &ydev)] {
        let logits = no_grad(|| logits_of(&hidden(x), &bnmean_running, &bnstd_running));
        let loss = logits.cross_entropy_for_logits(y);
        println!("{split} {}", loss.double_value(&[]));
    }

    // a = torch.randn((1000,1), requires_grad=True, generator=g)
    tch::manual_seed(2147483647);
    let a = Tensor::randn([1000, 1], FLOAT_CPU).set_requires_grad(true);
    let b = Tensor::randn([1000, 1000], FLOAT_CPU).set_requires_grad(true);
    // c = b @ a; loss = torch.randn(1000, generator=g) @ c; loss.backward()  [A linear layer]
    let c = b.matmul(&a);
    let loss = Tensor::randn([1000], FLOAT_CPU).matmul(&c);
    let grads = Tensor::run_backward(&[&loss], &[&c, &a, &b], false, false);
    for (name, t) in ["a", "b", "c", "c.grad", "a.grad", "b.grad"]
        .iter()
        .zip([&a, &b, &c].into_iter().chain(&grads))
    {
        println!("{name} {}", t.std(true).double_value(&[]));
    }
}
