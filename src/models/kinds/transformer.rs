//! A transformer as in GPT-2: each character attends to all before it.
//!
//! It is makemore.py's, except where the config chooses another norm or encoding of positions.
//!
//! Source: makemore.py, `Transformer`; Vaswani et al., *Attention is all you need*, 2017.

use tch::Tensor;

use super::kind::{Advanced, Kind, Layers, PerToken, Preset, Recipe, Shapes};
use super::sizes::{Norm, Positions, Sizes};
use crate::error::{Error, Result};
use crate::models::layers::Linear;
use crate::models::layers::activation::gelu;
use crate::models::layers::attention::attention;
use crate::models::layers::norm::AnyNorm;
use crate::models::layers::rotary::Rotation;
use crate::models::parameters::Parameters;
use crate::models::tokens::{Grid, Seen, Tokens};

/// makemore.py's transformer; with our settings, of other norms and positions.
#[derive(Debug)]
pub struct Transformer;

impl Kind for Transformer {
    fn name(&self) -> &'static str {
        "transformer"
    }

    fn about(&self) -> &'static str {
        "makemore.py's transformer, by our settings with other norms and positions"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["block_size", "n_embd", "n_layer", "n_head"]
    }

    fn default_sizes(&self, longest: usize, preset: Preset) -> Sizes {
        let (norm, positions) = match preset {
            Preset::Ours(_) => (Norm::Rms, Positions::Rotary),
            Preset::Makemore => (Norm::Layer, Positions::Learned),
        };
        Sizes {
            block_size: longest + 1,
            norm,
            positions,
            ..Sizes::default()
        }
    }

    fn check(&self, _v: usize, sizes: &Sizes) -> Result<()> {
        let (factor, heads, multiple) = match sizes.positions {
            Positions::Learned => (1, "heads", "a multiple of the number of heads would work"),
            Positions::Rotary => (
                2,
                "heads that are rotated",
                "a multiple of twice the number of heads would work",
            ),
        };
        match sizes.n_embd.is_multiple_of(factor * sizes.n_head) {
            true => Ok(()),
            false => Err(Error::Value {
                what: "the size of an embedding",
                value: format!("{}, for {} {heads}", sizes.n_embd, sizes.n_head),
                expected: multiple,
            }),
        }
    }

    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>> {
        let c = sizes.n_embd();
        let blocks = 0..sizes.n_layer;
        let wte = parameters.embedding("transformer.wte", v, c)?;
        let (wpe, speeds) = match sizes.positions {
            Positions::Learned => {
                let wpe = parameters.embedding("transformer.wpe", sizes.block_size(), c)?;
                (Some(wpe), None)
            }
            Positions::Rotary => {
                let size = c / sizes.n_head();
                (None, Some(Rotation::speeds(size, wte.device())?))
            }
        };
        Ok(Box::new(TransformerLayers {
            sizes: *sizes,
            wte,
            wpe,
            speeds,
            h: blocks
                .map(|layer| Block::of(parameters, &format!("transformer.h.{layer}"), sizes))
                .collect::<Result<_>>()?,
            ln_f: AnyNorm::of(parameters, "transformer.ln_f", c, sizes.norm)?,
            lm_head: Linear::of(parameters, "lm_head", [c, v], false)?,
        }))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes, longest: usize) -> PerToken {
        PerToken::packed(24 * sizes.n_layer * sizes.n_embd + 2 * longest)
    }

    fn recipe(&self, _sizes: &Sizes) -> Recipe {
        Recipe {
            steps: 4_000,
            power_of_rate: -0.45,
            weight_decay: 0.1,
            dropout: 0.1,
            muon: Some(5.0),
            ..Recipe::default()
        }
    }

    fn hidden_matrices(&self, parameter: &str) -> i64 {
        let of_block = parameter.strip_prefix("transformer.h.");
        match of_block.and_then(|name| name.split_once('.')) {
            // Queries, keys, values.
            Some((_, "attn.c_attn.weight")) => 3,
            Some((_, "attn.c_proj.weight" | "mlp.c_fc.weight" | "mlp.c_proj.weight")) => 1,
            _ => 0,
        }
    }

    fn of_weights(&self, shapes: &Shapes, given: &Sizes) -> Option<(Sizes, usize)> {
        let [v, _] = shapes.matrix("transformer.wte.weight")?;
        let [block_size, n_embd] = shapes.matrix("transformer.wpe.weight")?;
        let of_layer = |layer| format!("transformer.h.{layer}.attn.c_attn.weight");
        let layers = (0..).take_while(|layer| shapes.matrix(&of_layer(*layer)).is_some());
        let sizes = Sizes {
            block_size,
            n_embd,
            n_layer: layers.count().max(1),
            ..*given
        };
        Some((sizes, v))
    }
}

/// `C` is the size of an embedding, `K` the block size.
#[derive(Debug)]
struct TransformerLayers {
    sizes: Sizes,
    /// `[V, C]`.
    wte: Tensor,
    /// `[K, C]`; none with rotary positions.
    wpe: Option<Tensor>,
    /// The speeds of [`Rotation`], moved to the device once; none with learned positions.
    speeds: Option<Tensor>,
    h: Vec<Block>,
    ln_f: AnyNorm,
    /// Linear layer from `C` to `V`, without bias.
    lm_head: Linear,
}

/// A block: attention to the characters so far, then a small network for each character.
#[derive(Debug)]
struct Block {
    ln_1: AnyNorm,
    /// Linear layer from `C` to `3 C`: queries, keys, values.
    c_attn: Linear,
    /// Linear layer from `C` to `C`.
    attn_c_proj: Linear,
    ln_2: AnyNorm,
    /// Linear layer from `C` to `4 C`.
    c_fc: Linear,
    /// Linear layer from `4 C` to `C`.
    mlp_c_proj: Linear,
    n_head: i64,
}

impl TransformerLayers {
    /// Embeddings, `[N, C]`, of characters at positions, `[N]`, or `[1]` for all, i64.
    fn embedding(&self, characters: &Tensor, positions: &Tensor) -> Result<Tensor> {
        let tok_emb = Tensor::f_embedding(&self.wte, characters, -1, false, false)?;
        match &self.wpe {
            Some(wpe) => {
                let pos_emb = Tensor::f_embedding(wpe, positions, -1, false, false)?;
                Ok(tok_emb.f_add(&pos_emb)?)
            }
            None => Ok(tok_emb),
        }
    }

    /// The rotation of queries and keys at some positions; none with learned positions.
    fn rotation(&self, positions: &Tensor) -> Result<Option<Rotation>> {
        let speeds = self.speeds.as_ref();
        speeds
            .map(|speeds| Rotation::of(positions, speeds))
            .transpose()
    }
}

impl Layers for TransformerLayers {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        let rows = tokens.shared_rows(self.sizes.block_size)?;
        let rotation = self.rotation(&rows.positions)?;
        let x = self.embedding(&rows.characters, &rows.positions)?;
        let mut x = tokens.drop_out_of(&rows, x)?; // [R, L, C]
        for block in &self.h {
            x = block.forward(&x, tokens, &rows, rotation.as_ref())?;
        }
        let x = rows.tokens(&self.ln_f.forward(&x)?)?; // [N, C]
        self.lm_head.forward(&x) // [N, V]
    }

    /// The state is the keys and the values of each block, each `[B, T, C]`.
    fn step(
        &self,
        _: &[Tensor],
        state: Option<&[Tensor]>,
        characters: &Tensor,
    ) -> Result<Advanced> {
        let position = state.map_or(0, |state| state[0].size()[1]);
        let position = Tensor::f_full([1], position, (tch::Kind::Int64, characters.device()))?;
        let mut x = self.embedding(characters, &position)?; // [B, C]
        let rotation = self.rotation(&position)?;
        let mut states = Vec::new();
        for (layer, block) in self.h.iter().enumerate() {
            let before = state.map(|state| &state[2 * layer..2 * layer + 2]);
            x = block.step(&x, before, &mut states, rotation.as_ref())?;
        }
        Ok(Advanced {
            logits: self.lm_head.forward(&self.ln_f.forward(&x)?)?,
            state: states,
        })
    }

    fn state_numbers(&self) -> usize {
        2 * self.h.len() * self.sizes.block_size * self.sizes.n_embd
    }
}

impl Block {
    fn of(parameters: &mut Parameters, name: &str, sizes: &Sizes) -> Result<Self> {
        let c = sizes.n_embd();
        Ok(Self {
            ln_1: AnyNorm::of(parameters, &format!("{name}.ln_1"), c, sizes.norm)?,
            c_attn: Linear::of(parameters, &format!("{name}.attn.c_attn"), [c, 3 * c], true)?,
            attn_c_proj: Linear::of(parameters, &format!("{name}.attn.c_proj"), [c, c], true)?,
            ln_2: AnyNorm::of(parameters, &format!("{name}.ln_2"), c, sizes.norm)?,
            c_fc: Linear::of(parameters, &format!("{name}.mlp.c_fc"), [c, 4 * c], true)?,
            mlp_c_proj: Linear::of(parameters, &format!("{name}.mlp.c_proj"), [4 * c, c], true)?,
            n_head: sizes.n_head(),
        })
    }

    /// The forward pass for rows of tokens, `[R, L, C]`.
    fn forward(
        &self,
        x: &Tensor,
        tokens: &Tokens,
        rows: &Grid,
        rotation: Option<&Rotation>,
    ) -> Result<Tensor> {
        let attention = self.attention(&self.ln_1.forward(x)?, &rows.seen, rotation)?;
        let x = x.f_add(&tokens.drop_out_of(rows, attention)?)?;
        Ok(x.f_add(&tokens.drop_out_of(rows, self.mlp(&x)?)?)?)
    }

    fn mlp(&self, x: &Tensor) -> Result<Tensor> {
        let hidden = self.c_fc.forward(&self.ln_2.forward(x)?)?; // [.., 4 C]
        self.mlp_c_proj.forward(&gelu(&hidden)?) // [.., C]
    }

    /// The forward pass for one more character of each word, `[B, C]`. `before` are the keys and values
    /// of the characters before; with the new ones they are appended to `states`.
    fn step(
        &self,
        x: &Tensor,
        before: Option<&[Tensor]>,
        states: &mut Vec<Tensor>,
        rotation: Option<&Rotation>,
    ) -> Result<Tensor> {
        let [b, c] = [0, 1].map(|place| x.size()[place]);
        let qkv = self.qkv(&self.ln_1.forward(x)?, rotation)?; // [B, 3 C]
        let [q, k, v] = [0, 1, 2].map(|part| qkv.f_narrow(1, part * c, c)?.f_unsqueeze(1));
        let joined = |place: usize, own: Tensor| match before {
            Some(before) => Tensor::f_cat(&[&before[place], &own], 1),
            None => own.f_contiguous(),
        };
        let (keys, values) = (joined(0, k?)?, joined(1, v?)?); // [B, T, C]
        let heads = |x: &Tensor| {
            x.f_view([b, -1, self.n_head, c / self.n_head])?
                .f_transpose(1, 2)
        };
        let y = Tensor::f_scaled_dot_product_attention(
            &heads(&q?)?,
            &heads(&keys)?,
            &heads(&values)?,
            None::<&Tensor>,
            0.0,
            false, // No characters come after it.
            None,
            false,
        )?; // [B, heads, 1, C / heads]
        states.extend([keys, values]);
        let y = y.f_transpose(1, 2)?.f_reshape([b, c])?;
        let x = x.f_add(&self.attn_c_proj.forward(&y)?)?;
        Ok(x.f_add(&self.mlp(&x)?)?)
    }

    /// Queries, keys and values, `[.., 3 C]`.
    fn qkv(&self, x: &Tensor, rotation: Option<&Rotation>) -> Result<Tensor> {
        let qkv = self.c_attn.forward(x)?;
        match rotation {
            Some(rotation) => rotation.turn(&qkv, self.n_head),
            None => Ok(qkv),
        }
    }

    fn attention(&self, x: &Tensor, seen: &Seen, rotation: Option<&Rotation>) -> Result<Tensor> {
        let qkv = self.qkv(x, rotation)?; // [R, L, 3 C]
        let y = attention(&qkv, seen, self.n_head)?; // [R, L, C]
        self.attn_c_proj.forward(&y) // [R, L, C]
    }
}
