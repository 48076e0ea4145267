//! Lecture 5, a WaveNet, in plain `tch`: the steps of the notebook in its order, with its names.
//!
//! cargo run --release --example lecture5 [STEPS]

use rand_mt::Mt;
use tch::kind::{FLOAT_CPU, INT64_CPU};
use tch::{Kind, Tensor, no_grad};

const BLOCK_SIZE: usize = 8;

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

/// logits = model(x): x = layer(x), layer after layer
fn model(p: &[Tensor], running: &mut [[Tensor; 2]; 3], x: &Tensor, training: bool) -> Tensor {
    // Embedding: self.out = self.weight[IX]
    let mut x = p[0].index(&[Some(x)]);
    for (p, running) in p[1..].chunks_exact(3).zip(running) {
        // FlattenConsecutive: x = x.view(B, T//self.n, C*self.n); Linear: self.out = x @ self.weight
        let (b, t, c) = x.size3().unwrap();
        x = x.view([b, t / 2, c * 2]).matmul(&p[0]); //  [The network]
        let [mut xmean, mut xvar] = running.each_ref().map(Tensor::shallow_clone);
        if training {
            // BatchNorm1d: xmean = x.mean((0,1), keepdim=True); xvar = x.var((0,1), keepdim=True)
            xmean = x.mean_dim([0, 1].as_slice(), true, Kind::Float);
            xvar = x.var_dim([0, 1].as_slice(), true, true);
            // self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * xmean
            running[0] = 0.9 * &running[0] + 0.1 * xmean.detach();
            running[1] = 0.9 * &running[1] + 0.1 * xvar.detach();
        }
        // xhat = (x - xmean) / torch.sqrt(xvar + self.eps); self.out = self.gamma * xhat + self.beta  [The network]
        let xhat = (x - xmean) / (xvar + 1e-5).sqrt();
        x = (&p[1] * xhat + &p[2]).tanh();
    }
    (x.matmul(&p[10]) + &p[11]).squeeze_dim(1)
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

    tch::manual_seed(42);
    let linear = |fan_in, out| Tensor::randn([fan_in, out], FLOAT_CPU) / (fan_in as f64).sqrt();
    let [zeros, ones] = [0.0, 1.0].map(|number| move || Tensor::full([128], number, FLOAT_CPU));
    let mut layers = vec![Tensor::randn([27, 24], FLOAT_CPU)]; // Embedding(vocab_size, n_embd)
    // FlattenConsecutive(2), Linear(fan_in, n_hidden, bias=False), BatchNorm1d(n_hidden), Tanh
    for fan_in in [48, 256, 256] {
        layers.extend([linear(fan_in, 128), ones(), zeros()]);
    }
    let mut running = [(); 3].map(|()| [zeros(), ones()]);
    // Linear(n_hidden, vocab_size); model.layers[-1].weight *= 0.1
    layers.extend([linear(128, 27) * 0.1, Tensor::zeros([27], FLOAT_CPU)]);
    // for p in parameters: p.requires_grad = True
    let mut p: Vec<_> = layers.iter().map(|p| p.set_requires_grad(true)).collect();
    println!("{}", p.iter().map(Tensor::numel).sum::<usize>());
    for i in 0..steps {
        // ix = torch.randint(0, Xtr.shape[0], (batch_size,)); loss = F.cross_entropy(logits, Yb)
        let ix = [Some(Tensor::randint(xtr.size()[0], [32], INT64_CPU))];
        let logits = model(&p, &mut running, &xtr.index(&ix), true);
        let loss = logits.cross_entropy_for_logits(&ytr.index(&ix)); //  [Training]
        // for p in parameters: p.grad = None; loss.backward(); p.data += -lr * p.grad
        p.iter_mut().for_each(Tensor::zero_grad);
        loss.backward(); //  [Training]
        let lr = if i < 150_000 { 0.1 } else { 0.01 };
        no_grad(|| p.iter_mut().for_each(|p| *p -= lr * p.grad())); //  [Training]

        if i % 10_000 == 0 {
            println!("{i:7}/{steps:7}: {:.4}", loss.double_value(&[]));
        }
    }

    // def split_loss(split), some rows at a time
    let _guard = tch::no_grad_guard();
    for (split, x, y) in [("train", xtr, ytr), ("val", xdev, ydev)] {
        let xs = x.split(10_000, 0).into_iter();
        let logits: Vec<_> = xs.map(|x| model(&p, &mut running, &x, false)).collect();
        let loss = Tensor::cat(&logits, 0).cross_entropy_for_logits(&y);
        println!("{split} {}", loss.double_value(&[]));
    }
    for _ in 0..20 {
        let (mut out, mut context) = (String::new(), vec![0; BLOCK_SIZE]);
        while !out.ends_with('.') {
            // probs = F.softmax(logits, dim=1); ix = torch.multinomial(probs, num_samples=1).item()  [Names]
            let x = Tensor::from_slice(&context[out.len()..]).unsqueeze(0);
            let probs = model(&p, &mut running, &x, false).softmax(1, Kind::Float);
            let ix = probs.multinomial(1, false).int64_value(&[0, 0]);
            context.push(ix);
            out.push(b".abcdefghijklmnopqrstuvwxyz"[ix as usize] as char);
        }
        println!("{out}");
    }
}
