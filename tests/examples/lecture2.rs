//! Lecture 2, an MLP, in plain `tch`: the steps of the notebook in its order, with its names.
//!
//! cargo run --release --example lecture2 [STEPS]

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
    // Four times: the sizes that the notebook prints are those after its cell had run four times.
    for _ in 0..4 {
        let mut random = Mt::new_with_key([42]);
        for i in (1..words.len()).rev() {
            // j = randbelow(i + 1): as many bits as i + 1 has, drawn until they are below it
            let draw = || random.next_u32() as usize >> (i as u32 + 1).leading_zeros();
            words.swap(i, std::iter::repeat_with(draw).find(|&j| j <= i).unwrap());
        }
    }
    // n1 = int(0.8*len(words)); n2 = int(0.9*len(words))  [The data]
    let (n1, n2) = (words.len() * 8 / 10, words.len() * 9 / 10);
    let splits = [&words[..n1], &words[n1..n2], &words[n2..]];
    let [(xtr, ytr), (xdev, ydev), _test] = splits.map(build_dataset);

    // g = torch.Generator().manual_seed(2147483647)
    tch::manual_seed(2147483647);
    // C = torch.randn((27, 10), generator=g)
    let c = Tensor::randn([27, 10], FLOAT_CPU).set_requires_grad(true);
    let w1 = Tensor::randn([30, 200], FLOAT_CPU).set_requires_grad(true);
    let b1 = Tensor::randn([200], FLOAT_CPU).set_requires_grad(true);
    let w2 = Tensor::randn([200, 27], FLOAT_CPU).set_requires_grad(true);
    let b2 = Tensor::randn([27], FLOAT_CPU).set_requires_grad(true);
    // parameters = [C, W1, b1, W2, b2]; sum(p.nelement() for p in parameters)
    let mut parameters = [&c, &w1, &b1, &w2, &b2].map(Tensor::shallow_clone);
    println!("{}", parameters.iter().map(Tensor::numel).sum::<usize>());

    let logits_of = |x: &Tensor| {
        // emb = C[X]  [The network]
        let emb = c.index(&[Some(x)]);
        // h = torch.tanh(emb.view(-1, 30) @ W1 + b1)  [The network]
        let h = (emb.view([-1, 30]).matmul(&w1) + &b1).tanh();
        // logits = h @ W2 + b2  [The network]
        h.matmul(&w2) + &b2
    };
    for i in 0..steps {
        // ix = torch.randint(0, Xtr.shape[0], (32,)), which has no seed there
        let ix = Tensor::randint(xtr.size()[0], [32], INT64_CPU);
        let logits = logits_of(&xtr.index(&[Some(&ix)]));
        // loss = F.cross_entropy(logits, Ytr[ix])  [Training]
        let loss = logits.cross_entropy_for_logits(&ytr.index(&[Some(&ix)]));
        // for p in parameters: p.grad = None
        parameters.iter_mut().for_each(Tensor::zero_grad);
        // loss.backward()  [Training]
        loss.backward();
        // lr = 0.1 if i < 100000 else 0.01
        let lr = if i < 100_000 { 0.1 } else { 0.01 };
        // p.data += -lr * p.grad  [Training]
        no_grad(|| parameters.iter_mut().for_each(|p| *p -= lr * p.grad()));
    }

    // loss = F.cross_entropy(logits, Ydev)
    for (name, x, y) in [("train", &xtr, &ytr), ("dev", &xdev, &ydev)] {
        let loss = no_grad(|| logits_of(x).cross_entropy_for_logits(y));
        println!("{name} {:.4}", loss.double_value(&[]));
    }

    // g = torch.Generator().manual_seed(2147483647 + 10)
    tch::manual_seed(2147483647 + 10);
    for _ in 0..20 {
        let (mut out, mut context) = (String::new(), vec![0; BLOCK_SIZE]);
        while !out.ends_with('.') {
            // probs = F.softmax(logits, dim=1); ix = torch.multinomial(probs, num_samples=1).item()  [Names]
            let x = Tensor::from_slice(&context[out.len()..]).unsqueeze(0);
            let probs = no_grad(|| logits_of(&x)).softmax(1, Kind::Float);
            let ix = probs.multinomial(1, false).int64_value(&[0, 0]);
            // context = context[1:] + [ix]; out.append(ix)
            context.push(ix);
            out.push(b".abcdefghijklmnopqrstuvwxyz"[ix as usize] as char);
        }
        println!("{out}");
    }
}
