//! Numbers as text: deflated, in base64.

use std::io::Write;

use base64ct::{Base64, Encoding};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use half::f16;
use safetensors::tensor::Dtype;
use serde::Serialize;

use crate::checkpoint::Stored;
use crate::error::{Error, Result};

/// The precision of weights in a page.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    strum::EnumString,
    strum::EnumMessage,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "kebab-case")]
pub enum Precision {
    /// 32 bits: the page draws the words of the program
    #[default]
    F32,
    /// 16 bits: half the size, and now and then another word
    F16,
    /// 8 bits for matrices of networks, with a scale for each row: a quarter of the size, and other words
    I8,
}

/// Tensors with fewer numbers are never rounded.
const FEW: usize = 64;

/// A tensor in a page.
#[derive(Debug, Serialize)]
pub struct PackedTensor {
    name: String,
    /// `f32`, `f16`, `i8`, `u8`, `u16` or `u32`.
    dtype: &'static str,
    shape: Vec<usize>,
}

/// Tensors, one after the other.
///
/// The bytes of each are in planes, all first bytes of its numbers, then all second ones and so on, which
/// deflates to less. Before the numbers of a tensor of `i8` are the scales of its rows, in f32.
#[derive(Debug)]
pub struct Packed {
    /// The tensors.
    pub tensors: Vec<PackedTensor>,
    /// Their bytes, deflated (zlib), in base64.
    pub base64: String,
}

impl Packed {
    /// Packs tensors by their names.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if a tensor has numbers of another type than models have.
    pub(crate) fn of(
        tensors: impl IntoIterator<Item = (String, Stored)>,
        precision: Precision,
    ) -> Result<Self> {
        let mut all = Vec::new();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        for (name, stored) in tensors {
            let (dtype, bytes) = bytes(&stored, precision)?;
            zlib.write_all(&bytes).map_err(deflating)?;
            all.push(PackedTensor {
                name,
                dtype,
                shape: stored.shape,
            });
        }
        let deflated = zlib.finish().map_err(deflating)?;
        Ok(Self {
            tensors: all,
            base64: Base64::encode_string(&deflated),
        })
    }

    /// A single tensor of bytes.
    pub(crate) fn byte_tensor(name: &str, bytes: Vec<u8>) -> (String, Stored) {
        let stored = Stored {
            dtype: Dtype::U8,
            shape: vec![bytes.len()],
            bytes,
        };
        (name.to_owned(), stored)
    }
}

fn deflating(cause: std::io::Error) -> Error {
    Error::Encode(cause.into())
}

/// The type of a tensor's numbers in a page, and their bytes in planes.
fn bytes(stored: &Stored, precision: Precision) -> Result<(&'static str, Vec<u8>)> {
    let bytes = &stored.bytes;
    Ok(match stored.dtype {
        Dtype::U8 => ("u8", bytes.clone()),
        // Indices of characters and numbers of followers are small in most models.
        Dtype::U16 if bytes.iter().skip(1).step_by(2).all(|&high| high == 0) => {
            ("u8", bytes.iter().copied().step_by(2).collect())
        }
        Dtype::U16 => ("u16", planes(bytes, 2)),
        Dtype::U32 => ("u32", planes(bytes, 4)),
        Dtype::F32 => floats(stored, precision),
        other => {
            return Err(Error::Value {
                what: "the type of a tensor",
                value: other.to_string(),
                expected: "f32, u8, u16 or u32 would work",
            });
        }
    })
}

fn floats(stored: &Stored, precision: Precision) -> (&'static str, Vec<u8>) {
    let (numbers, _) = stored.bytes.as_chunks();
    let numbers: Vec<f32> = numbers
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes))
        .collect();
    let whole = || ("f32", planes(&stored.bytes, 4));
    match precision {
        _ if numbers.len() <= FEW => whole(),
        Precision::F16 => match halves(stored, &numbers) {
            Some(halves) => ("f16", planes(&halves, 2)),
            None => whole(),
        },
        Precision::I8 if stored.shape.len() == 2 => ("i8", scaled(&numbers, stored.shape[1])),
        Precision::F32 | Precision::I8 => whole(),
    }
}

/// Numbers in 16 bits; none if one would overflow or, in a list of probabilities, become 0 or lose its digits.
fn halves(stored: &Stored, numbers: &[f32]) -> Option<Vec<u8>> {
    let is_matrix = stored.shape.len() > 1;
    let mut bytes = Vec::with_capacity(2 * numbers.len());
    for &number in numbers {
        let half = f16::from_f32(number);
        let is_kept = half.is_normal() || number == 0.0 || is_matrix && half.is_finite();
        bytes.extend(is_kept.then(|| half.to_le_bytes())?);
    }
    Some(bytes)
}

/// The scale of each row, and the rows divided by their scales.
fn scaled(numbers: &[f32], columns: usize) -> Vec<u8> {
    let (mut scales, mut rounded) = (Vec::new(), Vec::new());
    for row in numbers.chunks_exact(columns) {
        let largest = row
            .iter()
            .fold(0.0, |largest: f32, number| largest.max(number.abs()));
        let scale = match largest / f32::from(i8::MAX) {
            0.0 => 1.0,
            scale => scale,
        };
        scales.extend(scale.to_le_bytes());
        rounded.extend(
            row.iter()
                .map(|number| (number / scale).round() as i8 as u8),
        );
    }
    let mut bytes = planes(&scales, 4);
    bytes.append(&mut rounded);
    bytes
}

/// The first bytes of all numbers, then the second ones, and so on.
fn planes(bytes: &[u8], size: usize) -> Vec<u8> {
    let plane = |place| bytes.iter().copied().skip(place).step_by(size);
    (0..size).flat_map(plane).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;

    fn floats_of(numbers: &[f32], columns: usize) -> Stored {
        Stored {
            dtype: Dtype::F32,
            shape: vec![numbers.len() / columns, columns],
            bytes: numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect(),
        }
    }

    #[test]
    fn what_is_packed_is_unpacked_by_its_planes() {
        let numbers: Vec<f32> = (0..100_i16)
            .map(|number| f32::from(number) - 50.5)
            .collect();
        for (precision, dtype, size) in [
            (Precision::F32, "f32", 400),
            (Precision::F16, "f16", 200),
            (Precision::I8, "i8", 140),
        ] {
            let tensors = [("w".to_owned(), floats_of(&numbers, 10))];
            let packed = Packed::of(tensors, precision).unwrap();
            assert_eq!(packed.tensors[0].dtype, dtype);
            let deflated = Base64::decode_vec(&packed.base64).unwrap();
            let mut bytes = Vec::new();
            ZlibDecoder::new(deflated.as_slice())
                .read_to_end(&mut bytes)
                .unwrap();
            assert_eq!(bytes.len(), size);
            let last = match precision {
                Precision::F32 => {
                    f32::from_le_bytes([bytes[99], bytes[199], bytes[299], bytes[399]])
                }
                Precision::F16 => f16::from_le_bytes([bytes[99], bytes[199]]).to_f32(),
                Precision::I8 => {
                    let scale = f32::from_le_bytes([bytes[9], bytes[19], bytes[29], bytes[39]]);
                    f32::from(bytes[139] as i8) * scale
                }
            };
            assert!((last - 48.5).abs() < 1e-3, "{precision:?}: {last}");
        }
    }

    /// A probability of 0 makes words impossible, where a weight of 0 changes little.
    #[test]
    fn numbers_that_would_overflow_and_small_probabilities_are_not_rounded() {
        for (number, shape, dtype) in [
            (70_000.0, vec![10, 10], "f32"),
            (1e-9, vec![10, 10], "f16"),
            (1e-9, vec![100], "f32"),
            (0.0, vec![100], "f16"),
        ] {
            let mut numbers = [1.0; 100];
            numbers[7] = number;
            let stored = Stored {
                shape,
                ..floats_of(&numbers, 10)
            };
            let packed = Packed::of([("w".to_owned(), stored)], Precision::F16).unwrap();
            assert_eq!(packed.tensors[0].dtype, dtype, "{number}");
        }
    }
}
