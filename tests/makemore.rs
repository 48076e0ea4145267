//! The networks of makemore.py beside makemore.py itself, which has written
//! `fixtures/makemore/` by `scripts/makemore_fixtures.py`.

use std::collections::BTreeMap;
use std::path::Path;

use makemore_tch::checkpoint::Weights;
use makemore_tch::models::kinds::{Bow, Gru, Lookup, Lstm, Mlp, Rnn, Transformer, Wavenet};
use makemore_tch::models::language_model::along;
use makemore_tch::models::{Config, KINDS, LanguageModel, Network, Norm, Positions, Sizes, Tokens};
use makemore_tch::train::adamw::{AdamW, AdamWOptions};
use makemore_tch::train::word_batches::nll;
use makemore_tch::{Vocabulary, Words};
use tch::{Device, Kind, Tensor};

/// Those of `scripts/makemore_fixtures.py`.
const SIZES: Sizes = Sizes {
    block_size: 16,
    n_embd: 16,
    n_embd2: 24,
    n_layer: 2,
    n_head: 4,
    norm: Norm::Layer,
    positions: Positions::Learned,
    hidden_layers: 1,
    batchnorm: false,
};

/// Those of a transformer that is not quite makemore.py's.
const OURS: Sizes = Sizes {
    norm: Norm::Rms,
    positions: Positions::Rotary,
    ..SIZES
};

fn fixture(name: &str) -> BTreeMap<String, Tensor> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/makemore");
    let tensors = Tensor::read_safetensors(folder.join(name).with_extension("safetensors"));
    tensors.unwrap().into_iter().collect()
}

/// That of the lecture's names. libtorch computes with one thread, as tests run on all processors already.
fn vocabulary() -> Vocabulary {
    tch::set_num_threads(1);
    Vocabulary::of(&Words::lecture('.').unwrap()).unwrap()
}

/// The words of every batch, by their indices.
fn batches() -> Vec<Vec<Vec<usize>>> {
    let ys = fixture("batches")["y"].to_kind(Kind::Int64);
    let steps = ys.size()[0];
    let word = |row: Tensor| -> Vec<usize> {
        let row: Vec<i64> = Vec::try_from(row).unwrap();
        let word = row.into_iter().take_while(|&index| index != 0);
        word.map(|index| index as usize).collect()
    };
    let batch = |step| ys.get(step).unbind(0).into_iter().map(word).collect();
    (0..steps).map(batch).collect()
}

fn tokens(words: &[Vec<usize>]) -> Tokens {
    let words: Vec<&[usize]> = words.iter().map(Vec::as_slice).collect();
    Tokens::of_words(&words, Device::Cpu)
}

/// Trains as makemore.py did, and compares every loss, and the logits at the end.
fn follows_makemore(name: &str, config: Config) {
    let mut tensors = fixture(name);
    let losses: Vec<f32> = Vec::try_from(tensors.remove("losses").unwrap()).unwrap();
    let logits = tensors.remove("output").unwrap(); // [B, T, V]
    let network = Network::of(vocabulary(), config, &tensors, Device::Cpu).unwrap();
    let parameters = network.parameters().into_iter().map(|(_, tensor)| tensor);
    let mut optimizer = AdamW::new(parameters.collect(), AdamWOptions::default()).unwrap();
    let batches = batches();
    assert_eq!(batches.len(), losses.len());
    for (step, (words, theirs)) in batches.iter().zip(losses).enumerate() {
        let loss = nll(&network, &tokens(words)).unwrap();
        let ours = loss.double_value(&[]);
        let off = (ours - f64::from(theirs)).abs();
        assert!(off < 1e-5, "{name}, step {step}: {ours} and {theirs}");
        optimizer.step(&loss, 5e-4).unwrap();
    }
    let tokens = &tokens(&batches[0]);
    let ours = tch::no_grad(|| network.logits(tokens)).unwrap(); // [N, V]
    let cropped = logits.narrow(1, 0, tokens.length);
    let theirs = tokens.grid(16).unwrap().tokens(&cropped).unwrap();
    let off = (ours - theirs).abs().max().double_value(&[]);
    assert!(off < 1e-4, "{name}: logits differ by {off}");
}

#[test]
fn the_lookup_trains_as_makemores_bigram_does() {
    follows_makemore("bigram", Config::new(&Lookup, SIZES));
}

#[test]
fn the_mlp_trains_as_makemore_does() {
    follows_makemore("mlp", Config::new(&Mlp, SIZES));
}

#[test]
fn the_bag_of_words_trains_as_makemore_does() {
    follows_makemore("bow", Config::new(&Bow, SIZES));
}

#[test]
fn the_rnn_trains_as_makemore_does() {
    follows_makemore("rnn", Config::new(&Rnn, SIZES));
}

#[test]
fn the_gru_trains_as_makemore_does() {
    follows_makemore("gru", Config::new(&Gru, SIZES));
}

#[test]
fn the_transformer_trains_as_makemore_does() {
    follows_makemore("transformer", Config::new(&Transformer, SIZES));
}

/// Those of an MLP with batch normalisation.
const NORMALISED: Sizes = Sizes {
    batchnorm: true,
    ..SIZES
};

/// Those of MLPs of several hidden layers, without batch normalisation and with it.
const DEEP: [Sizes; 2] = [
    Sizes {
        hidden_layers: 2,
        ..SIZES
    },
    Sizes {
        hidden_layers: 3,
        ..NORMALISED
    },
];

fn every_kind() -> impl Iterator<Item = Config> {
    let kinds = KINDS.iter().map(|&kind| Config::new(kind, SIZES));
    kinds.chain([
        Config::new(&Transformer, OURS),
        Config::new(&Mlp, NORMALISED),
        Config::new(&Mlp, DEEP[0]),
        Config::new(&Mlp, DEEP[1]),
    ])
}

/// Those that learn statistics of batches.
fn with_buffers() -> impl Iterator<Item = Config> {
    every_kind().filter(Config::has_batchnorm)
}

#[test]
fn a_seed_makes_the_same_network_and_another_seed_another() {
    for config in every_kind() {
        let make = |seed| Network::new(vocabulary(), config, seed, Device::Cpu).unwrap();
        let (one, same, other) = (make(1), make(1), make(2));
        assert_eq!(one.parameters(), same.parameters());
        // A table of zeros has nothing that is drawn.
        if config != Config::new(&Lookup, SIZES) {
            assert_ne!(one.parameters(), other.parameters());
        }
        let given = one.state_dict().into_iter().collect();
        let again = Network::of(vocabulary(), config, &given, Device::Cpu).unwrap();
        assert_eq!(again.state_dict(), one.state_dict());
    }
}

/// A word in a batch of longer ones has the probabilities that it has alone, and those that its
/// contexts have one by one.
#[test]
fn words_do_not_see_their_neighbours_nor_what_comes() {
    let words: [&[usize]; 4] = [&[5, 13, 13, 1], &[1], &[], &[3; 15]];
    for config in every_kind() {
        let network = Network::new(vocabulary(), config, 3, Device::Cpu).unwrap();
        let together = network.probabilities(&words).unwrap();
        let alone = words
            .iter()
            .flat_map(|word| network.probabilities(&[word]).unwrap());
        let mut contexts = Vec::new();
        let mut next = Vec::new();
        for word in words {
            for place in 0..=word.len() {
                contexts.resize(contexts.len() + 16 - place, 0);
                contexts.extend(word[..place].iter().map(|&index| index as i64));
                next.push(word.get(place).copied().unwrap_or(0));
            }
        }
        let contexts = Tensor::from_slice(&contexts).view([-1, 16]);
        let rows = network.distributions(&contexts).unwrap();
        let by_contexts = next
            .iter()
            .zip(0..)
            .map(|(&index, row)| rows.double_value(&[row, index as i64]) as f32);
        for ((one, other), third) in together.iter().zip(alone).zip(by_contexts) {
            assert!((one - other).abs() < 1e-5, "{config:?}: {one} {other}");
            assert!((one - third).abs() < 1e-5, "{config:?}: {one} {third}");
        }
    }
}

/// Words of more than 64 tokens have terms that are looked up in several tables; of the last one, a block
/// may have a part.
#[test]
fn an_mlp_reads_long_words_at_once_as_it_reads_them_character_by_character() {
    for block_size in [1, 3, 64, 100, 300] {
        let sizes = Sizes {
            block_size,
            n_embd: 3,
            n_embd2: 5,
            ..Sizes::default()
        };
        let config = Config::new(&Mlp, sizes);
        let network = Network::new(vocabulary(), config, 3, Device::Cpu).unwrap();
        let words = [130, 299, 0, 63, 64, 3, 299, 200].map(|length| {
            let letters = (length..2 * length).map(|place| 1 + place * place % 23);
            letters.collect::<Vec<usize>>()
        });
        let words = words.each_ref().map(Vec::as_slice);
        let mut together = network.probabilities(&words).unwrap().into_iter();
        for word in words {
            let rows = along(&network, word).unwrap();
            let next = word.iter().chain([&0]);
            for (row, &index) in rows.chunks_exact(27).zip(next) {
                let (one, other) = (together.next().unwrap(), row[index]);
                assert!(
                    (one / other - 1.0).abs() < 1e-4,
                    "{block_size}: {one} {other}"
                );
            }
        }
    }
}

/// Lecture 2's network is makemore.py's MLP of three characters, except that it has the start token where
/// makemore.py has a blank, and the first character first. Once words could have two letters at most.
#[test]
fn an_mlp_of_three_characters_is_that_of_lecture_2() {
    let sizes = Sizes {
        block_size: 3,
        n_embd: 10,
        n_embd2: 200,
        ..Sizes::default()
    };
    let config = Config::new(&Mlp, sizes);
    let network = Network::new(vocabulary(), config, 3, Device::Cpu).unwrap();
    let mut tensors: BTreeMap<String, Tensor> = network.state_dict().into_iter().collect();
    let c = tensors["wte.weight"].detach().narrow(0, 0, 27);
    tensors.insert(
        "wte.weight".to_owned(),
        Tensor::cat(&[&c, &c.narrow(0, 0, 1)], 0),
    );
    let network = Network::of(vocabulary(), config, &tensors, Device::Cpu).unwrap();

    let words = &batches()[0];
    // for w in words:
    //   context = [0] * block_size
    //   for ch in w + '.':
    //     X.append(context)
    //     Y.append(ix)
    //     context = context[1:] + [ix]
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    for word in words {
        let mut context = [0; 3];
        for &ix in word.iter().chain([&0]) {
            xs.extend(context);
            ys.push(ix as i64);
            context = [context[1], context[2], ix as i64];
        }
    }
    let tokens = tokens(words);
    assert!(tokens.length > 3);
    assert_eq!(Vec::<i64>::try_from(tokens.targets().unwrap()).unwrap(), ys);
    let w1 = tensors["mlp.0.weight"]
        .view([200, 3, 10])
        .flip([1])
        .view([200, 30]);
    // emb = C[X]
    let emb = Tensor::embedding(&c, &Tensor::from_slice(&xs).view([-1, 3]), -1, false, false);
    // h = torch.tanh(emb.view(-1, 30) @ W1 + b1)
    let h = (emb.view([-1, 30]).matmul(&w1.tr()) + &tensors["mlp.0.bias"]).tanh();
    // logits = h @ W2 + b2
    let logits = h.matmul(&tensors["mlp.2.weight"].tr()) + &tensors["mlp.2.bias"];
    let off = (network.logits(&tokens).unwrap() - logits).abs().max();
    assert!(off.double_value(&[]) < 1e-5, "{off:?}");
}

/// The logits of an MLP of several hidden layers, as lecture 3 writes its layers down one by one, but for
/// batches, which are normalised as PyTorch does it.
fn layer_by_layer(
    tensors: &BTreeMap<String, Tensor>,
    sizes: &Sizes,
    contexts: &Tensor,
    is_training: bool,
) -> Tensor {
    let of = |layer: usize, name: &str| &tensors[&format!("mlp.{layer}.{name}")];
    // x = emb.view(emb.shape[0], -1)
    let emb = Tensor::embedding(&tensors["wte.weight"], contexts, -1, false, false);
    let mut x = emb.flatten(1, -1);
    let mut layer = 0;
    for _ in 0..sizes.hidden_layers {
        x = x.matmul(&of(layer, "weight").tr());
        if sizes.batchnorm {
            layer += 1;
            let (xmean, xvar) = match is_training {
                true => (
                    x.mean_dim(0, false, Kind::Float),
                    x.var_dim(0, false, false),
                ),
                false => (
                    of(layer, "running_mean").copy(),
                    of(layer, "running_var").copy(),
                ),
            };
            // xhat = (x - xmean) / torch.sqrt(xvar + self.eps)
            // self.out = self.gamma * xhat + self.beta
            let xhat = (x - xmean) / (xvar + 1e-5).sqrt();
            x = of(layer, "weight") * xhat + of(layer, "bias");
        } else {
            x += of(layer, "bias");
        }
        x = x.tanh();
        layer += 2;
    }
    x.matmul(&of(layer, "weight").tr()) + of(layer, "bias")
}

#[test]
fn an_mlp_of_several_hidden_layers_is_a_stack_of_layers_as_in_lecture_3() {
    let words = &batches()[0];
    // From the nearest character on; 27 is makemore.py's blank.
    let mut contexts = Vec::new();
    for word in words {
        let mut context = [27; 3];
        for &ix in [0].iter().chain(word) {
            context = [ix as i64, context[0], context[1]];
            contexts.extend(context);
        }
    }
    let contexts = Tensor::from_slice(&contexts).view([-1, 3]);
    let both = [false, true];
    let kinds = [1, 2, 3, 5]
        .into_iter()
        .flat_map(|layers| both.map(|batchnorm| (layers, batchnorm)));
    for (hidden_layers, batchnorm) in kinds {
        let sizes = Sizes {
            block_size: 3,
            n_embd: 10,
            n_embd2: 100,
            hidden_layers,
            batchnorm,
            ..SIZES
        };
        let config = Config::new(&Mlp, sizes);
        let network = Network::new(vocabulary(), config, 3, Device::Cpu).unwrap();
        if (hidden_layers, batchnorm) == (5, true) {
            // The lecture's 47,024, with a blank character and a bias of the logits, but without their
            // normalisation.
            assert_eq!(network.parameter_count(), 47_024 + 10 + 27 - 2 * 27);
        }
        let mut tensors: BTreeMap<String, Tensor> = network.state_dict().into_iter().collect();
        for tensor in tensors.values_mut().filter(|tensor| tensor.dim() == 1) {
            // Gains, means and variances are 1 or 0 at first.
            let places = Tensor::arange(tensor.size()[0], (Kind::Float, Device::Cpu));
            *tensor = (places * 0.7).sin().abs() + 0.5;
        }
        let network = Network::of(vocabulary(), config, &tensors, Device::Cpu).unwrap();
        for is_training in both {
            let tokens = match is_training {
                true => tokens(words).for_training(None),
                false => tokens(words),
            };
            let theirs = layer_by_layer(&tensors, &sizes, &contexts, is_training);
            let off = (network.logits(&tokens).unwrap() - theirs).abs().max();
            assert!(
                off.double_value(&[]) < 1e-5,
                "{sizes:?}, {is_training}: {off:?}"
            );
        }
    }
}

/// A word that is longer than the block has probabilities all the same: the network sees its last
/// characters.
#[test]
fn a_word_longer_than_the_block_has_probabilities() {
    for config in every_kind() {
        let network = Network::new(vocabulary(), config, 3, Device::Cpu).unwrap();
        let p = network.probabilities(&[&[1; 40]]).unwrap();
        assert_eq!(p.len(), 41);
        assert!(p.iter().all(|p| (0.0..1.0).contains(p)));
        assert!((p[30] - p[31]).abs() < 1e-6);
    }
}

/// So long a word is computed in pieces, of which none is seen in the probabilities.
#[test]
fn a_very_long_word_has_the_probabilities_of_its_parts() {
    let sizes = Sizes {
        block_size: 4,
        n_embd: 2,
        n_embd2: 2,
        ..Sizes::default()
    };
    let config = Config::new(&Wavenet, sizes);
    let network = Network::new(vocabulary(), config, 3, Device::Cpu).unwrap();
    // The period has nothing in common with the length of a piece.
    let long: Vec<usize> = (0..200_003).map(|place| 1 + place * place % 23).collect();
    let p = network.probabilities(&[&long]).unwrap();
    assert_eq!(p.len(), long.len() + 1);
    let part = &long[..46];
    let of_part = network.probabilities(&[part]).unwrap();
    for (place, p) in p.iter().enumerate().take(long.len()).skip(4) {
        let expected = of_part[4 + (place - 4) % 23];
        assert!((p - expected).abs() < 1e-5, "{place}: {p} {expected}");
    }
}

#[test]
fn a_running_variance_below_0_is_refused() {
    let config = with_buffers().next().unwrap();
    let network = Network::new(vocabulary(), config, 3, Device::Cpu).unwrap();
    let mut tensors: BTreeMap<String, Tensor> = network.state_dict().into_iter().collect();
    for (name, tensor) in &mut tensors {
        if name.ends_with("running_var") {
            *tensor = tensor.full_like(-1e-6);
        }
    }
    let made = Network::of(vocabulary(), config, &tensors, Device::Cpu);
    let refusal = made.unwrap_err().to_string();
    assert!(refusal.contains("below 0 in"), "{refusal}");
}

#[test]
fn parameters_of_another_network_are_refused_by_name() {
    let refusal = |change: &dyn Fn(&mut BTreeMap<String, Tensor>)| {
        let network = Network::new(vocabulary(), Config::new(&Gru, SIZES), 3, Device::Cpu).unwrap();
        let mut parameters = network.parameters().into_iter().collect();
        change(&mut parameters);
        let made = Network::of(
            vocabulary(),
            Config::new(&Gru, SIZES),
            &parameters,
            Device::Cpu,
        );
        made.unwrap_err().to_string()
    };
    let missing = refusal(&|parameters| drop(parameters.remove("cell.xh_to_z.bias")));
    assert!(
        missing.contains("without \"cell.xh_to_z.bias\""),
        "{missing}"
    );
    let more = refusal(&|parameters| {
        parameters.insert(
            "W".to_owned(),
            Tensor::zeros([1], (Kind::Float, Device::Cpu)),
        );
    });
    assert!(more.contains("one with \"W\""), "{more}");
    let shape = refusal(&|parameters| {
        let turned = parameters["wte.weight"].tr();
        parameters.insert("wte.weight".to_owned(), turned);
    });
    assert!(
        shape.contains("\"wte.weight\", of shape [16, 27]"),
        "{shape}"
    );
    for config in with_buffers() {
        let network = Network::new(vocabulary(), config, 3, Device::Cpu).unwrap();
        let parameters = network.parameters().into_iter().collect();
        let made = Network::of(vocabulary(), config, &parameters, Device::Cpu);
        let without = made.unwrap_err().to_string();
        let (name, _) = &network.buffers()[0];
        assert!(without.contains(&format!("without {name:?}")), "{without}");
    }
}

/// What was learned of batches is used where there is none, and only training changes it.
#[test]
fn running_statistics_are_learned_in_training_alone() {
    let words: [&[usize]; 3] = [&[5, 13, 13, 1], &[15, 12, 9, 22, 9, 1], &[]];
    // A batch is normalised by its biased variance, and what runs is the unbiased one: of many rows
    // they are nearly the same.
    let words = words.repeat(100);
    for config in with_buffers() {
        let network = Network::new(vocabulary(), config, 3, Device::Cpu).unwrap();
        let running = || -> Vec<Tensor> {
            let buffers = network.buffers().into_iter();
            buffers.map(|(_, buffer)| buffer.copy()).collect()
        };
        let batch = || Tokens::of_words(&words, Device::Cpu);
        let new = running();
        let loss = nll(&network, &batch()).unwrap().double_value(&[]);
        network.probabilities(&words).unwrap();
        let _ = network.reader().unwrap().read(&words[2..], None).unwrap();
        assert_eq!(running(), new, "{config:?}");
        let trained = |_| {
            nll(&network, &batch().for_training(None))
                .unwrap()
                .double_value(&[])
        };
        let losses: Vec<f64> = (0..100).map(trained).collect();
        assert_ne!(running(), new, "{config:?}");
        // A batch is normalised by itself, and what runs comes to its statistics.
        assert!(losses.iter().all(|loss| *loss == losses[0]));
        assert!((losses[0] - loss).abs() > 1e-3, "{config:?}");
        let learned = nll(&network, &batch()).unwrap().double_value(&[]);
        assert!((losses[0] - learned).abs() < 1e-3, "{config:?}: {learned}");
        // One token alone has no variance.
        let alone = Tokens::of(&[&[0]], Device::Cpu);
        let logits = network.logits(&alone.for_training(None)).unwrap();
        assert!(bool::try_from(logits.isfinite().all()).unwrap());
    }
}

/// Lecture 5 prints as many for its network of 8 characters, 24 and 128.
#[test]
fn the_wavenet_is_as_large_as_the_lectures() {
    let sizes = Sizes {
        block_size: 8,
        n_embd: 24,
        n_embd2: 128,
        ..SIZES
    };
    let network = Network::new(vocabulary(), Config::new(&Wavenet, sizes), 1, Device::Cpu).unwrap();
    let parameters = network.parameters();
    let numbers: usize = parameters.iter().map(|(_, tensor)| tensor.numel()).sum();
    assert_eq!(numbers, 76_579);
    let names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names[..3],
        ["layers.0.weight", "layers.2.weight", "layers.3.weight"]
    );
    assert_eq!(
        names[names.len() - 2..],
        ["layers.13.weight", "layers.13.bias"]
    );
    assert_eq!(network.buffers().len(), 6);
}

#[test]
fn sizes_out_of_range_are_refused() {
    let refusal = |config| {
        Network::new(vocabulary(), config, 1, Device::Cpu)
            .unwrap_err()
            .to_string()
    };
    let sizes = |change: fn(&mut Sizes)| {
        let mut sizes = SIZES;
        change(&mut sizes);
        sizes
    };
    let none = refusal(Config::new(&Rnn, sizes(|sizes| sizes.n_embd2 = 0)));
    assert!(none.contains("n_embd2 is 0, not from 1"), "{none}");
    let huge = refusal(Config::new(&Mlp, sizes(|sizes| sizes.n_embd = usize::MAX)));
    assert!(huge.contains("n_embd is 1844"), "{huge}");
    let heads = refusal(Config::new(&Transformer, sizes(|sizes| sizes.n_head = 3)));
    assert!(heads.contains("16, for 3 heads"), "{heads}");
    let joined = refusal(Config::new(&Wavenet, sizes(|sizes| sizes.block_size = 48)));
    assert!(joined.contains("the block size is 48"), "{joined}");
}

/// As `Tokens` are what every kind reads, the mean loss is that of all tokens.
#[test]
fn the_loss_is_the_mean_of_the_words_characters() {
    let network = Network::new(vocabulary(), Config::new(&Lstm, SIZES), 3, Device::Cpu).unwrap();
    let words: [&[usize]; 2] = [&[5, 13, 13, 1], &[26]];
    let loss = nll(&network, &Tokens::of_words(&words, Device::Cpu)).unwrap();
    let p = network.probabilities(&words).unwrap();
    let mean = p.iter().map(|p| -f64::from(*p).ln()).sum::<f64>() / p.len() as f64;
    assert!((loss.double_value(&[]) - mean).abs() < 1e-5);
    let tokens = &Tokens::of_words(&words, Device::Cpu);
    assert_eq!((tokens.words, tokens.length), (2, 5));
}

/// Files of weights alone, as makemore.py's are saved, with the buffers of its modules.
#[test]
fn weights_of_makemore_are_networks() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["bigram", "mlp", "bow", "rnn", "gru", "transformer"] {
        let mut tensors = fixture(name);
        let losses = tensors.remove("losses").unwrap();
        tensors.remove("output");
        let mask = Tensor::ones([1, 16, 16], (Kind::Float, Device::Cpu));
        if name == "bow" {
            tensors.insert("context_block.cbow.bias".to_owned(), mask);
        }
        let file = folder.path().join(name);
        let named: Vec<(&str, Tensor)> = tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor.shallow_clone()))
            .collect();
        Tensor::write_safetensors(&named, &file).unwrap();
        let weights = Weights::load(&file).unwrap().unwrap();
        let kind = if name == "bigram" { "lookup" } else { name };
        assert_eq!(weights.kind().unwrap().name(), kind);
        let network = weights.network(vocabulary(), 15, 4, Device::Cpu).unwrap();
        let loss = nll(&network, &tokens(&batches()[0])).unwrap();
        let off = loss.double_value(&[]) - losses.double_value(&[0]);
        assert!(off.abs() < 1e-5, "{name}: {off}");

        let other = Vocabulary::new('.', "abc".chars()).unwrap();
        let error = weights.network(other, 15, 4, Device::Cpu).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("weights for 27 characters"), "{error}");
    }
    let stray = folder.path().join("stray");
    let one = Tensor::ones([2], (Kind::Float, Device::Cpu));
    Tensor::write_safetensors(&[("x", one)], &stray).unwrap();
    assert!(Weights::load(&stray).unwrap().is_none());
    std::fs::write(&stray, "emma\nolivia\n").unwrap();
    assert!(Weights::load(&stray).unwrap().is_none());
}

/// The number of hidden layers and whether they are normalised follow from the names that PyTorch gives.
#[test]
fn weights_of_mlps_of_any_depth_are_networks() {
    let folder = tempfile::tempdir().unwrap();
    for (hidden_layers, batchnorm) in [(1, true), (2, false), (3, true), (4, false)] {
        let sizes = Sizes {
            hidden_layers,
            batchnorm,
            ..Sizes::default()
        };
        let config = Config::new(&Mlp, sizes);
        let network = Network::new(vocabulary(), config, 3, Device::Cpu).unwrap();
        let mut tensors = network.state_dict();
        if batchnorm {
            let batches = Tensor::from(7_i64);
            tensors.push(("mlp.1.num_batches_tracked".to_owned(), batches));
        }
        let file = folder.path().join("mlp");
        Tensor::write_safetensors(&tensors, &file).unwrap();
        let weights = Weights::load(&file).unwrap().unwrap();
        let read = weights.network(vocabulary(), 15, 4, Device::Cpu).unwrap();
        assert_eq!(read.config(), config);
        assert_eq!(read.state_dict(), network.state_dict());
    }
}
