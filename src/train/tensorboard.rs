//! Event files for TensorBoard, which shows the losses of a running training.
//!
//! A file is a series of records. Each is an `Event`, encoded by protobuf, with its length and its
//! checksum.
//!
//! Source: TensorFlow's record_writer.h and event.proto.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sysinfo::System;

use super::run_state::Losses;
use crate::error::{Error, Result};

/// The version of the format, in the first event of each file.
const VERSION: &str = "brain.Event:2";

/// An event file. Flush it at the end: errors while it is dropped are lost.
///
/// Its methods fail with [`Error::Write`] if the file cannot be written to.
///
/// ```
/// # use makemore_tch::train::tensorboard::EventFile;
/// # let folder = tempfile::tempdir().unwrap();
/// let mut events = EventFile::create(&folder.path().join("runs/gru"))?;
/// events.scalar("loss/train", 100, 2.31)?;
/// events.flush()?; // from here on TensorBoard shows it
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventFile {
    /// Creates the folder and a new file in it. TensorBoard reads all files of a folder as one run.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the folder cannot be made or written to.
    pub fn create(folder: &Path) -> Result<Self> {
        let made = match folder.is_file() {
            true => Err(io::Error::other("it is a file; a folder would work")),
            false => fs::create_dir_all(folder),
        };
        made.map_err(|cause| Error::Write {
            file: folder.to_owned(),
            cause,
        })?;
        let seconds = seconds_since_1970();
        let host = System::host_name().unwrap_or_else(|| "localhost".to_owned());
        let process = std::process::id();
        let mut number = 0_u32;
        loop {
            let name = format!("events.out.tfevents.{seconds:010.0}.{host}.{process}.{number}");
            let path = folder.join(name);
            match File::create_new(&path) {
                Ok(file) => {
                    let file = BufWriter::new(file);
                    let mut events = Self { path, file };
                    events.write(&version(seconds))?;
                    events.flush()?;
                    return Ok(events);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(cause) => return Err(Error::Write { file: path, cause }),
            }
        }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends the value of a scalar at a step. TensorBoard groups scalars by the text before the slash
    /// in their tag.
    pub fn scalar(&mut self, tag: &str, step: i64, value: f32) -> Result<()> {
        self.write(&scalar(seconds_since_1970(), tag, step, value))
    }

    /// Appends the losses of an evaluation and the learning rate, and writes them to disk.
    pub fn losses(&mut self, losses: Losses, learning_rate: f64) -> Result<()> {
        let values = [
            ("loss/train", Some(losses.train)),
            ("loss/dev", losses.dev),
            ("learning rate", Some(learning_rate)),
        ];
        for (tag, value) in values {
            if let Some(value) = value {
                self.scalar(tag, losses.step as i64, value as f32)?;
            }
        }
        self.flush()
    }

    /// Writes the appended events to disk, where TensorBoard sees them.
    pub fn flush(&mut self) -> Result<()> {
        let flushed = self.file.flush();
        self.named(flushed)
    }

    fn write(&mut self, event: &[u8]) -> Result<()> {
        let written = self.file.write_all(&record(event));
        self.named(written)
    }

    fn named(&self, result: io::Result<()>) -> Result<()> {
        result.map_err(|cause| Error::Write {
            file: self.path.clone(),
            cause,
        })
    }
}

/// The time, 0 if the clock stands before 1970: that is no reason to end a training.
fn seconds_since_1970() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}

/// A record: the length of the data, the checksum of the length, the data, the checksum of the data.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let parts = [&length, &masked_crc(&length)[..], data, &masked_crc(data)];
    parts.concat()
}

/// The CRC-32C, masked as the format demands: a CRC of data that contain their own CRC is weak.
fn masked_crc(data: &[u8]) -> [u8; 4] {
    let rotated = crc32c::crc32c(data).rotate_right(15);
    rotated.wrapping_add(0xA282_EAD8).to_le_bytes()
}

/// `Event { wall_time, file_version }`.
fn version(seconds: f64) -> Vec<u8> {
    [double(1, seconds), text(3, VERSION.as_bytes())].concat()
}

/// `Event { wall_time, step, summary: Summary { value: [Value { tag, simple_value }] } }`.
fn scalar(seconds: f64, tag: &str, step: i64, value: f32) -> Vec<u8> {
    let value = [text(1, tag.as_bytes()), float(2, value)].concat();
    let summary = text(5, &text(1, &value));
    // Protobuf leaves out numbers that are 0.
    let step = match step {
        0 => Vec::new(),
        step => [key(2, 0), varint(step.cast_unsigned())].concat(),
    };
    [double(1, seconds), step, summary].concat()
}

/// The key of a field of protobuf: its number and the encoding of its value.
fn key(field: u64, wire_type: u64) -> Vec<u8> {
    varint(field << 3 | wire_type)
}

fn double(field: u64, value: f64) -> Vec<u8> {
    [&key(field, 1)[..], &value.to_le_bytes()].concat()
}

fn float(field: u64, value: f32) -> Vec<u8> {
    [&key(field, 5)[..], &value.to_le_bytes()].concat()
}

/// A string or a message.
fn text(field: u64, bytes: &[u8]) -> Vec<u8> {
    [&key(field, 2), &varint(bytes.len() as u64), bytes].concat()
}

/// A number of protobuf: seven bits a byte, the lowest first; the highest bit says that more follow.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: f64 = 1_700_000_000.25;

    fn hex(data: &[u8]) -> String {
        base16ct::lower::encode_string(&record(data))
    }

    /// Written by TensorBoard 2.21.0 in Python: `RecordWriter(file).write(event.SerializeToString())`
    /// with `Event(wall_time=1700000000.25, …)`.
    #[test]
    fn records_are_those_that_tensorboard_writes() {
        assert_eq!(
            hex(&version(SECONDS)),
            "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9"
        );
        for ((tag, step, value), expected) in [
            (
                ("loss/train", 0, 3.5),
                "1e00000000000000d9dc12320900001040fc54d9412a130a110a0a6c6f73732f747261696e15000060401ef5cef9",
            ),
            (
                ("loss/dév", 300, -0.0),
                "200000000000000029eda9500900001040fc54d94110ac022a120a100a096c6f73732f64c3a97615000000808a380e2f",
            ),
            (
                ("x", -1, f32::INFINITY),
                "200000000000000029eda9500900001040fc54d94110ffffffffffffffffff012a0a0a080a0178150000807f0e071659",
            ),
        ] {
            assert_eq!(hex(&scalar(SECONDS, tag, step, value)), expected, "{tag}");
        }
        // Lengths of two bytes.
        let long = format!(
            "e300000000000000b2d3dbbc0900001040fc54d94110c09a0c2ad3010ad0010ac801{}15000000404f2bb7dc",
            "74".repeat(200)
        );
        assert_eq!(hex(&scalar(SECONDS, &"t".repeat(200), 200_000, 2.0)), long);
    }

    #[test]
    fn each_file_is_a_new_one_and_begins_with_the_version() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("runs/one");
        let mut one = EventFile::create(&run).unwrap();
        let other = EventFile::create(&run).unwrap();
        assert_ne!(one.path(), other.path());
        let written = fs::read(other.path()).unwrap();
        assert_eq!(written.len(), record(&version(SECONDS)).len());

        one.scalar("loss", 1, 2.5).unwrap();
        one.flush().unwrap();
        let written = fs::read(one.path()).unwrap();
        let scalar = record(&scalar(SECONDS, "loss", 1, 2.5));
        assert_eq!(
            written.len(),
            other.path().metadata().unwrap().len() as usize + scalar.len()
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.txt");
        fs::write(&file, "emma\n").unwrap();
        match EventFile::create(&file) {
            Err(Error::Write { file: named, .. }) => assert_eq!(named, file),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(&file).unwrap(), b"emma\n");
    }
}
