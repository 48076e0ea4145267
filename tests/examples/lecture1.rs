//! Lecture 1, bigrams, in plain `tch`: the steps of the notes in their order, with their names.
//!
//! cargo run --release --example lecture1 [EPOCHS]

use std::collections::HashMap;
use tch::{Device, Kind, Tensor, no_grad};

fn main() {
    // Each thread adds a part of a sum: with two the last digits are mostly those of the notes.
    tch::set_num_threads(2);
    let epochs = std::env::args().nth(1);
    let epochs = epochs.map_or(301, |number| number.parse().expect("a number"));

    // words = open("names.txt", "r").read().splitlines()  [The data]
    let words = Vec::from_iter(include_str!("../../assets/names.txt").lines());
    // stoi = {s: i+1 for i, s in enumerate(chars)}; stoi["."] = 0  [The vocabulary]
    let itos: Vec<char> = ".abcdefghijklmnopqrstuvwxyz".chars().collect();
    let stoi: HashMap<char, i64> = itos.iter().copied().zip(0..).collect();

    // chs = list("." + word + "."); zip(chs, chs[1:])
    let bigrams = |word: &str| -> Vec<(i64, i64)> {
        let chs: Vec<i64> = format!(".{word}.").chars().map(|ch| stoi[&ch]).collect();
        chs.windows(2).map(|pair| (pair[0], pair[1])).collect()
    };
    let show = |(i, j): (i64, i64)| format!("{}{}", itos[i as usize], itos[j as usize]);

    let all: Vec<(i64, i64)> = words.iter().flat_map(|word| bigrams(word)).collect();
    let mut counter = HashMap::new();
    // counter[bigram] += 1  [The most common bigrams]  [The notebook's data]
    for bigram in &all {
        *counter.entry(*bigram).or_insert(0) += 1;
    }
    let mut most_common: Vec<_> = counter.clone().into_iter().collect();
    most_common.sort_by_key(|&(_, frequency)| -frequency);
    for (bigram, frequency) in &most_common[..5] {
        println!("Frequency of {}: {frequency}", show(*bigram));
    }
    // N = torch.zeros((27, 27), dtype=torch.int32); N[idx1, idx2] = freq
    let n = Tensor::zeros([27, 27], (Kind::Int, Device::Cpu));
    for ((idx1, idx2), freq) in counter {
        let _ = n.get(idx1).get(idx2).fill_(freq);
    }
    // P = (N + 1).float(); P /= P.sum(1, keepdims=True)  [Probabilities and likelihood]
    let p = (n + 1).to_kind(Kind::Float);
    let p = &p / p.sum_dim_intlist(1, true, Kind::Float);

    // likelihood *= P[idx1, idx2]
    let prob = |(idx1, idx2)| p.double_value(&[idx1, idx2]) as f32;
    let calc_likelihood = |word: &str| bigrams(word).into_iter().map(prob).product::<f32>();
    for bigram in bigrams("good") {
        println!("probability for {}: {:.4}", show(bigram), prob(bigram));
    }
    println!("Likelihood for good is: {:.4e}", calc_likelihood("good"));
    // ix = torch.multinomial(p, num_samples=1, replacement=True, generator=g).item(), before PyTorch 2.0
    let multinomial = |p: Tensor| {
        let u = Tensor::rand([1], (Kind::Double, Device::Cpu));
        let below = p.cumsum(-1, Kind::Float).lt_tensor(&u);
        below.sum(Kind::Int64).int64_value(&[])
    };
    let generate = |p_of: &dyn Fn(i64) -> Tensor| {
        tch::manual_seed(420);
        let mut generated_words = [""; 5].map(|_| {
            // out.append(itos[ix])  [Names from the counts]  [The notebook's names from the counts]
            let draw = |ix: i64| Some(multinomial(p_of(ix))).filter(|&ix| ix != 0);
            let ixs = std::iter::successors(draw(0), |&ix| draw(ix));
            ixs.map(|ix| itos[ix as usize]).collect::<String>()
        });
        generated_words.sort_by(|a, b| calc_likelihood(b).total_cmp(&calc_likelihood(a)));
        for word in generated_words {
            println!("Likelihood for {word}: {:?}", calc_likelihood(&word) as f64);
        }
    };
    generate(&|ix| p.get(ix));
    // log_likelihood += torch.log(prob)
    let log_probs: Vec<f32> = p.log().view(-1).try_into().expect("27 * 27 numbers");
    let log_p = |(idx1, idx2)| log_probs[(27 * idx1 + idx2) as usize];
    // nlls = [calc_nll(w) for w in words]; sum(nlls)/sum(ns)  [Average negative log-likelihood]
    let calc_nll = |w: &&str| -bigrams(w).into_iter().map(log_p).sum::<f32>();
    let average = words.iter().map(calc_nll).sum::<f32>() / all.len() as f32;
    println!("Average negative log-likelihood: {average:.6}");

    // xs.append(idx1); ys.append(idx2)
    let (xs, ys): (Vec<i64>, Vec<i64>) = all.into_iter().unzip();
    let (xs, ys) = (Tensor::from_slice(&xs), Tensor::from_slice(&ys));
    // xenc = F.one_hot(xs, num_classes=27).float()
    let one_hot = |xs: &Tensor| xs.one_hot(27).to_kind(Kind::Float);
    let xenc = one_hot(&xs);
    // W = torch.randn((27, 27), generator=g, requires_grad=True)
    tch::manual_seed(420);
    let mut w = Tensor::randn([27, 27], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let probs = |xenc: &Tensor, w: &Tensor| {
        // logits = xenc @ W; counts = logits.exp()  [Inputs and outputs of the network]
        let counts = xenc.matmul(w).exp();
        &counts / counts.sum_dim_intlist(1, true, Kind::Float)
    };
    let loss_of = |w: &Tensor| {
        // loss = -probs[torch.arange(len(xs)), ys].log().mean()  [Training]
        let of_targets = probs(&xenc, w).gather(1, &ys.unsqueeze(1), false);
        -of_targets.log().mean(Kind::Float)
    };
    println!("Overall loss: {}", loss_of(&w).double_value(&[]));
    // One step with lr = 0.1, then 301 with lr = 50
    for i in -1..epochs {
        let loss = loss_of(&w);
        if i >= 0 && i % 50 == 0 {
            println!("Epochs: {i}, loss: {}", loss.double_value(&[]));
        }
        // W.grad = None; loss.backward(); W.data += -lr * W.grad  [One step of gradient descent]
        w.zero_grad();
        loss.backward();
        no_grad(|| w -= if i < 0 { 0.1 } else { 50.0 } * w.grad());
    }
    // loss + 0.01 * (W ** 2).mean()  [Regularization]
    let loss = loss_of(&w) + w.square().mean(Kind::Float) * 0.01;
    println!("{:.4}", loss.double_value(&[]));
    // F.one_hot(torch.tensor([idx]))  [Names from the network]  [The notebook's names from the network]
    let p_of = |ix| probs(&one_hot(&Tensor::from_slice(&[ix])), &w);
    // The words, as from the counts  [Names from the network]
    no_grad(|| generate(&p_of));
}
